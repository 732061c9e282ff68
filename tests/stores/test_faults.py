"""A store that fails at its n-th call, for every n of a whole turn: transcript, statuses and context agree each time."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.errors import StoreError
from anaphora.stores.sqlite.connection import SQLiteDatabase
from anaphora.stores.sqlite.store import SQLiteStore

pytestmark = pytest.mark.anyio
T = TypeVar("T")


class FailingStore(SQLiteStore):
    """Its n-th call fails once, as a disk does: a read after its work, a write before its commit."""

    def __init__(self, path: Path, at: int) -> None:
        super().__init__(path)
        self.left = at

    def _worked(self, work: Callable[[SQLiteDatabase], T]) -> T:
        self.left -= 1
        return super()._worked(self._failing(work) if self.left == 0 else work)

    def _transaction(self, work: Callable[[SQLiteDatabase], T], database: SQLiteDatabase, *, durable: bool) -> T:
        return super()._transaction(self._failing(work) if self.left == 0 else work, database, durable=durable)

    @staticmethod
    def _failing(work: Callable[[SQLiteDatabase], T]) -> Callable[[SQLiteDatabase], T]:
        def failing(database: SQLiteDatabase) -> T:
            work(database)
            raise sqlite3.OperationalError("disk I/O error")

        return failing


async def test_whatever_call_fails_the_transcript_is_right_and_the_next_turn_works(tmp_path: Path):
    failures = 0
    for at in range(1, 100):
        path = tmp_path / f"{at}.db"
        store = FailingStore(path, at)
        async with AsyncChatbot(ScriptedProvider("one", "two", "three"), store=store) as bot:
            talk = bot.conversation("c")
            shown, failed = "", False
            try:
                async for text in talk.stream("first"):
                    shown += text
            except StoreError as error:
                failed = True
                assert "disk I/O error" in str(error)  # noqa: PT017 - it need not fail
            if store.left > 0:
                break
            failures += failed
            # A lease that could not be given back is taken over here, as it is by another process.
            store._database.execute("UPDATE conversations SET holder = NULL")  # type: ignore[union-attr]
            history = [(entry.text, entry.status) for entry in await talk.history()]
            assert history in ([], [("first", "complete"), ("one", "complete")])
            if not failed:
                assert history
            asked = [entry for entry in await store.children(talk._open.scope, None) if entry.role == "user"]
            assert not shown or [entry.text for entry in asked] == ["first"]
            await talk.say("second")
            assert [entry.text for entry in await talk.history()][-2] == "second"
            assert not any(entry.status == "pending" for entry in await talk.branches())
        await store.aclose()
    else:
        raise AssertionError("a turn never ends")
    assert failures >= 8
