"""One conversation with all its verbs, without await."""

from __future__ import annotations

from collections.abc import Sequence

from anaphora.chat.conversation import AsyncConversation
from anaphora.sync.facts import FactList
from anaphora.sync.parity import same_as
from anaphora.sync.portal import portal
from anaphora.sync.verbs import AnswerVerbs, TranscriptVerbs
from anaphora.values.message import Usage
from anaphora.values.transcript import Entry, Hit
from anaphora.values.usage import Spent


class Conversation(AnswerVerbs, TranscriptVerbs):
    """One conversation. A bot gives it: ``bot.conversation("trip to Kyoto")``. Two of one owner and name are equal."""

    _inner: AsyncConversation

    def __init__(self, inner: AsyncConversation) -> None:
        self._inner = inner
        self.facts = FactList(inner.facts)

    @property
    def id(self) -> str:
        """The id of the conversation: its name, if it has one."""
        return self._inner.id

    @property
    def owner(self) -> str:
        """The person whose conversation it is."""
        return self._inner.owner

    @same_as(AsyncConversation.search)
    def search(self, text: str, *, limit: int = 20) -> tuple[Hit, ...]:
        return portal.call(lambda: self._inner.search(text, limit=limit))

    @same_as(AsyncConversation.usage)
    def usage(self) -> Usage:
        return portal.call(self._inner.usage)

    @same_as(AsyncConversation.spent)
    def spent(self) -> Sequence[Spent]:
        return portal.call(self._inner.spent)

    @same_as(AsyncConversation.fork)
    def fork(self, message: Entry | str | None = None, *, name: str | None = None) -> Conversation:
        return Conversation(portal.call(lambda: self._inner.fork(message, name=name)))

    def __eq__(self, other: object) -> bool:
        return self._inner == other._inner if isinstance(other, Conversation) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._inner)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, owner={self.owner!r})"
