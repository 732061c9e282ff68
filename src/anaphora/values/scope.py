"""The owner and the conversation that a query is for."""

from __future__ import annotations

from dataclasses import dataclass, field

from anaphora.values.memory import Fact

# Between an owner and a conversation, in the name under which its documents are stored.
DOCUMENTS = "\x1fdocuments\x1f"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose conversation, and which. It exists from the first time anything is written in it.

    ``is_named``: the program named the owner. Without a name, nobody knows whether two conversations are one person's, so none
    is told what was said in another.
    """

    owner: str
    conversation: str
    is_named: bool = field(default=True, compare=False)

    @property
    def facts_of(self) -> str:
        """The conversation that new facts belong to: this one, if nobody knows whose it is."""
        return "" if self.is_named else self.conversation

    def shows(self, fact: Fact) -> bool:
        """Tells whether a fact of the owner may be shown here: those of all conversations only where the owner is named."""
        return fact.conversation == self.conversation or (self.is_named and not fact.conversation)


def documents_owner(scope: Scope) -> str:
    """Gives the owner under whom a conversation's documents are stored, where no search of the real owner meets them."""
    return f"{scope.owner}{DOCUMENTS}{scope.conversation}"
