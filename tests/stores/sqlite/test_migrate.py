"""New databases begin from one schema, which is what all migrations together make."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.doubles.entries import HERE

from anaphora import Chatbot, ScriptedProvider
from anaphora.stores.records import Draft, Query
from anaphora.stores.sql import transcripts
from anaphora.stores.sqlite.migrate import make_tables, migrations
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.message import text_message

pytestmark = pytest.mark.anyio


def shape(database: sqlite3.Connection) -> dict[str, object]:
    """The columns of every table, and the text of every index."""
    tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {name: sorted(row[1:] for row in database.execute(f"PRAGMA table_info({name})")) for name in tables}
    indexes = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
    return {"columns": columns, "indexes": {name: re.sub(r"\s+", " ", sql) for name, sql in indexes.items()}}


def test_the_schema_is_what_the_migrations_make():
    with closing(sqlite3.connect(":memory:")) as old, closing(sqlite3.connect(":memory:")) as new:
        for script in migrations().values():
            old.executescript(script)
        make_tables(new)
        assert shape(old) == shape(new)
        assert new.execute("PRAGMA user_version").fetchone()[0] == max(migrations())


async def test_an_index_that_is_behind_catches_up_bit_by_bit_and_is_searched_meanwhile(tmp_path: Path):
    store = SQLiteStore(tmp_path / "x.db")
    for number in range(5):
        await store.append(HERE, Draft(None, text_message("user", f"boat number {number}")))
    await store.aclose()
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.execute("DROP TABLE terms")
        database.execute("UPDATE messages SET indexed = 0")
        database.commit()
    store = SQLiteStore(tmp_path / "x.db")
    assert await store.unindexed() == 5
    assert not await store.index(2)
    assert await store.unindexed() == 3
    found = await store._read(transcripts.search, "me", Query("boats"))
    assert len(found) == 5
    assert await store.index(100)
    assert len(await store.search("me", Query("boats"))) == 5
    await store.aclose()


def test_a_bot_brings_its_index_up_to_date_and_tells_how_far_it_is(tmp_path: Path):
    with Chatbot(ScriptedProvider(echo=True), store=tmp_path / "x.db") as bot:
        for number in range(3):
            bot.say(f"boat {number}")
        assert bot.index() == 6
        assert bot.index() == 0
    with closing(sqlite3.connect(tmp_path / "x.db")) as database:
        database.execute("DROP TABLE terms")
        database.execute("UPDATE messages SET indexed = 0")
        database.commit()
    with Chatbot(ScriptedProvider(), store=tmp_path / "x.db") as bot:
        assert bot.index() == 6
        assert len(bot.search("boat")) == 6
