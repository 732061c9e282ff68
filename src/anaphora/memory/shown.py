"""The part of a branch that a window shows."""

from __future__ import annotations

from dataclasses import dataclass

from anaphora.context.verbatim import Verbatim
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry


@dataclass(frozen=True, slots=True)
class Shown:
    """The part of a branch that a window shows. ``room`` is the size of a prompt, in tokens."""

    scope: Scope
    window: Verbatim
    room: int

    @property
    def start(self) -> int:
        """How many messages of the branch lie before the window."""
        return self.window.first.before.messages

    @property
    def last(self) -> Entry:
        """The last message of the branch."""
        return self.window.branch[-1]

    @property
    def newest(self) -> Entry | None:
        """The message that is to be answered: the last, or the one for which tools were called."""
        if self.last.role not in {"user", "tool"}:
            return None
        return next((entry for entry in reversed(self.window.branch) if entry.role == "user"), None)

    @property
    def answered(self) -> float:
        """When the assistant spoke last, in seconds since 1970; 0 if it has not."""
        return next((entry.created for entry in reversed(self.window.shown) if entry.role == "assistant"), 0.0)
