"""The state that the memory of one conversation keeps between turns. All of it can be rebuilt from the store."""

from __future__ import annotations

from dataclasses import dataclass, field

from anaphora.memory.background import Background
from anaphora.memory.branch_reader import BranchReader
from anaphora.memory.last_call import LastCall


@dataclass(frozen=True, slots=True)
class MemoryState:
    """The background work, the last call and the branch that was read last."""

    background: Background = field(default_factory=Background)
    last_call: LastCall = field(default_factory=LastCall)
    reader: BranchReader = field(default_factory=BranchReader)

    def forget(self) -> None:
        """Drops every copy of messages: one of them was forgotten."""
        self.last_call.forget()
        self.reader.forget()
