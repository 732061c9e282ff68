"""What a context report says: what went in, what stayed out, what was recalled, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from anaphora.context.asides import Remembered
from anaphora.context.cache import Prefix
from anaphora.context.repair import Note


@dataclass(frozen=True, slots=True)
class Left:
    """Messages that stayed out: how many, their tokens, the last of them, why, and for how many of them a summary stands."""

    messages: int
    tokens: int
    last: str | None
    reason: str
    summarised: int = 0

    @property
    def unseen(self) -> int:
        """How many the model sees nothing of."""
        return self.messages - self.summarised


@dataclass(frozen=True, slots=True)
class Report:
    """Sizes in tokens. ``cut`` is the id of the first message of the window; ``exact`` whether a tokenizer counted.

    ``error`` is the share by which estimates were wrong lately. ``remembered`` has the facts, summaries and passages that went
    in; ``tools_tokens`` are schemas; ``prefix`` how much of the call before this one is repeated, None if there was none.
    """

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
    remembered: Remembered = field(default_factory=Remembered)
    error: float | None = None
    prefix: Prefix | None = None
    tools_tokens: int = 0

    @property
    def parts(self) -> dict[str, int]:
        """The tokens of each part, in the order in which they are sent, and the room that is left."""
        return {
            "system": self.system_tokens,
            "tools": self.tools_tokens,
            "memory": self.remembered.preamble.tokens,
            "window": self.window_tokens,
            "tail": self.remembered.tail.tokens,
            "room": self.room,
        }

    @property
    def tokens(self) -> int:
        """All that is sent."""
        return self.system_tokens + self.tools_tokens + self.window_tokens + self.remembered.tokens

    @property
    def room(self) -> int:
        """What is left of the budget."""
        return self.budget - self.tokens

    def lines(self) -> list[tuple[str, str]]:
        """Everything that there is to say: what it is about, and what there is to say of it."""
        about = "" if self.exact else "about "
        wrong = "" if self.exact or self.error is None else f" (estimates were off by {self.error:.0%} lately)"
        window = f"{self.context_window} tokens" + (" (assumed: the provider does not say)" if self.assumed else "")
        lines = [
            ("context window", f"{window}; what the budget leaves is for the answer"),
            ("budget", f"{self.budget} tokens, {about}{self.tokens} used, {self.room} left{wrong}"),
            ("system prompt", f"{self.system_tokens} tokens"),
        ]
        if self.tools_tokens:
            lines.append(("tools", f"{self.tools_tokens} tokens of schemas"))
        has = self.remembered
        if has.preamble.tokens:
            parts = [_counted(has.facts, "fact"), _counted(has.summaries, "summary")]
            parts += [_counted(has.documents, "document")] * bool(has.documents)
            lines.append(("memory", f"{', '.join(parts)}, {has.preamble.tokens} tokens"))
        lines.append(("window", f"{self.window_messages} messages, {self.window_tokens} tokens"))
        if has.tail.tokens:
            parts = [_counted(has.recent, "fact"), _counted(has.passages, "passage")]
            parts += [_counted(has.excerpts, "piece")] * bool(has.excerpts)
            lines.append(("tail", f"{', '.join(parts)}, {has.tail.tokens} tokens, with the newest message"))
        lines.append(("left out", self._left()))
        lines += [("fact", fact.text) for fact in (*has.facts, *has.recent)]
        lines += [("document", f"{one.document}, whole, {one.tokens} tokens") for one in has.documents]
        lines += [("document", f"{one.document}: {one.place} ({one.reason})") for one in has.excerpts]
        lines += [("summary", f"messages {one.start + 1} to {one.end}, {one.size.tokens} tokens") for one in has.summaries]
        recalled = has.recalled
        lines.append(("need", f"{'no' if recalled.need.kind == 'none' else 'yes'}: {recalled.need.reason}"))
        if recalled.ranked:
            room = f", {recalled.left} left out for want of room" if recalled.left else ""
            lines.append(("recall", f"{recalled.ranked} places ranked, {len(has.passages)} sent{room}"))
        lines += [("recalled", f"{one.date} {one.speaker}: {_short(one.text)} ({one.reason})") for one in has.passages]
        if self.prefix is not None:
            why = f": {self.prefix.reason}" if self.prefix.reason else ""
            lines.append(("prefix", f"{self.prefix.tokens} of the {self.prefix.before} tokens sent before are unchanged{why}"))
        lines += [("note", note.reason) for note in self.notes]
        return lines + [("note", note) for note in has.notes]

    def __str__(self) -> str:
        return "\n".join(f"{name:14}  {text}" for name, text in self.lines())

    def _left(self) -> str:
        if self.left is None:
            return "nothing"
        summarised = (
            f"; {self.left.summarised} of them are summarised, {self.left.unseen} not shown" if self.left.summarised else ""
        )
        return f"{self.left.messages} messages, {self.left.tokens} tokens: {self.left.reason}{summarised}"


def _counted(things: tuple[object, ...], name: str) -> str:
    if len(things) == 1:
        return f"1 {name}"
    return f"{len(things)} {name[:-1] + 'ies' if name.endswith('y') else name + 's'}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"
