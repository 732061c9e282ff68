"""The facts about a user, to be read and changed: ``bot.facts``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from anaphora.errors import InvalidMessage, NotFound
from anaphora.memory.background import new_fact_id
from anaphora.stores.base import Store
from anaphora.values.memory import Evidence, Fact, Learned
from anaphora.values.scope import Scope
from anaphora.values.transcript import START, Entry


def _check_evidence(message: object) -> None:
    if not isinstance(message, Entry) or message.role != "user":
        raise InvalidMessage(f"the evidence must be a message of the user, as bot.history has it, not {message!r}.")


class AsyncFactList:
    """The facts of a conversation's owner, over all their conversations; of this one alone, where nobody named the owner."""

    def __init__(self, store: Store, scope: Scope) -> None:
        self._store = store
        self._scope = scope

    async def __aiter__(self) -> AsyncIterator[Fact]:
        for fact in await self.list():
            yield fact

    async def list(self) -> Sequence[Fact]:
        """Gives the facts that hold, oldest first."""
        return [fact for fact in await self.history() if fact.holds]

    async def history(self) -> Sequence[Fact]:
        """Gives all facts; a superseded one says when it ended and which fact took its place."""
        return [fact for fact in await self._store.facts(self._scope.owner) if self._scope.shows(fact)]

    async def add(self, text: str, *, message: Entry | None = None, conversation: str | None = None) -> Fact:
        """Remember something; what is known already is not remembered twice, and what it contradicts holds no longer.

        ``message`` is where the user said it, in this ``conversation`` (its id; None is the bot's own): with it the fact is
        forgotten. Raises InvalidMessage, and NotFound if it is not there.
        """
        from anaphora.context.fact_checks import contradicted, same_fact
        from anaphora.context.facts import checked_fact

        line = checked_fact(text)
        known = same_fact(line, await self.list())
        if known is not None:
            return known
        evidence: tuple[Evidence, ...] = ()
        if message is not None:
            _check_evidence(message)
            where = replace(self._scope, conversation=conversation or self._scope.conversation)
            await self._store.branch(where, message.id, reach=START)
            evidence = (Evidence(where.conversation, message.id, line),)
        fact = Fact(new_fact_id(), line, "told", time.time(), evidence, conversation=self._scope.facts_of)
        denied = contradicted(line, await self.list())
        kept = await self._store.learn(self._scope.owner, [Learned(fact, denied.id if denied else None)])
        if not kept:
            raise InvalidMessage("the message it came from has been forgotten.")
        return kept[0]

    async def edit(self, fact: Fact | str, text: str) -> Fact:
        """Correct a fact. What it said is not kept: it was wrong. Raises InvalidMessage and NotFound."""
        from anaphora.context.facts import checked_fact

        line, known = checked_fact(text), await self._found(fact)
        await self._store.reword(self._scope.owner, known.id, line)
        return replace(known, text=line, origin="told")

    async def delete(self, fact: Fact | str) -> None:
        """Forget a fact and what it superseded. The messages that it came from stay: ``forget`` blanks these. Raises NotFound."""
        await self._store.delete_fact(self._scope.owner, (await self._found(fact)).id)

    async def copy_to(self, fork: AsyncFactList) -> None:
        """Give a fork what is known in this conversation alone."""
        where = fork._scope.conversation
        copies = [
            replace(
                fact,
                id=new_fact_id(),
                conversation=where,
                evidence=tuple(replace(proof, conversation=where) for proof in fact.evidence),
            )
            for fact in await self.list()
            if fact.conversation
        ]
        await self._store.learn(self._scope.owner, [Learned(fact) for fact in copies])

    async def _found(self, which: Fact | str) -> Fact:
        if not isinstance(which, Fact | str):
            raise InvalidMessage(f"a fact of bot.facts, or its id, must be given, not {which!r}.")
        wanted = which.id if isinstance(which, Fact) else which
        found = next((fact for fact in await self.history() if fact.id == wanted), None)
        if found is None:
            raise NotFound(f"no fact {wanted!r}.")
        return found
