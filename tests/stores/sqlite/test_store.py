import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from tests.stores.conformance import StoreConformance
from tests.stores.search_conformance import SearchConformance

from anaphora import AsyncChatbot, Chatbot, ScriptedProvider
from anaphora.errors import ConversationBusy, StoreError, StoreUnusable
from anaphora.stores.base import Store
from anaphora.stores.records import Draft, Query
from anaphora.stores.sqlite.migrate import migrations
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.message import Usage, text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import Extent

pytestmark = pytest.mark.anyio
HERE = Scope("me", "c")
HELLO = Draft(None, text_message("user", "hello"))


class TestSQLiteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "new folder" / "anaphora.db"

    def make(self) -> Store:
        return SQLiteStore(self.path)


class TestSQLiteStoreWithoutFullTextIndex(SearchConformance):
    """A Python whose SQLite lacks FTS5 reads the messages themselves."""

    @pytest.fixture(autouse=True)
    def without_fts5(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = tmp_path / "anaphora.db"
        monkeypatch.setattr("anaphora.stores.sqlite.fulltext.has_fts5", lambda: False)

    def make(self) -> Store:
        return SQLiteStore(self.path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anaphora.db"


async def test_what_was_written_is_there_when_the_file_is_opened_again(path: Path):
    first = SQLiteStore(path)
    entry = await first.append(HERE, HELLO)
    await first.aclose()
    second = SQLiteStore(path)
    assert list(await second.branch(HERE, entry.id)) == [entry]
    await second.aclose()


async def test_folder_and_files_are_the_users_own(tmp_path: Path):
    store = SQLiteStore(tmp_path / "folder" / "anaphora.db")
    await store.append(HERE, HELLO)
    files = list((tmp_path / "folder").iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o700
    await store.aclose()


async def test_a_database_of_a_newer_program_is_refused_untouched(path: Path):
    await SQLiteStore(path).append(HERE, HELLO)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match="newer anaphora"):
        await SQLiteStore(path).append(HERE, HELLO)


async def test_another_programs_database_is_refused_untouched(path: Path):
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        await SQLiteStore(path).append(HERE, HELLO)
    assert path.read_bytes() == before


async def test_a_file_that_is_no_database_is_refused_untouched(path: Path):
    path.write_bytes(b"my diary, " * 500)
    with pytest.raises(StoreError, match="no database"):
        await SQLiteStore(path).append(HERE, HELLO)
    assert path.read_bytes() == b"my diary, " * 500


async def test_a_place_that_cannot_be_written_is_said_so(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="ame another with --store"):
        await SQLiteStore(tmp_path / "file" / "anaphora.db").append(HERE, HELLO)


async def test_a_full_disk_is_said_so_and_what_was_there_stays(path: Path):
    store = SQLiteStore(path)
    entry = await store.append(HERE, HELLO)
    assert store._database is not None
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        await store.append(HERE, Draft(entry.id, text_message("user", "x" * 100_000)))
    assert list(await store.branch(HERE, entry.id)) == [entry]
    await store.aclose()


async def test_a_verb_runs_to_its_end_even_if_nobody_waits_any_more(path: Path):
    store = SQLiteStore(path)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.append(HERE, HELLO)
    await store.append(HERE, HELLO)
    found = await store.children(HERE, None)
    assert [entry.order for entry in found] == list(range(1, len(found) + 1))
    await store.aclose()


def test_many_processes_write_into_one_database(path: Path):
    program = f"""
import anyio
from anaphora.values.message import Usage, text_message
from anaphora.stores.records import Draft
from anaphora.values.scope import Scope
from anaphora.stores.sqlite.migrate import migrations
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.transcript import Extent

async def main():
    store = SQLiteStore({str(path)!r})
    for number in range(50):
        await store.append(Scope("me", "shared"), Draft(None, text_message("user", str(number))))

anyio.run(main)
"""
    writers = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(4)]
    failures = [writer.communicate(timeout=60)[1] for writer in writers]
    assert failures == [b""] * 4
    with closing(sqlite3.connect(path)) as database:
        orders = [row[0] for row in database.execute('SELECT "order" FROM messages ORDER BY number')]
        assert orders == list(range(1, 201))
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_answers_of_an_older_database_are_on_the_bill(path: Path):
    with closing(sqlite3.connect(path)) as database:
        for number in range(1, 5):
            database.executescript(migrations()[number])
        database.execute("PRAGMA user_version = 4")
        database.execute("INSERT INTO conversations (owner, id, created, updated, messages) VALUES ('me', 'c', 0, 0, 2)")
        for order, model in enumerate(("local", "openai:gpt-x"), 1):
            database.execute(
                'INSERT INTO messages (owner, conversation, id, parent, "order", role, parts, status, tokens, counter, created,'
                " usage, model) VALUES ('me', 'c', ?, NULL, ?, 'assistant', '[]', 'complete', 1, '', 0, ?, ?)",
                (model, order, '{"input_tokens": 10, "cached_tokens": 4, "output_tokens": 2}', model),
            )
        database.commit()
    store = SQLiteStore(path)
    local, priced = await store.spent("me")
    assert (local.model, local.unpriced, local.usage) == ("local", 0, Usage(10, 4, 2, cost=0.0))
    assert (priced.model, priced.calls, priced.unpriced) == ("openai:gpt-x", 1, 1)
    await store.aclose()


async def test_an_older_database_is_copied_and_then_brought_up_to_date(path: Path):
    with closing(sqlite3.connect(path)) as database:
        database.executescript(migrations()[1])
        database.execute("PRAGMA user_version = 1")
        database.execute("INSERT INTO conversations (owner, id, created, updated, messages) VALUES ('me', 'c', 0, 0, 5)")
        tree = (
            ("a", None, "user"),
            ("b", "a", "assistant"),
            ("c", "b", "user"),
            ("d", "c", "assistant"),
            ("e", "a", "assistant"),
        )
        for order, (name, parent, role) in enumerate(tree, 1):
            database.execute(
                'INSERT INTO messages (owner, conversation, id, parent, "order", role, parts, status, tokens, counter, created)'
                " VALUES ('me', 'c', ?, ?, ?, ?, '[]', 'complete', ?, '', 0)",
                (name, parent, order, role, order * 10),
            )
        database.commit()
    store = SQLiteStore(path)
    assert [entry.before for entry in await store.branch(HERE, "d")] == [
        Extent(),
        Extent(1, 1, 10),
        Extent(2, 1, 30),
        Extent(3, 2, 60),
    ]
    assert (await store.branch(HERE, "e"))[-1].before == Extent(1, 1, 10)
    await store.aclose()
    backup = path.with_name("anaphora.db.schema-1.backup")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with closing(sqlite3.connect(backup)) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone() == (5,)
        assert database.execute("PRAGMA user_version").fetchone() == (1,)


@pytest.mark.parametrize("verb", ["forget", "delete"])
async def test_no_byte_of_what_is_forgotten_stays_in_any_file(path: Path, verb: str):
    store = SQLiteStore(path)
    entry = await store.append(HERE, Draft(None, text_message("user", "CANARY " * 2_000)))
    await store.append(HERE, Draft(entry.id, text_message("assistant", "kept")))
    if verb == "forget":
        await store.forget(HERE, entry.id)
    else:
        await store.delete(HERE)
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    assert files
    assert not any(b"CANARY" in file.read_bytes() for file in files)
    await store.aclose()


async def test_what_was_written_without_the_index_is_found_once_it_is_there(path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr("anaphora.stores.sqlite.fulltext.has_fts5", lambda: False)
        store = SQLiteStore(path)
        entry = await store.append(HERE, Draft(None, text_message("user", "we ran")))
        await store.append(HERE, Draft(None, text_message("user", "I am running")))
        await store.aclose()
    (hit,) = await store.search("me", Query("run"))
    assert hit.entry.text == "I am running"
    with monkeypatch.context() as patch:
        patch.setattr("anaphora.stores.sqlite.fulltext.has_fts5", lambda: False)
        with pytest.raises(StoreError, match="lacks FTS5"):
            await store.forget(HERE, entry.id)
    assert (await store.transcript(HERE))[0].text == "we ran"
    await store.aclose()


async def test_the_index_of_many_forgotten_messages_holds_no_trace_of_their_words(path: Path):
    store = SQLiteStore(path)
    for number in range(200):
        await store.append(HERE, Draft(None, text_message("user", f"xylophone{number} and zebra{number}")))
    for entry in (await store.transcript(HERE))[:100]:
        await store.forget(HERE, entry.id)
    await store.aclose()
    data = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"xylophone150 and" in data
    assert not any(f"xylophone{number} and".encode() in data for number in range(100))
    # Not even of what is kept does a word stand in the index.
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, terms, row)")
        assert not {row[0] for row in database.execute("SELECT term FROM vocabulary")} & {"zebra150", "zebra50", "and"}


async def test_a_lease_from_elsewhere_is_waited_for_and_one_of_the_dead_is_not(path: Path):
    store = SQLiteStore(path)
    await store.acquire(HERE, seconds=60)
    with closing(sqlite3.connect(path)) as database:
        (holder,) = database.execute("SELECT holder FROM conversations").fetchone()
        place, number, word = holder.split("/")
        assert int(number) == os.getpid()
        # No process has such a number; in another container it may.
        for name, expected in ((f"{place}x/4194999/{word}", False), (f"{place}/4194999/{word}", True), ("odd", False)):
            database.execute("UPDATE conversations SET holder = ?", (name,))
            database.commit()
            if expected:
                await store.acquire(HERE, seconds=60)
            else:
                with pytest.raises(ConversationBusy):
                    await store.acquire(HERE, seconds=60)
    await store.aclose()


async def test_copies_from_before_an_update_go_with_what_is_forgotten(path: Path):
    store = SQLiteStore(path)
    entry = await store.append(HERE, HELLO)
    backup = path.with_name("anaphora.db.schema-1.backup")
    backup.write_text("hello")
    await store.forget(HERE, entry.id)
    assert not backup.exists()
    await store.aclose()


def test_a_cancelled_task_of_asyncio_gives_its_lease_back(path: Path):
    async def work() -> None:
        async with AsyncChatbot(ScriptedProvider(echo=True), store=path) as bot:
            await bot.say("one")
            for _ in range(20):
                task = asyncio.create_task(bot.undo())
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await bot.say("two")

    asyncio.run(work())


def test_a_bot_that_nobody_closed_leaves_no_thread(path: Path):
    program = f"""
import anyio, gc, threading, time
from anaphora import AsyncChatbot, ScriptedProvider

async def main():
    for _ in range(10):
        await AsyncChatbot(ScriptedProvider(echo=True), store={str(path)!r}).say("hi")
        gc.collect()
    end = time.monotonic() + 10
    while sum(thread.name == "anaphora store" for thread in threading.enumerate()) > 1:
        assert time.monotonic() < end
        time.sleep(0.01)

anyio.run(main)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


def test_a_second_process_is_told_at_once_or_waits_as_asked(path: Path):
    program = f"""
import anyio
from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.values.events import TextDelta
from anaphora.providers.scripted import Delay

async def main():
    async with AsyncChatbot(ScriptedProvider([TextDelta("slowly"), Delay(1.0)]), store={str(path)!r}) as bot:
        async for text in bot.conversation("c").stream("first"):
            print(text, flush=True)

anyio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "slowly\n"
        with Chatbot(ScriptedProvider(echo=True), store=path) as bot, pytest.raises(ConversationBusy, match="elsewhere"):
            bot.conversation("c").say("second")
        with Chatbot(ScriptedProvider(echo=True), store=path, wait=60) as bot:
            bot.conversation("c").say("third")
            assert [entry.text for entry in bot.conversation("c").history()] == ["first", "slowly", "third", "You said: third"]


async def test_what_could_only_be_read_is_written_again_when_there_is_room(path: Path, monkeypatch: pytest.MonkeyPatch):
    first = SQLiteStore(path)
    entry = await first.append(HERE, HELLO)
    await first.aclose()
    store = SQLiteStore(path)

    def full(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("anaphora.stores.sqlite.fulltext.create_index", full)
        assert list(await store.transcript(HERE)) == [entry]
        with pytest.raises(StoreUnusable):
            await store.append(HERE, HELLO)
    await store.append(HERE, HELLO)
    assert len(await store.transcript(HERE)) == 2
    await store.aclose()
