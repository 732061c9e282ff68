"""Conversations in Postgres. One function is one transaction and runs to its end in a worker thread.

A conversation is locked while its transaction runs, and with it all others of its owner where a function reaches over them. The
user's words and final answers are on the disk when their verb returns; what is written while an answer comes may lose its last
moments to a crash of the database.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from threading import Lock
from typing import Any, TypeVar, TypeVarTuple
from urllib.parse import urlsplit

import psycopg
import psycopg_pool

from anaphora.errors import StoreUnusable
from anaphora.stores.postgres.connection import Connection, PostgresDatabase, store_failure
from anaphora.stores.postgres.fulltext import catch_up, is_behind, unindexed
from anaphora.stores.postgres.listen import Listener, tell
from anaphora.stores.postgres.migrate import migrate
from anaphora.stores.records import Lease
from anaphora.stores.run_records import EventBatch, RunEnd
from anaphora.stores.sql import dead_runs, leases, memories, owners, runs, transcripts
from anaphora.stores.sql.store import SQLStore
from anaphora.stores.sql.worker import Worker
from anaphora.stores.token_records import Token
from anaphora.values.scope import Scope

T = TypeVar("T")
Values = TypeVarTuple("Values")

# So many connections, each with a thread.
CONNECTIONS = 10
# A connection is waited for so long, in seconds.
_WAIT_SECONDS = 10.0
# A connection that has died is replaced; so many may have died together.
_TRIES = CONNECTIONS + 2
_INDEXED = 2_000
# A database that could not be reached is not tried again for so long, in seconds.
_REMEMBERED_SECONDS = 1.0
# These reach over all conversations of an owner.
_OF_OWNER: frozenset[Callable[..., Any]] = frozenset(
    {
        memories.delete_fact,
        memories.learn,
        memories.reword,
        memories.save_vectors,
        owners.delete_owner,
        transcripts.forget,
        transcripts.restore,
    }
)


# These read and change one run.
_OF_RUN: frozenset[Callable[..., Any]] = frozenset({runs.allow_call, dead_runs.end_dead_run})


class PostgresStore(SQLStore):
    """The Store protocol on Postgres. Connected when first used; closed by ``aclose`` and opened again by the next verb."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS, wait: float = _WAIT_SECONDS) -> None:
        self.place = _shown(url)
        self._url = url
        self._worker = Worker(threads=connections)
        self._connections = connections
        self._wait = wait
        self._lock = Lock()
        self._listener = Listener(url)
        self._pool: psycopg_pool.ConnectionPool[Connection] | None = None
        self._process = 0
        self._failed = (0.0, "")

    async def add_events(self, batches: Sequence[EventBatch], /) -> None:
        await self._write(_add_events, batches, durable=False)

    async def end_run(self, owner: str, run_id: str, end: RunEnd, batches: Sequence[EventBatch] = (), /) -> None:
        await self._write(_end_run, owner, run_id, end, batches, durable=False)

    async def wait_for_events(self, owner: str, run_id: str, /, *, seconds: float) -> None:
        del owner  # Ids of runs are random enough.
        await self._listener.wait(run_id, seconds)

    async def release(self, lease: Lease, /) -> None:
        leases.abandon(lease)
        await super().release(lease)

    async def aclose(self) -> None:
        self._listener.close()
        await self._worker.run(self._close)
        self._worker.end()

    async def unindexed(self) -> int:
        """Counts the messages that are not in the index yet."""
        return await self._read(unindexed)

    async def index(self, most: int = _INDEXED) -> bool:
        """Takes at most so many messages into the index; tells whether that was all. Each call is a transaction of its own."""
        return await self._write(catch_up, most, durable=False)

    async def _before_search(self) -> None:
        if await self._read(is_behind):
            await self.index()

    async def _write(self, work: Callable[[Any, *Values], T], *values: *Values, durable: bool = True) -> T:
        return await self._worker.run(lambda: self._write_now(work, *values, durable=durable))

    def _write_now(self, work: Callable[[Any, *Values], T], *values: *Values, durable: bool = True) -> T:
        begin = "; ".join(["BEGIN", *([] if durable else ["SET LOCAL synchronous_commit = off"]), *_locks(work, values)])

        def job(connection: Connection) -> T:
            return _transaction(connection, begin, lambda database: work(database, *values), self.place)

        return self._with_connection(job)

    async def _read(self, work: Callable[[Any, *Values], T], *values: *Values) -> T:
        return await self._worker.run(
            lambda: self._with_connection(lambda connection: work(PostgresDatabase(connection), *values))
        )

    async def _snapshot(self, work: Callable[[Any, *Values], T], *values: *Values) -> T:
        def job(connection: Connection) -> T:
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            return _transaction(connection, begin, lambda database: work(database, *values), self.place)

        return await self._worker.run(lambda: self._with_connection(job))

    async def _received(self) -> None:
        await self._write(_count_on)

    def _with_connection(self, work: Callable[[Connection], T]) -> T:
        """Works with a connection. One that has died before anything was done is replaced by another. Raises StoreError."""
        for left in reversed(range(_TRIES)):
            try:
                with self._opened().connection(timeout=self._wait) as connection:
                    return work(connection)
            except psycopg_pool.PoolTimeout as error:
                raise store_failure(error, self.place) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not left or not _is_gone(error):
                    raise store_failure(error, self.place) from error
            except psycopg.Error as error:
                raise store_failure(error, self.place) from error
        raise StoreUnusable(f"the database {self.place} cannot be reached.")

    def _opened(self) -> psycopg_pool.ConnectionPool[Connection]:
        with self._lock:
            if self._pool is None or self._process != os.getpid():
                if time.monotonic() < self._failed[0]:
                    # Whoever waited for the lock need not wait again.
                    raise StoreUnusable(self._failed[1])
                pool: psycopg_pool.ConnectionPool[Connection] = psycopg_pool.ConnectionPool(
                    self._url,
                    min_size=1,
                    max_size=self._connections,
                    open=False,
                    timeout=self._wait,
                    reconnect_timeout=self._wait,
                    kwargs={"autocommit": True, "cursor_factory": psycopg.ClientCursor, "prepare_threshold": None},
                )
                pool.open()
                try:
                    with pool.connection(timeout=self._wait) as connection:
                        migrate(connection, self.place)
                except BaseException as error:
                    pool.close()
                    told = str(store_failure(error, self.place)) if isinstance(error, psycopg.Error) else str(error)
                    self._failed = (time.monotonic() + _REMEMBERED_SECONDS, told)
                    raise
                self._pool, self._process = pool, os.getpid()
            return self._pool

    def _close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and self._process == os.getpid():
            pool.close()


