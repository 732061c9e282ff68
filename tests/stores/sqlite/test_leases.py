"""Who may write to a conversation, where clocks are wrong, disks are full, or writers have let go."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from anaphora import Chatbot, ScriptedProvider
from anaphora.errors import ConversationBusy
from anaphora.stores.sql.leases import LONGEST
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.scope import Scope

HERE = Scope("me", "c")


def held_until(path: Path, end: float) -> None:
    """A lease of a process on another machine."""
    with Chatbot(ScriptedProvider(echo=True), store=path) as bot:
        bot.conversation("c").say("first")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE conversations SET holder = 'elsewhere/123/abc', expires = ?", (end,))


def test_a_lease_that_ends_later_than_any_can_is_void(tmp_path: Path):
    held_until(tmp_path / "a.db", time.time() + 24 * LONGEST)
    with Chatbot(ScriptedProvider(echo=True), store=tmp_path / "a.db") as bot:
        assert bot.conversation("c").say("hi").text == "You said: hi"


def test_a_lease_that_runs_holds(tmp_path: Path):
    held_until(tmp_path / "a.db", time.time() + LONGEST / 2)
    with Chatbot(ScriptedProvider(echo=True), store=tmp_path / "a.db") as bot, pytest.raises(ConversationBusy):
        bot.conversation("c").say("hi")


@pytest.mark.anyio
async def test_no_lease_lasts_longer_than_the_longest(tmp_path: Path):
    store = SQLiteStore(tmp_path / "a.db")
    await store.acquire(HERE, seconds=100 * LONGEST)
    await store.aclose()
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        (expires,) = database.execute("SELECT expires FROM conversations").fetchone()
    assert expires <= time.time() + LONGEST


@pytest.mark.anyio
async def test_a_lease_that_this_process_let_go_of_is_free_even_if_that_could_not_be_written(tmp_path: Path):
    store = SQLiteStore(tmp_path / "a.db")
    lease = await store.acquire(HERE, seconds=60)
    with pytest.raises(ConversationBusy):
        await store.acquire(HERE, seconds=60)
    await store.release(lease)
    with closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute("UPDATE conversations SET holder = ?, expires = ?", (lease.holder, time.time() + 60))
    await store.acquire(HERE, seconds=60)
    await store.aclose()


FULL_DISK = """
import resource, signal, sys
from anaphora import Chatbot, ScriptedProvider
from anaphora.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
bot = Chatbot(ScriptedProvider(echo=True), store=sys.argv[1])
talk = bot.conversation("c")
talk.say("before")
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
try:
    talk.say("x" * 200_000)
except StoreError as error:
    print("told:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
print("then:", talk.say("after"))
"""


def test_after_a_full_disk_the_conversation_works_again_at_once(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.db")], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "told:" in done.stdout
    assert "then: You said: after" in done.stdout


def test_on_a_full_disk_a_new_file_names_the_reason(tmp_path: Path):
    program = (
        "import resource, signal, sys\nfrom anaphora import Chatbot, ScriptedProvider\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "try:\n    Chatbot(ScriptedProvider(echo=True), store=sys.argv[1]).say('hi')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.db")], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.startswith("StoreUnusable"), done.stdout + done.stderr
    assert "disk is full" in done.stdout


def test_what_is_deleted_leaves_its_name_nowhere(tmp_path: Path):
    path = tmp_path / "a.db"
    with Chatbot(ScriptedProvider(echo=True), store=path) as bot:
        bot.conversation("a secret name").say("hi")
        bot.conversation("a secret name").delete()
        assert bot.spent()
    with closing(sqlite3.connect(path)) as database:
        for table in ("calls", "conversations", "messages", "facts", "evidence", "summaries"):
            assert "secret" not in str(database.execute(f"SELECT * FROM {table}").fetchall())


def test_folders_are_for_their_user_only_whatever_the_umask(tmp_path: Path):
    before = os.umask(0)
    try:
        with Chatbot(ScriptedProvider(echo=True), store=tmp_path / "new" / "folder" / "a.db") as bot:
            bot.say("hi")
    finally:
        os.umask(before)
    for folder in (tmp_path / "new", tmp_path / "new" / "folder"):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "folder" / "a.db").stat().st_mode & 0o077 == 0
