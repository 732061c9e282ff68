"""Conversations in a SQLite file: durable, shared by threads and processes.

One function is one transaction and runs to its end in a worker thread, whatever becomes of whoever asked. The user's
words and final answers are on the disk when their verb returns (``synchronous=FULL``); what is written while an answer
comes may lose its last moments to a power cut, but not to a crash.
"""

from __future__ import annotations

import glob
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import TypeVar, TypeVarTuple
from urllib.parse import unquote
from weakref import WeakSet

from anaphora.errors import ConfigError, StoreUnusable, UnreadableRow, error_text
from anaphora.stores.sql.store import SQLStore
from anaphora.stores.sql.worker import Worker
from anaphora.stores.sqlite.connection import SQLiteDatabase, open_database, store_failure, write_back
from anaphora.stores.sqlite.file_identity import FileIdentity, identity_of, leave_open
from anaphora.stores.sqlite.fulltext import catch_up, is_behind, unindexed

T = TypeVar("T")
Values = TypeVarTuple("Values")

# Before a search, so many messages are taken into an index that is behind.
_INDEXED = 2_000
# Connections that a forked child inherited: even closing them would disturb the parent's locks.
_of_the_parent: list[SQLiteDatabase] = []
_stores: WeakSet[SQLiteStore] = WeakSet()


class SQLiteStore(SQLStore):
    """The Store protocol on a file. Opened when first used; closed by ``aclose`` and opened again by the next verb."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self._worker = Worker()
        self._lock = Lock()
        self._database: SQLiteDatabase | None = None
        self._durable: bool | None = None
        self._process = 0
        self._file: FileIdentity | None = None
        _stores.add(self)

    async def aclose(self) -> None:
        await self._run(self._close)
        self._worker.end()

    async def unindexed(self) -> int:
        """Counts the messages that are not in the index yet. Until they are, a search reads the newest of them."""
        return await self._read(unindexed)

    async def index(self, most: int = _INDEXED) -> bool:
        """Take at most so many messages into the index; tells whether that was all. Each call is a transaction of its own."""
        return await self._write(catch_up, most, durable=False)

    async def _before_search(self) -> None:
        """Some of what ended without the index is added. What can only be read is searched as it is."""
        if await self._glance(is_behind):
            with suppress(StoreUnusable):
                await self.index()

    async def _forgotten(self) -> None:
        await self._read(self._remove_traces)

    def _remove_traces(self, database: SQLiteDatabase) -> None:
        """Removes forgotten words from the log and from backups of the file."""
        write_back(database)
        for backup in self.path.parent.glob(f"{glob.escape(self.path.name)}.schema-*.backup"):
            backup.unlink(missing_ok=True)

    async def _write(self, work: Callable[[SQLiteDatabase, *Values], T], *values: *Values, durable: bool = True) -> T:
        """Runs a function of a connection as one transaction, in the worker thread. ``durable``: on the disk when it returns."""
        return await self._run(lambda: self._write_now(work, *values, durable=durable))

    def _write_now(self, work: Callable[[SQLiteDatabase, *Values], T], *values: *Values, durable: bool = True) -> T:
        return self._locked(lambda database: self._transaction(lambda within: work(within, *values), database, durable=durable))

    async def _snapshot(self, work: Callable[[SQLiteDatabase, *Values], T], *values: *Values) -> T:
        def job(database: SQLiteDatabase) -> T:
            database.execute("BEGIN")
            try:
                return work(database, *values)
            finally:
                database.execute("ROLLBACK")

        return await self._read(job)

    async def backup(self, path: Path) -> None:
        """Makes a consistent copy of the file while it is used. Raises StoreError."""

        def job(database: SQLiteDatabase) -> None:
            path.touch(mode=0o600, exist_ok=False)
            with closing(sqlite3.connect(path)) as copy:
                database.backup(copy)

        await self._read(job)

    async def _read(self, work: Callable[[SQLiteDatabase, *Values], T], *values: *Values) -> T:
        return await self._run(lambda: self._locked(lambda database: work(database, *values)))

    async def _glance(self, work: Callable[[SQLiteDatabase, *Values], T], *values: *Values) -> T:
        """Does a short read, here if nobody else is at the database: a thread and back takes as long as the read."""
        if self._database is None or not self._lock.acquire(blocking=False):
            return await self._read(work, *values)
        try:
            return self._worked(lambda database: work(database, *values))
        finally:
            self._lock.release()

    async def _run(self, work: Callable[[], T]) -> T:
        """Does the work where it holds up no event loop."""
        return await self._worker.run(work)

    def _locked(self, work: Callable[[SQLiteDatabase], T]) -> T:
        with self._lock:
            return self._worked(work)

    def _worked(self, work: Callable[[SQLiteDatabase], T]) -> T:
        """Work on the connection, by whoever holds the lock. Raises StoreError."""
        try:
            return work(self._opened())
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError, RecursionError) as error:
            # Only a row with values of wrong types can do that.
            raise UnreadableRow(f"a row of the database {self.path}", error_text(error)) from error
        except (sqlite3.Error, OSError) as error:
            if self._database is not None and "readonly" in str(error):
                # Opened only for reading, on a disk that was full perhaps. The next verb tries again.
                self._database.close()
                self._database = None
            raise store_failure(error, self.path) from error

    def _transaction(self, work: Callable[[SQLiteDatabase], T], database: SQLiteDatabase, *, durable: bool) -> T:
        if durable != self._durable:
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        database.execute("BEGIN IMMEDIATE")
        try:
            result = work(database)
            self._check_file(database)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        return result

    def _opened(self) -> SQLiteDatabase:
        """The connection; a forked child opens its own, since SQLite's must not cross a fork."""
        if self._database is not None and self._process != os.getpid():
            _of_the_parent.append(self._database)
            self._database = None
        if self._database is None:
            self._database = open_database(self.path)
            self._file = identity_of(self.path)
            self._durable = None
            self._process = os.getpid()
        else:
            self._check_file(self._database)
        return self._database

    def _check_file(self, database: SQLiteDatabase) -> None:
        """Raises StoreUnusable if the file was removed or replaced while it was open."""
        if self._file is None or self._file.is_same(self.path):
            return
        if database.in_transaction:
            database.execute("ROLLBACK")
        self._database, lost = None, self._file
        leave_open(database)
        lost.remove_log(self.path)
        raise StoreUnusable(
            f"the database {self.path} was removed or replaced while it was open, so this was not stored. "
            "The next message goes into the file that is there now, or into a new one."
        )

    def after_fork(self) -> None:
        """In a child: whoever held the lock is not here."""
        self._lock = Lock()

    def _close(self) -> None:
        with self._lock:
            database, self._database = self._database, None
            if database is not None and self._process == os.getpid():
                database.close()


def open_url(url: str) -> SQLiteStore:
    """The store at ``sqlite:///relative.db`` or ``sqlite:////absolute.db``, as SQLAlchemy writes them."""
    path = unquote(url.partition("://")[2].removeprefix("/"))
    if not path:
        raise ConfigError(f"{url} names no file: write sqlite:///chats.db")
    return SQLiteStore(path)


def _after_fork() -> None:
    for store in _stores:
        store.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
