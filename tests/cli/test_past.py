"""Conversations that go on in another run of the program."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from platformdirs import user_data_path
from tests.cli.program import Terminal, run, scripted


def test_the_newest_conversation_goes_on(tmp_path: Path):
    run("-m", "scripted:", "an older one")
    assert run("-m", "scripted:", "My name is Ada.").returncode == 0
    done = run("-m", "scripted:", "-c", "What is my name?")
    assert "Going on with “My name is Ada.”, 2 messages." in done.stderr
    with Terminal("-m", "scripted:", "-c") as terminal:
        terminal.wait_for("4 messages")
        terminal.enter("/context")
        terminal.wait_for("4 messages, ")
        terminal.enter("/list")
        terminal.wait_for("an older one")
        terminal.enter("/resume older")
        terminal.wait_for("Going on with “an older one”, 2 messages.")
        terminal.enter("/title A better title")
        terminal.enter("/new")
        terminal.enter("/list")
        terminal.wait_for("A better title", times=2)
        terminal.enter("/resume 7")
        terminal.wait_for("No conversations fit")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0


def test_without_an_earlier_conversation_a_new_one_begins():
    done = run("-m", "scripted:", "-c", "hi")
    assert (done.returncode, done.stdout) == (0, "You said: hi\n")
    assert "no earlier conversation" in done.stderr


def test_what_is_not_to_be_kept_is_not(tmp_path: Path):
    assert run("-m", "scripted:", "--no-store", "secret words").returncode == 0
    assert not (user_data_path("anaphora") / "anaphora.db").exists()
    other = tmp_path / "other.db"
    assert run("-m", "scripted:", "--store", str(other), "hi").returncode == 0
    assert other.exists()
    assert not list(tmp_path.glob("other.db-*"))


@pytest.mark.parametrize("content", [b"no database at all, only words", None])
def test_a_store_that_cannot_be_used_is_said_so(tmp_path: Path, content: bytes | None):
    path = tmp_path / "x.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content * 100)
    done = run("-m", "scripted:", "--store", str(path), "hi")
    assert done.returncode == 1
    assert "--store" in done.stderr
    assert "Traceback" not in done.stderr


def test_after_a_kill_the_words_are_there_and_the_next_run_says_what_happened(tmp_path: Path):
    model = scripted(tmp_path, ["text: It was a dark and", "delay: 60"])
    with Terminal("-m", model) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("Tell me a story")
        terminal.wait_for("It was a dark")
        with closing(sqlite3.connect(user_data_path("anaphora") / "anaphora.db")) as database:
            while not database.execute("SELECT 1 FROM messages WHERE parts LIKE '%dark%'").fetchone():
                terminal.wait_for("It was a dark")
        os.kill(terminal.child.pid, signal.SIGKILL)
        assert terminal.exit_code() == -signal.SIGKILL
    with Terminal("-m", scripted(tmp_path, ["text: Once upon a time."]), "-c") as terminal:
        terminal.wait_for("The last answer was interrupted")
        terminal.enter("/retry")
        terminal.wait_for("Once upon a time.")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    with closing(sqlite3.connect(user_data_path("anaphora") / "anaphora.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = database.execute('SELECT role, status FROM messages ORDER BY "order"').fetchall()
        assert kept == [("user", "complete"), ("assistant", "interrupted"), ("assistant", "complete")]


def test_an_edit_is_a_branch_that_can_be_left_again():
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/edit too early")
        terminal.wait_for("instead of your last message")
        terminal.enter("frist")
        terminal.wait_for("You said: frist")
        terminal.enter("/edit first")
        terminal.wait_for("You said: first")
        terminal.enter("/branches")
        terminal.wait_for("*  2  assistant: You said: first")
        terminal.enter("/goto 9")
        terminal.wait_for("Which branch?")
        terminal.enter("/goto 1")
        terminal.wait_for("Going on after: You said: frist")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
