"""Conversations in this process's memory: gone with it. The SQLite store on a database that has no file."""

from __future__ import annotations

from collections.abc import Callable

from anaphora.stores.sqlite.connection import SQLiteDatabase, open_in_memory
from anaphora.stores.sqlite.store import SQLiteStore, T


class InMemoryStore(SQLiteStore):
    """The Store protocol in memory, for any number of threads and tasks. Nothing waits for a disk, so no thread is needed."""

    def __init__(self) -> None:
        super().__init__(":memory:")

    async def aclose(self) -> None:
        """Let go of nothing: what is here lives as long as the store."""

    async def _run(self, work: Callable[[], T]) -> T:
        return work()

    def _transaction(self, work: Callable[[SQLiteDatabase], T], database: SQLiteDatabase, *, durable: bool) -> T:
        del durable  # Nothing here outlives the process, so there is no disk to wait for.
        return super()._transaction(work, database, durable=False)

    def _opened(self) -> SQLiteDatabase:
        # A forked child goes on with its copy: without a file there are no locks that a fork could disturb.
        if self._database is None:
            self._database = open_in_memory()
            self._durable = False
        return self._database

    def _check_file(self, database: SQLiteDatabase) -> None:
        """Does nothing: there is no file."""

    def _remove_traces(self, database: SQLiteDatabase) -> None:
        """Does nothing: there is no log and no backup."""
