"""One conversation with all its verbs, for asynchronous code."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from anaphora.chat.open_conversation import OpenConversation, OpenConversations
from anaphora.chat.transcript_verbs import AsyncTranscriptVerbs, id_of
from anaphora.chat.verbs import AsyncAnswerVerbs
from anaphora.errors import ConfigError
from anaphora.memory.facts import AsyncFactList
from anaphora.stores.records import checked_name, checked_query, new_conversation_id
from anaphora.values.message import Usage
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry, Hit
from anaphora.values.usage import Spent


class AsyncConversation(AsyncAnswerVerbs, AsyncTranscriptVerbs):
    """One conversation. A bot gives it: ``bot.conversation("trip to Kyoto")``. Two of one owner and name are equal."""

    def __init__(self, conversations: OpenConversations, known: OpenConversation) -> None:
        self._conversations = conversations
        self._open = known
        self.facts = AsyncFactList(known.shared.store, known.scope)

    @property
    def id(self) -> str:
        """The id of the conversation: its name, if it has one."""
        return self._open.scope.conversation

    @property
    def owner(self) -> str:
        """The person whose conversation it is."""
        return self._open.scope.owner

    async def search(self, text: str, *, limit: int = 20) -> tuple[Hit, ...]:
        """Finds the messages of this conversation that have all these words, newest first.

        Words in quotes must stand in a row. Raises InvalidMessage if there is nothing to look for.
        """
        store = self._open.shared.store
        return tuple(await store.search(self.owner, checked_query(text, limit, self.id)))

    async def usage(self) -> Usage:
        """Gives the tokens and the cost of all calls for this conversation, those in the background too.

        Answers that were retried or undone count. A cost of None is unknown.
        """
        return (await self.info()).usage

    async def spent(self) -> Sequence[Spent]:
        """Gives the tokens and the cost of this conversation, one row for each day, model and purpose."""
        return await self._open.shared.store.spent(self.owner, conversation=self.id)

    async def fork(self, message: Entry | str | None = None, *, name: str | None = None) -> AsyncConversation:
        """Makes a conversation that begins with this branch, up to the head or to ``message``, and then goes its own way.

        Raises NotFound, and ConfigError if there is a conversation of that name.
        """
        from anaphora.documents.store import DocumentStore

        await self._open.settled()
        info, store = await self.info(), self._open.shared.store
        head = info.head if message is None else id_of(message)
        branch = await store.branch(self._open.scope, head)
        new = new_conversation_id() if name is None else checked_name(name, "a conversation's name")
        fork = self.sibling(replace(self._open.scope, conversation=new))
        if (await fork.info()).messages:
            raise ConfigError(f"there is a conversation {fork.id!r} already: name the fork otherwise.")
        title = f"{info.title} (fork)" if info.title else ""
        usage = sum((entry.usage for entry in branch if entry.usage), Usage())
        now = time.time()
        about = replace(info, id=fork.id, title=title, head=head, created=now, updated=now, usage=usage)
        # Its messages are numbered anew; facts have been learned from the same ones as here.
        about = replace(about, learned=sum(entry.order <= info.learned for entry in branch))
        await store.restore(self.owner, about, branch)
        if info.settings:
            await store.describe(fork._open.scope, settings=info.settings)  # noqa: SLF001 -- the same class
        await DocumentStore(store, self._open.scope).copy_to(DocumentStore(store, fork._open.scope))  # noqa: SLF001 -- the same class
        await self.facts.copy_to(fork.facts)
        return fork

    def sibling(self, scope: Scope) -> AsyncConversation:
        """Gives another conversation of the same bot."""
        return AsyncConversation(self._conversations, self._conversations.get(scope))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AsyncConversation):
            return NotImplemented
        return (self.owner, self.id) == (other.owner, other.id)

    def __hash__(self) -> int:
        return hash((self.owner, self.id))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, owner={self.owner!r})"
