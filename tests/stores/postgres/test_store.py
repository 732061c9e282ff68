"""The Postgres store does what every store does."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import psycopg
import pytest
from tests.doubles.postgres import emptied_database, new_database
from tests.stores.conformance import StoreConformance

from anaphora import SQLiteStore
from anaphora.errors import ConfigError, ConversationBusy, StoreUnusable
from anaphora.stores.base import Store
from anaphora.stores.postgres.store import PostgresStore
from anaphora.stores.records import Draft, Query
from anaphora.stores.run_records import EventBatch, NewRun
from anaphora.values.memory import Fact, Learned
from anaphora.values.message import text_message
from anaphora.values.scope import Scope

pytestmark = pytest.mark.anyio


class TestPostgresStore(StoreConformance):
    def make(self) -> Store:
        return PostgresStore(emptied_database(), connections=4)


async def test_odd_characters_come_back_as_they_went_both_ways(tmp_path: Path):
    odd = "a\0b\uf8ff\uf8ff0c\u2028\u0085\x1f\U0001f600 \ufffe é e\u0301 '\"\\%_?"
    postgres, file = PostgresStore(new_database(), connections=2), SQLiteStore(tmp_path / "a.db")
    scope = Scope("me", "c")
    await file.append(scope, Draft(None, text_message("user", odd), title=odd))
    await file.describe(scope, system=odd, title=odd)
    await file.learn("me", [Learned(Fact("f", odd, "told", 1.0, ()))])
    sent, there = await file.copy_to(postgres)
    assert sent == there
    assert sent["messages"] == 1
    back = SQLiteStore(tmp_path / "b.db")
    sent, there = await postgres.copy_to(back)
    assert sent == there
    for store in (postgres, back):
        info = await store.info(scope)
        assert (info.system, info.title) == (odd, odd)
        assert [entry.text for entry in await store.transcript(scope)] == [odd]
        assert [fact.text for fact in await store.facts("me")] == [odd]
        assert await store.check() == []
        await store.append(scope, Draft(None, text_message("user", "more"), at_head=True))
        assert len(await store.search("me", Query("more"))) == 1
        with pytest.raises(ConfigError, match="has conversations already"):
            await file.copy_to(store)
        await store.aclose()
    await file.aclose()


async def test_ten_programs_may_start_at_once():
    url = new_database()
    stores = [PostgresStore(url, connections=1) for _ in range(10)]
    async with anyio.create_task_group() as tasks:
        for number, store in enumerate(stores):
            tasks.start_soon(store.append, Scope("me", f"c{number}"), Draft(None, text_message("user", "hi")))
    assert len(await stores[0].conversations("me")) == 10
    for store in stores:
        await store.aclose()


async def test_writers_of_one_conversation_wait_for_each_other_and_only_one_gets_the_lease():
    store = PostgresStore(emptied_database(), connections=8)
    scope, got = Scope("me", "c"), list[str]()

    async def write(number: int) -> None:
        await store.append(scope, Draft(None, text_message("user", str(number))))

    async def take() -> None:
        try:
            await store.acquire(scope, seconds=60)
            got.append("lease")
        except ConversationBusy:
            got.append("busy")

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(write, number)
    assert [entry.order for entry in await store.transcript(scope)] == list(range(1, 41))
    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(take)
    assert sorted(got) == ["busy"] * 7 + ["lease"]
    await store.aclose()


async def test_who_follows_a_log_hears_of_it_from_another_process():
    url = emptied_database()
    one, other = PostgresStore(url, connections=1), PostgresStore(url, connections=1)
    scope, run = Scope("me", "c"), NewRun("resp_x", "holder", {}, 1.0)
    await one.begin(scope, Draft(None, text_message("user", "hi")), seconds=60, run=run)
    heard = list[float]()

    async def follow() -> None:
        # The first wait may be too early for the listener, which then looks by itself.
        for _ in range(3):
            begun = time.monotonic()
            await other.wait_for_events("me", "resp_x", seconds=5.0)
            heard.append(time.monotonic() - begun)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        while len(heard) < 3:
            await anyio.sleep(0.05)
            await one.add_events([EventBatch("me", "resp_x", len(heard), ("1",))])
    assert max(heard) < 4.0
    for store in (one, other):
        await store.aclose()


async def test_a_database_that_is_not_there_is_told_without_its_password():
    store = PostgresStore("postgresql://ada:geheim@127.0.0.1:1/nothing?connect_timeout=1", connections=1, wait=0.5)
    with pytest.raises(StoreUnusable) as caught:
        await store.info(Scope("me", "c"))
    assert "geheim" not in str(caught.value)
    assert "postgresql://127.0.0.1/nothing" in str(caught.value)


async def test_connections_that_died_are_replaced():
    url = new_database()
    store, scope = PostgresStore(url, connections=3), Scope("me", "c")
    await store.append(scope, Draft(None, text_message("user", "one")))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    await store.append(scope, Draft(None, text_message("user", "two")))
    assert len(await store.transcript(scope)) == 2
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE anaphora_schema SET version = 99")
    newer = PostgresStore(url)
    with pytest.raises(StoreUnusable, match="newer anaphora"):
        await newer.info(scope)
    await store.aclose()


async def test_hot_queries_touch_one_owners_rows_only():
    """Every index that they use begins with the owner."""
    url = emptied_database()
    store = PostgresStore(url, connections=1)
    for owner in ("ada", "bob"):
        await store.append(Scope(owner, "c"), Draft(None, text_message("user", "lentils")))
    await store.index()
    hot = {
        "SELECT * FROM conversations WHERE owner = 'ada' AND id = 'c'": "owner",
        "SELECT * FROM messages WHERE owner = 'ada' AND conversation = 'c' AND id = 'm'": "owner",
        "SELECT * FROM messages WHERE owner = 'ada' AND conversation = 'c' AND parent = 'm' ORDER BY \"order\"": "owner",
        "SELECT * FROM runs WHERE owner = 'ada' AND id = 'r'": "owner",
        "SELECT * FROM run_events WHERE owner = 'ada' AND run = 'r' AND number >= 0 ORDER BY number": "owner",
        "SELECT number FROM messages WHERE owner = 'ada' AND terms @@ 'abc'::tsquery": "owner",
    }
    with psycopg.connect(url) as connection:
        connection.execute("SET enable_seqscan = off")
        for query, column in hot.items():
            plan = "\n".join(row[0] for row in connection.execute(f"EXPLAIN {query}".encode()))
            assert f"({column} = 'ada'" in plan, plan
    await store.aclose()
