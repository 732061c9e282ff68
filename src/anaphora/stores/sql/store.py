"""The verbs of a store over the rules in portable SQL. A database adds only how a function becomes one transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

import anyio

from anaphora.stores.records import Begun, Change, Draft, Lease, Query
from anaphora.stores.run_records import EventBatch, NewRun, Run, RunEnd, Wish
from anaphora.stores.sql import leases, ledger, memories, runs, transcripts
from anaphora.values.memory import BlockSummary, Fact, Learned
from anaphora.values.scope import Scope
from anaphora.values.tokens import Estimate
from anaphora.values.transcript import ConversationInfo, Entry, Extent, Hit, Size
from anaphora.values.usage import Call, Spent

if TYPE_CHECKING:
    from anaphora.search.candidates import Candidate, Candidates, Cue
    from anaphora.search.vectors import Unembedded, VectorRow
    from anaphora.stores.sql.check import Unreadable
    from anaphora.stores.token_records import SignIn, Spending, Token

T = TypeVar("T")
Values = TypeVarTuple("Values")

# Where nobody tells, a log is looked at so often, in seconds.
_POLL_SECONDS = 0.1
# More is not read at a glance.
_GLANCE = 1_000


class SQLStore(ABC):
    """The Store protocol on a database. A subclass runs a function of its connection as one transaction."""

    @abstractmethod
    async def _write(self, work: Callable[[Any, *Values], T], *values: *Values, durable: bool = True) -> T:
        """Runs a function of a connection as one transaction. ``durable``: it is on the disk when this returns."""

    @abstractmethod
    async def _read(self, work: Callable[[Any, *Values], T], *values: *Values) -> T:
        """Runs a function that reads."""

    @abstractmethod
    async def aclose(self) -> None:
        """Lets go of files and connections."""

    @abstractmethod
    def _write_now(self, work: Callable[[Any, *Values], T], *values: *Values, durable: bool = True) -> T:
        """Runs a function of a connection as one transaction, in this thread."""

    @abstractmethod
    async def _snapshot(self, work: Callable[[Any, *Values], T], *values: *Values) -> T:
        """Runs a function that reads much, and sees everything as it is at its start."""

    async def _glance(self, work: Callable[[Any, *Values], T], *values: *Values) -> T:
        """Runs a function that reads little."""
        return await self._read(work, *values)

    async def _forgotten(self) -> None:  # noqa: B027 -- most databases leave nothing behind
        """Removes what is left of words that were forgotten just now."""

    async def _before_search(self) -> None:  # noqa: B027 -- most indexes are always ready
        """Prepares the index."""

    async def acquire(self, scope: Scope, /, *, seconds: float) -> Lease:
        return await self._write(leases.acquire, scope, seconds, durable=False)

    async def begin(self, scope: Scope, draft: Draft | None, /, *, seconds: float, run: NewRun | None = None) -> Begun:
        is_durable = draft is not None and draft.status != "pending"
        return await self._write(transcripts.begin, scope, draft, seconds, run, durable=is_durable)

    async def renew(self, lease: Lease, /, *, seconds: float) -> None:
        await self._write(leases.renew, lease, seconds, durable=False)

    async def release(self, lease: Lease, /) -> None:
        leases.abandon(lease)
        await self._write(leases.release, lease, durable=False)

    async def append(self, scope: Scope, draft: Draft, /) -> Entry:
        return await self._write(transcripts.append, scope, draft, durable=draft.status != "pending")

    async def change(self, scope: Scope, message_id: str, change: Change, /) -> Entry:
        return await self._write(transcripts.change, scope, message_id, change, durable=change.status != "pending")

    async def measure(self, scope: Scope, message_id: str, size: Size, /) -> None:
        await self._write(transcripts.measure, scope, message_id, size, durable=False)

    async def move_head(self, scope: Scope, message_id: str | None, /) -> None:
        await self._write(transcripts.move_head, scope, message_id)

    async def branch(self, scope: Scope, message_id: str | None, /, *, reach: Extent | None = None) -> Sequence[Entry]:
        # A book is not read at a glance.
        read = self._read if reach is None or min(reach.messages, reach.turns, reach.tokens // 20) > _GLANCE else self._glance
        return await read(transcripts.branch, scope, message_id, reach)

    async def children(self, scope: Scope, message_id: str | None, /) -> Sequence[Entry]:
        return await self._glance(transcripts.children, scope, message_id)

    async def leaves(self, scope: Scope, /) -> Sequence[Entry]:
        return await self._read(transcripts.leaves, scope)

    async def forget(self, scope: Scope, message_id: str, /) -> None:
        await self._write(transcripts.forget, scope, message_id)
        await self._forgotten()

    async def delete(self, scope: Scope, /) -> None:
        await self._write(transcripts.delete, scope)
        await self._forgotten()

    async def transcript(self, scope: Scope, /) -> Sequence[Entry]:
        return await self._read(transcripts.transcript, scope)

    async def restore(self, owner: str, info: ConversationInfo, entries: Sequence[Entry], /) -> int:
        return await self._write(transcripts.restore, owner, info, entries)

    async def search(self, owner: str, query: Query, /) -> Sequence[Hit]:
        await self._before_search()
        return await self._read(transcripts.search, owner, query)

    async def info(self, scope: Scope, /) -> ConversationInfo:
        return await self._glance(transcripts.info, scope)

    async def describe(
        self,
        scope: Scope,
        /,
        *,
        title: str | None = None,
        system: str | None = None,
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        await self._write(transcripts.describe, scope, title, system, model, settings)

    async def conversations(self, owner: str, /, *, limit: int | None = None) -> Sequence[ConversationInfo]:
        read = self._read if limit is None else self._glance
        return await read(transcripts.conversations, owner, limit)

    async def candidates(self, owner: str, cue: Cue, /) -> Candidates:
        from anaphora.stores.sql import recall

        await self._before_search()
        return await self._read(recall.candidates, owner, cue)

    async def neighbours(self, owner: str, cue: Cue, anchors: Sequence[Candidate], /, *, steps: int) -> Sequence[Candidate]:
        from anaphora.stores.sql import recall

        return await self._glance(recall.neighbours, owner, cue, anchors, steps)

    async def summaries(self, scope: Scope, message_id: str | None, /) -> Sequence[BlockSummary]:
        return await self._glance(memories.summaries, scope, message_id)

    async def save_summary(self, scope: Scope, summary: BlockSummary, /, *, window: int, forgotten: int) -> bool:
        return await self._write(memories.save_summary, scope, summary, window, forgotten, durable=False)

    async def facts(self, owner: str, /) -> Sequence[Fact]:
        return await self._glance(memories.facts, owner)

    async def learn(
        self, owner: str, facts: Sequence[Learned], /, *, scope: Scope | None = None, order: int = 0
    ) -> Sequence[Fact]:
        return await self._write(memories.learn, owner, facts, scope, order)

    async def reword(self, owner: str, fact_id: str, text: str, /) -> None:
        await self._write(memories.reword, owner, fact_id, text)
        await self._forgotten()

    async def delete_fact(self, owner: str, fact_id: str, /) -> None:
        await self._write(memories.delete_fact, owner, fact_id)
        await self._forgotten()

    async def unembedded(self, owner: str, model: str, /, *, after: int, limit: int) -> Sequence[Unembedded]:
        return await self._read(memories.unembedded, owner, model, after, limit)

    async def save_vectors(self, owner: str, model: str, rows: Sequence[VectorRow], /) -> None:
        await self._write(memories.save_vectors, owner, model, rows, durable=False)

    async def vectors(self, owner: str, model: str, /, *, after: int) -> Sequence[VectorRow]:
        return await self._read(memories.vectors, owner, model, after)

    async def record(self, owner: str, call: Call, /) -> None:
        await self._write(ledger.record, owner, call, durable=False)

    async def spent(self, owner: str, /, *, conversation: str | None = None, since: float = 0.0) -> Sequence[Spent]:
        return await self._read(ledger.spent, owner, conversation, since)

    async def estimate(self, owner: str, model: str, /) -> Estimate | None:
        return await self._glance(ledger.estimate, owner, model)

    async def save_estimate(self, owner: str, model: str, estimate: Estimate, /) -> None:
        await self._write(ledger.save_estimate, owner, model, estimate, durable=False)

    async def delete_owner(self, owner: str, /) -> int:
        from anaphora.stores.sql import owners

        count = await self._write(owners.delete_owner, owner)
        await self._forgotten()
        return count

    async def has_conversation(self, scope: Scope, /) -> bool:
        return await self._glance(runs.has_conversation, scope)

    async def run(self, owner: str, run_id: str, /) -> Run:
        return await self._glance(runs.run, owner, run_id)

    async def living_run(self, owner: str, run_id: str, /) -> Run:
        from anaphora.stores.sql import dead_runs

        return await self._write(dead_runs.end_dead_run, owner, run_id, durable=False)

    async def same_run(self, owner: str, /, *, key: str | None, fingerprint: str, since: float) -> Run | None:
        return await self._glance(runs.same_run, owner, key, fingerprint, since)

    async def run_of_chain(self, owner: str, chain: str, /) -> Run | None:
        return await self._glance(runs.run_of_chain, owner, chain)

    async def runs(self, scope: Scope, /) -> Sequence[Run]:
        return await self._read(runs.runs, scope.owner, scope.conversation)

    async def add_events(self, batches: Sequence[EventBatch], /) -> None:
        await self._write(runs.add_events, batches, durable=False)

    async def events(self, owner: str, run_id: str, /, *, after: int) -> Sequence[tuple[int, str]]:
        return await self._glance(runs.events, owner, run_id, after)

    async def end_run(self, owner: str, run_id: str, end: RunEnd, batches: Sequence[EventBatch] = (), /) -> None:
        await self._write(runs.end_run, owner, run_id, end, batches, durable=False)

    async def hold_runs(self, holder: str, /) -> Sequence[Wish]:
        return await self._write(runs.hold_runs, holder, durable=False)

    async def wishes(self, holder: str, /) -> Sequence[Wish]:
        return await self._glance(runs.wishes, holder)

    async def stop_run(self, owner: str, run_id: str, /) -> None:
        await self._write(runs.stop_run, owner, run_id)

    async def allow_call(self, owner: str, run_id: str, call: str, /, *, allow: bool) -> None:
        await self._write(runs.allow_call, owner, run_id, call, allow)

    async def end_dead_runs(self) -> int:
        from anaphora.stores.sql import dead_runs

        return await self._write(dead_runs.end_dead_runs, durable=False)

    async def delete_run(self, owner: str, run_id: str, /) -> None:
        await self._write(runs.delete_run, owner, run_id)
        await self._forgotten()

    async def drop_events(self, *, before: float) -> int:
        return await self._write(runs.drop_events, before, durable=False)

    async def wait_for_events(self, owner: str, run_id: str, /, *, seconds: float) -> None:
        del owner, run_id  # A file tells nobody that it has changed.
        await anyio.sleep(min(seconds, _POLL_SECONDS))

    async def add_token(self, token: Token, /) -> None:
        from anaphora.stores.sql import tokens

        await self._write(tokens.add_token, token)

    async def tokens(self) -> Sequence[Token]:
        from anaphora.stores.sql import tokens

        return await self._read(tokens.tokens)

    async def token(self, hash_: str, /) -> Token | None:
        from anaphora.stores.sql import tokens

        return await self._glance(tokens.token, hash_)

    async def remove_token(self, name: str, /) -> None:
        from anaphora.stores.sql import tokens

        await self._write(tokens.remove_token, name)

    async def add_sign_in(self, sign_in: SignIn, /) -> None:
        from anaphora.stores.sql import tokens

        await self._write(tokens.add_sign_in, sign_in)

    async def token_of_sign_in(self, hash_: str, /) -> Token | None:
        from anaphora.stores.sql import tokens

        return await self._glance(tokens.token_of_sign_in, hash_)

    async def sign_ins(self, owner: str, /) -> Sequence[SignIn]:
        from anaphora.stores.sql import tokens

        return await self._read(tokens.sign_ins, owner)

    async def remove_sign_in(self, hash_: str, /) -> None:
        from anaphora.stores.sql import tokens

        await self._write(tokens.remove_sign_in, hash_)

    async def admit(self, token: Token, slot: str, holder: str, /) -> None:
        from anaphora.stores.sql import tokens

        await self._write(tokens.admit, token, slot, holder, durable=False)

    async def leave(self, token: Token, slot: str, used: Spending, /) -> None:
        from anaphora.stores.sql import tokens

        await self._write(tokens.leave, token, slot, used, durable=False)

    async def spending(self, token: Token, /) -> Spending:
        from anaphora.stores.sql import tokens

        return await self._glance(tokens.spending, token)

    async def check(self) -> Sequence[Unreadable]:
        """Gives the rows that cannot be read, of all owners."""
        from anaphora.stores.sql.check import check

        return await self._read(check)

    async def quarantine(self) -> Sequence[Unreadable]:
        """Moves the rows that cannot be read aside, so that everything beside them can be used. Gives what was moved."""
        from anaphora.stores.sql.check import quarantine

        return await self._write(quarantine)

    async def copy_to(self, target: SQLStore) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Copies everything into an empty store. Gives how many rows of every table were read, and are there now.

        Raises ConfigError if there is something in the target.
        """
        from anaphora.stores.sql import copying

        await target._read(copying.check_empty)

        def take(rows: copying.CopiedRows) -> None:
            target._write_now(copying.receive, rows, durable=False)

        sent = await self._snapshot(copying.send, take)
        await target._received()
        return sent, await target._read(copying.counts)

    async def _received(self) -> None:  # noqa: B027 -- most databases number rows by those that are there
        """Prepares for new rows beside those that came from another store."""
