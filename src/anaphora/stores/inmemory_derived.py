"""What is derived from transcripts, in this process's memory: the same rules as the SQLite store's, on dictionaries."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from anaphora.calls import Call
from anaphora.derived import BlockSummary, Candidate, Candidates, Cue, Fact, Learned, Unembedded, VectorRow, covered
from anaphora.fulltext import searchable
from anaphora.stores.base import Scope
from anaphora.stores.inmemory_held import Facts, HeldConversation, WordIndex
from anaphora.tokens import Estimate
from anaphora.transcript import Entry


class InMemoryDerived:
    """The half of the in-memory store that a memory asks."""

    def __init__(self) -> None:
        self._conversations: dict[Scope, HeldConversation] = {}
        self._words: dict[str, WordIndex] = {}
        self._facts: dict[str, Facts] = {}
        self._vectors: dict[tuple[str, str], dict[tuple[str, int], VectorRow]] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._calls: dict[str, list[Call]] = defaultdict(list)
        self._estimates: dict[tuple[str, str], Estimate] = {}
        self._placed = 0
        self._lock = Lock()

    async def candidates(self, owner: str, cue: Cue, /) -> Candidates:
        with self._lock:
            index = self._index(owner)
            named = [(scope.conversation, one) for scope in self._of_owner(owner) for one in cue.messages]
            found: dict[str, Candidate] = {}
            for conversation, message_id in [*named, *index.best(cue)]:
                candidate = self._candidate(owner, cue, conversation, message_id)
                if candidate is not None:
                    found.setdefault(message_id, candidate)
                if len(found) == len(cue.messages) + cue.limit:
                    break
            return Candidates(list(found.values()), len(index), {word: index.count(word, cue) for word in cue.words})

    async def neighbours(self, owner: str, cue: Cue, anchors: Sequence[Candidate], /, *, steps: int) -> Sequence[Candidate]:
        with self._lock:
            found: dict[tuple[str, str], Candidate] = {}
            for anchor in anchors:
                for message_id in self._around(Scope(owner, anchor.conversation), anchor.entry, steps):
                    candidate = self._candidate(owner, cue, anchor.conversation, message_id)
                    if candidate is not None:
                        found[anchor.conversation, message_id] = candidate
            return list(found.values())

    async def summaries(self, scope: Scope, message_id: str | None, /) -> Sequence[BlockSummary]:
        with self._lock:
            return self._summaries(self._seen(scope), message_id)

    async def keep_summary(self, scope: Scope, summary: BlockSummary, /, *, window: int, forgotten: int) -> bool:
        with self._lock:
            conversation = self._seen(scope)
            if conversation.forgotten != forgotten or summary.message not in conversation.entries:
                return False
            same = (summary.message, summary.start)
            conversation.summaries = [one for one in conversation.summaries if (one.message, one.start) != same]
            conversation.summaries.append(summary)
            pairs = covered(self._summaries(conversation, summary.message), window)
            gone = [one for one, other in pairs if not self._forks_between(conversation, one.message, other.message)]
            conversation.summaries = [one for one in conversation.summaries if one not in gone]
            return True

    async def facts(self, owner: str, /) -> Sequence[Fact]:
        with self._lock:
            return self._facts_of(owner).all()

    async def learn(
        self, owner: str, facts: Sequence[Learned], /, *, scope: Scope | None = None, order: int = 0
    ) -> Sequence[Fact]:
        with self._lock:
            kept = [
                learned.fact
                for learned in facts
                if self._facts_of(owner).keep(
                    learned,
                    [one for one in learned.fact.evidence if self._has_words(Scope(owner, one.conversation), one.message)],
                )
            ]
            if scope is not None:
                self._of(scope).learned = max(self._of(scope).learned, order)
            return kept

    async def reword(self, owner: str, fact_id: str, text: str, /) -> None:
        with self._lock:
            self._facts_of(owner).reword(fact_id, text)

    async def delete_fact(self, owner: str, fact_id: str, /) -> None:
        with self._lock:
            self._facts_of(owner).delete(fact_id)

    async def unembedded(self, owner: str, model: str, /, *, after: int, limit: int) -> Sequence[Unembedded]:
        with self._lock:
            known = {message for message, _ in self._vectors.get((owner, model), {})}
            found = [
                Unembedded(self._number(owner, entry.id), entry.id, searchable(entry.message))
                for scope in self._of_owner(owner)
                for entry in self._conversations[scope].entries.values()
                if entry.status in {"complete", "stopped"} and entry.message.parts and entry.id not in known
            ]
            return sorted((one for one in found if one.number > after), key=lambda one: -one.number)[:limit]

    async def keep_vectors(self, owner: str, model: str, rows: Sequence[VectorRow], /) -> None:
        with self._lock:
            kept = self._vectors.setdefault((owner, model), {})
            for row in rows:
                if any(self._has_words(scope, row.message) for scope in self._of_owner(owner)):
                    self._placed += 1
                    kept[row.message, row.piece] = replace(row, place=self._placed)

    async def vectors(self, owner: str, model: str, /, *, after: int) -> Sequence[VectorRow]:
        with self._lock:
            rows = self._vectors.get((owner, model), {}).values()
            return sorted((row for row in rows if row.place > after), key=lambda row: row.place)

    def _of(self, scope: Scope) -> HeldConversation:
        """The conversation, made if it is new."""
        return self._conversations.setdefault(scope, self._seen(scope))

    def _seen(self, scope: Scope) -> HeldConversation:
        """The conversation to look at: looking does not make one."""
        now = time.time()
        return self._conversations.get(scope) or HeldConversation(created=now, updated=now)

    def _of_owner(self, owner: str) -> list[Scope]:
        return [scope for scope in self._conversations if scope.owner == owner]

    def _facts_of(self, owner: str) -> Facts:
        return self._facts.setdefault(owner, Facts())

    def _number(self, owner: str, message_id: str) -> int:
        return self._numbers.setdefault((owner, message_id), len(self._numbers) + 1)

    def _has_words(self, scope: Scope, message_id: str) -> bool:
        entry = self._seen(scope).entries.get(message_id)
        return entry is not None and bool(entry.message.parts)

    def _index(self, owner: str) -> WordIndex:
        """The words of all that has ended. What ended since the last time is added now."""
        index = self._words.setdefault(owner, WordIndex())
        for scope in self._of_owner(owner):
            for entry in reversed(self._conversations[scope].entries.values()):
                if (scope.conversation, entry.id) in index:
                    break
                if entry.status != "pending":
                    index.add(scope.conversation, entry)
        return index

    def _candidate(self, owner: str, cue: Cue, conversation: str, message_id: str) -> Candidate | None:
        """The message, if the cue may reach it."""
        there = self._seen(Scope(owner, conversation))
        if message_id not in there.entries:
            return None
        candidate = Candidate(conversation, there.title, there.entries[message_id])
        here = self._seen(Scope(owner, cue.conversation))
        on_branch = here.path.to(cue.message, here.entries)
        if conversation != cue.conversation:
            # A fork has the same messages: what is here already is not found there once more.
            if message_id in on_branch:
                return None
            on_branch = there.path.to(there.head, there.entries)
        return candidate if _is_allowed(cue, candidate, on_branch) else None

    @staticmethod
    def _forks_between(conversation: HeldConversation, first: str, last: str) -> bool:
        """Whether a branch leaves the path from one message to a later one: there the first one's summary may be all there is."""
        step: str | None = last
        while step is not None and step != first:
            step = conversation.entries[step].parent
            if len(conversation.children.get(step, ())) > 1:
                return True
        return False

    def _around(self, scope: Scope, entry: Entry, steps: int) -> list[str]:
        """The ids of the messages before and after one; after it on every branch."""
        conversation = self._seen(scope)
        if entry.id not in conversation.entries:
            return []
        found: list[str] = []
        parent = entry.parent
        for _ in range(steps):
            if parent is None:
                break
            found.append(parent)
            parent = conversation.entries[parent].parent
        last = [entry.id]
        for _ in range(steps):
            last = [child for one in last for child in conversation.children.get(one, ())]
            found += last
        return found

    def _summaries(self, conversation: HeldConversation, message_id: str | None) -> list[BlockSummary]:
        if not conversation.summaries or (message_id is not None and message_id not in conversation.entries):
            return []
        on_branch = conversation.path.to(message_id, conversation.entries)
        found = [one for one in conversation.summaries if one.message in on_branch]
        return sorted(found, key=lambda one: (one.end, one.start))

    def _drop_derived(self, scope: Scope, conversation: HeldConversation, entry: Entry) -> None:
        """What was derived from a message that is being forgotten."""
        conversation.forgotten += 1
        depth = entry.before.messages
        conversation.summaries = [one for one in conversation.summaries if not one.start <= depth < one.end]
        self._drop_words(scope, entry.id)
        self._facts_of(scope.owner).drop_evidence(message=entry.id)

    def _drop_words(self, scope: Scope, message_id: str) -> None:
        self._words.setdefault(scope.owner, WordIndex()).drop(scope.conversation, message_id)
        for (owner, _), rows in self._vectors.items():
            if owner == scope.owner:
                for place in [place for place in rows if place[0] == message_id]:
                    del rows[place]


def _is_allowed(cue: Cue, candidate: Candidate, on_branch: set[str]) -> bool:
    """Whether a cue may reach a message; ``on_branch`` are the ids of the branch of its conversation."""
    entry = candidate.entry
    if entry.status not in {"complete", "stopped"} or entry.id not in on_branch:
        return False
    return entry.before.messages < cue.before if candidate.conversation == cue.conversation else cue.elsewhere
