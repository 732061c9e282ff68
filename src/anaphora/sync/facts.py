"""The facts about a person, without await."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anaphora.memory.facts import AsyncFactList
from anaphora.sync.portal import portal
from anaphora.values.memory import Fact
from anaphora.values.transcript import Entry


class FactList:
    """The facts of a conversation's owner, over all their conversations; of the conversation alone, where nobody named the owner.

    Iterate it for those that hold.
    """

    def __init__(self, inner: AsyncFactList) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[Fact]:
        return iter(portal.call(self._inner.list))

    def __len__(self) -> int:
        return len(portal.call(self._inner.list))

    def list(self) -> Sequence[Fact]:
        """Gives the facts that hold, oldest first."""
        return portal.call(self._inner.list)

    def history(self) -> Sequence[Fact]:
        """Gives all facts; a superseded one says when it ended and which fact took its place."""
        return portal.call(self._inner.history)

    def add(self, text: str, *, message: Entry | None = None, conversation: str | None = None) -> Fact:
        """Remember something; what is known already is not remembered twice, and what it contradicts holds no longer.

        ``message`` is where the user said it, in this ``conversation`` (its id; None is the bot's own): with it the fact is
        forgotten. Raises InvalidMessage, and NotFound if it is not there.
        """
        return portal.call(lambda: self._inner.add(text, message=message, conversation=conversation))

    def edit(self, fact: Fact | str, text: str) -> Fact:
        """Correct a fact. What it said is not kept: it was wrong. Raises InvalidMessage and NotFound."""
        return portal.call(lambda: self._inner.edit(fact, text))

    def delete(self, fact: Fact | str) -> None:
        """Forget a fact and what it superseded. The messages that it came from stay: ``forget`` blanks these. Raises NotFound."""
        portal.call(lambda: self._inner.delete(fact))