def _add_events(database: PostgresDatabase, batches: Sequence[EventBatch]) -> None:
    runs.add_events(database, batches)
    tell(database, {one.run for one in batches})


def _end_run(database: PostgresDatabase, owner: str, run_id: str, end: RunEnd, batches: Sequence[EventBatch]) -> None:
    runs.end_run(database, owner, run_id, end, batches)
    tell(database, {run_id})


def _transaction(connection: Connection, begin: str, work: Callable[[PostgresDatabase], T], place: str) -> T:
    try:
        connection.execute(begin.encode())
        result = work(PostgresDatabase(connection))
    except BaseException:
        with suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        raise
    try:
        connection.execute("COMMIT")
    except psycopg.OperationalError as error:
        # Nobody knows whether it was stored, so it must not be done again.
        told = "the connection was lost while this was being stored; it may or may not be there"
        raise StoreUnusable(f"the database {place}: {told}. Look before you try again.") from error
    return result


# The tables whose rows are numbered.
_NUMBERED = {"messages": "number", "quarantine": "number", "summaries": "number", "vectors": "place", "calls": "number"}


def _count_on(database: PostgresDatabase) -> None:
    """Numbers new rows from the last one on."""
    for table, column in _NUMBERED.items():
        last = f"(SELECT coalesce(max({column}), 0) + 1 FROM {table})"
        database.execute(f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), {last}, false)")


def _locks(work: Callable[..., Any], values: tuple[Any, ...]) -> list[str]:
    """Gives the statement that keeps others away from what a function changes."""
    first = values[0] if values else None
    scope = first if isinstance(first, Scope) else first.scope if isinstance(first, Lease) else None
    if work in _OF_OWNER:
        owner = first if isinstance(first, str) else scope.owner if scope else ""
        return [f"SELECT pg_advisory_xact_lock({_number('owner', owner)})"]
    if scope is not None:
        shared, own = _number("owner", scope.owner), _number("conversation", scope.owner, scope.conversation)
        return [f"SELECT pg_advisory_xact_lock_shared({shared}), pg_advisory_xact_lock({own})"]
    if work in _OF_RUN:
        return [f"SELECT pg_advisory_xact_lock({_number('run', str(values[1]))})"]
    if isinstance(first, Token):
        return [f"SELECT pg_advisory_xact_lock({_number('token', first.hash)})"]
    return []


def _number(*names: str) -> int:
    """Gives the number that stands for names, as an advisory lock wants it."""
    digest = blake2b("\0".join(names).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _is_gone(error: psycopg.Error) -> bool:
    """True if the connection had died, so that nothing was done."""
    return isinstance(error, psycopg.InterfaceError | psycopg.errors.AdminShutdown) or error.sqlstate in {None, "57P01", "57P02"}


def _shown(url: str) -> str:
    """Gives the address of a database without its password."""
    parts = urlsplit(url)
    host = parts.hostname or os.environ.get("PGHOST", "localhost")
    name = parts.path.lstrip("/") or os.environ.get("PGDATABASE", "")
    return f"postgresql://{host}/{name}"


def open_url(url: str) -> PostgresStore:
    """The store at ``postgresql://…``, or where libpq's own variables say."""
    return PostgresStore(url)
