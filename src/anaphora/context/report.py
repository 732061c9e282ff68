"""What a context report says: what went in, what stayed out, and why."""

from __future__ import annotations

from dataclasses import dataclass

from anaphora.context.repair import Note


@dataclass(frozen=True, slots=True)
class Left:
    """Messages that stayed out: how many, their tokens, the last of them, and why."""

    messages: int
    tokens: int
    last: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Sizes in tokens. ``cut`` is the id of the first message of the window; ``exact`` whether a tokenizer counted."""

    budget: int
    context_window: int
    assumed: bool
    exact: bool
    system_tokens: int
    window_messages: int
    window_tokens: int
    cut: str | None
    left: Left | None
    notes: tuple[Note, ...] = ()

    @property
    def tokens(self) -> int:
        """All that is sent."""
        return self.system_tokens + self.window_tokens

    @property
    def room(self) -> int:
        """What is left of the budget."""
        return self.budget - self.tokens

    def __str__(self) -> str:
        about = "" if self.exact else "about "
        window = f"{self.context_window} tokens" + (" (assumed: the provider does not say)" if self.assumed else "")
        lines = [
            f"context window  {window}; what the budget leaves is for the answer",
            f"budget          {self.budget} tokens, {about}{self.tokens} used, {self.room} left",
            f"system prompt   {self.system_tokens} tokens",
            f"window          {self.window_messages} messages, {self.window_tokens} tokens",
        ]
        if self.left is None:
            lines.append("left out        nothing")
        else:
            lines.append(f"left out        {self.left.messages} messages, {self.left.tokens} tokens: {self.left.reason}")
        lines.extend(f"note            {note.reason}" for note in self.notes)
        return "\n".join(lines)
