"""What comes of an answer is written as it comes, each word once, and is whole after a crash."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from anaphora.stores.records import Change, Draft
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.message import text_message
from anaphora.values.scope import Scope

pytestmark = pytest.mark.anyio
HERE = Scope("me", "c")
WORDS = [f"word{number} " * 100 for number in range(20)]


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query).fetchall()


async def begun(store: SQLiteStore) -> None:
    """An answer of which all words came, and whose writer is gone."""
    await store.acquire(HERE, seconds=0.0)
    user = await store.append(HERE, Draft(None, text_message("user", "Tell me")))
    written = text_message("assistant", WORDS[0])
    pending = await store.append(HERE, Draft(user.id, written, status="pending"))
    for number in range(2, len(WORDS) + 1):
        message = text_message("assistant", "".join(WORDS[:number]))
        await store.change(HERE, pending.id, Change(message, "pending", since=written))
        written = message


async def test_each_word_is_written_once_and_read_at_once(tmp_path: Path):
    path = tmp_path / "a.db"
    store = SQLiteStore(path)
    await begun(store)
    assert [entry.text for entry in await store.transcript(HERE)] == ["Tell me", "".join(WORDS)]
    assert sum(len(str(added)) for (added,) in rows(path, "SELECT added FROM pieces")) < 1.1 * len("".join(WORDS[1:]))
    assert WORDS[1] not in str(rows(path, "SELECT parts FROM messages"))
    await store.aclose()


async def test_after_a_crash_all_words_are_there_and_the_pieces_are_put_together(tmp_path: Path):
    path = tmp_path / "a.db"
    store = SQLiteStore(path)
    await begun(store)
    await store.aclose()
    other = SQLiteStore(path)
    await other.acquire(HERE, seconds=5)
    entries = await other.transcript(HERE)
    assert [(entry.text, entry.status) for entry in entries] == [("Tell me", "complete"), ("".join(WORDS), "interrupted")]
    assert rows(path, "SELECT * FROM pieces") == []
    await other.aclose()


async def test_the_end_replaces_the_pieces(tmp_path: Path):
    path = tmp_path / "a.db"
    store = SQLiteStore(path)
    await begun(store)
    entry = (await store.transcript(HERE))[-1]
    await store.change(HERE, entry.id, Change(text_message("assistant", "Done."), "complete"))
    assert (await store.transcript(HERE))[-1].text == "Done."
    assert rows(path, "SELECT * FROM pieces") == []
    await store.aclose()


@pytest.mark.parametrize("damage", ["no JSON", '["no JSON", {"a": 1}]', '{"a": "no JSON"}'])
async def test_a_damaged_piece_takes_only_what_follows_it(tmp_path: Path, damage: str):
    path = tmp_path / "a.db"
    store = SQLiteStore(path)
    await begun(store)
    await store.aclose()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE pieces SET added = ? WHERE place = 3", (damage,))
    other = SQLiteStore(path)
    await other.acquire(HERE, seconds=5)
    assert (await other.transcript(HERE))[-1].text == "".join(WORDS[:4])
    await other.aclose()
    # What could not be put together is set aside, and not deleted.
    aside = str(rows(path, "SELECT row FROM quarantine WHERE source = 'pieces'"))
    assert "no JSON" in aside
    assert WORDS[-1].split()[0] in aside
