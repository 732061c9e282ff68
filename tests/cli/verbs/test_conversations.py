"""Conversations that go on in another run of the program."""

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from platformdirs import user_data_path, user_state_path
from tests.doubles.loopback import Loopback, stream
from tests.doubles.program import Terminal, run, scripted


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
        terminal.wait_for("there is no conversation number 7")
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


@pytest.mark.slow
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
        terminal.wait_for("The last answer was interrupted: /continue, /retry or go on.")
        terminal.enter("/retry")
        terminal.wait_for("Once upon a time.")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    with closing(sqlite3.connect(user_data_path("anaphora") / "anaphora.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = database.execute('SELECT role, status FROM messages ORDER BY "order"').fetchall()
        assert kept == [("user", "complete"), ("assistant", "interrupted"), ("assistant", "complete")]


@pytest.mark.slow
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
        terminal.wait_for("assistant: You said: first")
        terminal.enter("/goto 9")
        terminal.wait_for("Which branch?")
        terminal.enter("/goto 1")
        terminal.wait_for("Going on after: You said: frist")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0


@pytest.mark.slow
def test_an_interrupted_answer_is_gone_on_with(tmp_path: Path):
    model = scripted(tmp_path, ["text: It was a dark and", "cut"], ["text: stormy night."])
    with Terminal("-m", model) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("Tell me a story")
        terminal.wait_for("broke off")
        terminal.enter("/continue")
        terminal.wait_for("stormy night.")
        terminal.enter("/branches")
        terminal.wait_for("assistant: stormy night.")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    shown = run("show").stdout
    assert shown.index("It was a dark and") < shown.index("Please go on") < shown.index("stormy night.")


@pytest.mark.slow
def test_what_was_said_is_found_and_gone_on_with():
    run("-m", "scripted:", "We like C++ in Kyoto.")
    run("-m", "scripted:", "Lisbon is sunny.")
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/search c++")
        terminal.wait_for("We like C++ in Kyoto.")
        terminal.enter("/resume 1")
        terminal.wait_for("Going on with “We like C++ in Kyoto.”, 2 messages.")
        terminal.enter("/search nothing of the kind")
        terminal.wait_for("Nothing was found")
        terminal.enter("/fork")
        terminal.wait_for("(fork)")
        terminal.enter("only here")
        terminal.wait_for("You said: only here")
        terminal.enter("/search")
        terminal.wait_for("What for?")
        terminal.enter("/resume")
        terminal.wait_for("Which one?")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    assert len(run("list").stdout.splitlines()) == 3


@pytest.mark.slow
def test_a_conversation_is_exported_from_the_chat(tmp_path: Path):
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("hello")
        terminal.wait_for("You said: hello")
        terminal.enter(f"/export {tmp_path / 'chat.md'}")
        terminal.wait_for("Written to")
        terminal.enter(f"/export {tmp_path / 'chat.json'}")
        terminal.wait_for("Written to", times=2)
        terminal.enter("/export /no/such/folder/x.json")
        terminal.wait_for("cannot be written")
        terminal.enter("/export")
        terminal.wait_for("Where to?")
    assert (tmp_path / "chat.md").read_text().startswith("# hello\n")
    assert json.loads((tmp_path / "chat.json").read_text())["anaphora"] == 1


@pytest.mark.slow
def test_the_tab_key_completes_commands_and_what_they_take(tmp_path: Path):
    run("-m", "scripted:", "Trip to Kyoto")
    (tmp_path / "some-file.json").write_text("[]")
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.type("/resu\t")
        terminal.wait_for("/resume")
        terminal.type(" kyo\t")
        terminal.wait_for("/resume conv_")
        terminal.enter("")
        terminal.wait_for("Going on with “Trip to Kyoto”")
        terminal.type(f"/load {tmp_path}/some\t")
        terminal.wait_for("some-file")
        terminal.enter("")
        terminal.wait_for("0 messages loaded")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0


@pytest.mark.slow
def test_the_model_gives_a_better_title_while_one_reads(loopback: Loopback):
    loopback.answer(stream("Paris."))
    loopback.answer(stream("Capital of France"))
    with Terminal("-m", "m", "--base-url", loopback.url) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("What is the capital?")
        terminal.wait_for("Paris.")
        end = time.monotonic() + 20
        while "Capital of France" not in run("list").stdout:
            assert time.monotonic() < end
        terminal.enter("/title")
        terminal.wait_for("Capital of France")
    assert [len(seen.json["messages"]) for seen in loopback.seen if "chat/completions" in seen.line] == [1, 3]


@pytest.mark.slow
def test_what_is_typed_where_nothing_is_kept_is_not_kept_in_the_history_either():
    with Terminal("-m", "scripted:", "--no-store") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("secret words")
        terminal.wait_for("You said: secret words")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    files = [path for path in user_state_path("anaphora").rglob("*") if path.is_file()]
    assert not any(b"secret" in path.read_bytes() for path in files)


@pytest.mark.slow
def test_going_on_shows_where_it_was():
    run("-m", "scripted:", "My name is Ada.")
    with Terminal("-m", "scripted:", "-c") as terminal:
        terminal.wait_for("You: My name is Ada.")
        terminal.wait_for("Answer: You said: My name is Ada.")
