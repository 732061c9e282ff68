"""A database that is removed or replaced under a running program is noticed before anything is acknowledged."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from anaphora import Chatbot, ScriptedProvider
from anaphora.errors import StoreUnusable


def bot(path: Path) -> Chatbot:
    return Chatbot(ScriptedProvider(echo=True), store=path)


def texts(path: Path) -> list[str]:
    with bot(path) as reader:
        return [entry.text for entry in reader.conversation("c").history()]


def test_a_removed_file_is_said_and_the_next_message_goes_into_a_new_one(tmp_path: Path):
    path = tmp_path / "a.db"
    with bot(path) as one:
        one.conversation("c").say("first")
        path.unlink()
        with pytest.raises(StoreUnusable, match="removed or replaced while it was open"):
            one.conversation("c").say("second")
        one.conversation("c").say("third")
    assert texts(path) == ["third", "You said: third"]


def test_a_replaced_file_keeps_its_own_words_and_no_old_log_is_applied_to_it(tmp_path: Path):
    path, other = tmp_path / "a.db", tmp_path / "b.db"
    with bot(other) as two:
        two.conversation("c").say("theirs")
    with bot(path) as one:
        for number in range(20):
            one.conversation("c").say(f"mine {number}")
        assert Path(f"{path}-wal").exists()
        shutil.copy(other, tmp_path / "copy.db")
        (tmp_path / "copy.db").replace(path)
        with pytest.raises(StoreUnusable, match="removed or replaced while it was open"):
            one.conversation("c").say("into the void")
        assert one.conversation("c").say("after").text == "You said: after"
    assert texts(path) == ["theirs", "You said: theirs", "after", "You said: after"]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_reading_notices_it_too(tmp_path: Path):
    path = tmp_path / "a.db"
    with bot(path) as one:
        one.conversation("c").say("first")
        path.unlink()
        with pytest.raises(StoreUnusable, match="removed or replaced"):
            one.conversation("c").history()
