"""A plain turn on a file waits for the store's thread twice: for the user's words, and for the answer."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from anaphora import AsyncChatbot, ScriptedProvider, SQLiteStore

pytestmark = pytest.mark.anyio
T = TypeVar("T")


class Counted(SQLiteStore):
    """Counts the ways to its thread."""

    hops = 0

    async def _run(self, work: Callable[[], T]) -> T:
        self.hops += 1
        return await super()._run(work)


async def test_a_turn_goes_to_the_stores_thread_twice(tmp_path: Path):
    store = Counted(tmp_path / "x.db")
    async with AsyncChatbot(ScriptedProvider(echo=True), store=store) as bot:
        for _ in range(3):
            await bot.say("hi")
            await bot.wait_for_background()
        before = store.hops
        await bot.say("and again")
        await bot.wait_for_background()
        assert store.hops - before == 2
    await store.aclose()
