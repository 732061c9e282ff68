"""Every command of the chat, run in this process on a session with a scripted model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from tests.doubles.program import scripted

from anaphora.cli.chat.commands import COMMANDS, choices, run_command
from anaphora.cli.chat.completion import CommandCompleter
from anaphora.cli.flags import parser
from anaphora.cli.open import open_bot
from anaphora.cli.session import Leave, Session
from anaphora.errors import AnaphoraError
from anaphora.sync.conversation import Conversation

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A chat of two turns."""
    script = scripted(tmp_path, ["text: Paris."], ["thinking: hm", "text: Two million."], ["text: Again."], ["text: Again."])
    opened = open_bot(parser().parse_args(["-m", script, "--tools", "calculate,now"]), chat=True)
    opened.conversation.say("What is the capital of France?")
    opened.conversation.say("How many people live there?")
    yield opened
    opened.bot.close()


def said(session: Session, capsys: pytest.CaptureFixture[str], line: str) -> str:
    capsys.readouterr()
    assert run_command(session, line) is None
    printed = capsys.readouterr()
    return printed.out + printed.err


SAYS = [
    ("/help", "/resume NUMBER"),
    ("/nonsense", "no command /nonsense"),
    ("/usge", "Did you mean /usage?"),
    ("/title", "What is the capital of France?"),
    ("/title Paris", "Paris"),
    ("/system", "system prompt"),
    ("/system Be short.", "is set"),
    ("/model", "scripted:"),
    ("/usage", "answer"),
    ("/thinking", "hm"),
    ("/list", "/resume NUMBER goes on"),
    ("/resume", "Which one?"),
    ("/resume 1", "Going on with"),
    ("/search", "What for?"),
    ("/search capital", "France"),
    ("/search zebra", "Nothing was found"),
    ("/branches", "assistant: Two million."),
    ("/goto", "Which branch?"),
    ("/goto 1", "Going on after"),
    ("/goto 99999999999", "Which branch?"),
    ("/fork", "the conversation it came from stays"),
    ("/edit", "/edit TEXT says"),
    ("/save", "Where to?"),
    ("/load", "From where?"),
    ("/export", "Where to?"),
    ("/pictures", "There are no pictures"),
    ("/attach", "reads a document"),
    ("/tools", "calculate"),
    ("/tools now", "time"),
    ("/persona", "NAME goes on with one"),
    ("/memories", "Nothing is remembered"),
    ("/remember I am vegan", "Remembered: I am vegan"),
    ("/remember", "Remembered: How many"),
    ("/forget nothing-of-the-kind", "/memories"),
    ("/context", "budget"),
    ("/undo", "Taken back: How many"),
    ("/new", "A new conversation"),
]


def test_every_command_says_what_it_does(session: Session, capsys: pytest.CaptureFixture[str]):
    for line, shown in SAYS:
        assert shown in said(session, capsys, line), line


def test_commands_that_ask_give_the_request(session: Session):
    for line, answer in (("/retry", "Again."), ("/edit Where is it?", "Again.")):
        request = run_command(session, line)
        assert callable(request)
        assert request(session.conversation).answer().text in {answer, "Again."}
    assert run_command(session, "/continue") is Conversation.continue_stream
    assert isinstance(run_command(session, "/quit"), Leave)


def test_files_are_written_read_and_never_written_over_by_accident(
    session: Session, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    plain, whole = tmp_path / "plain.json", tmp_path / "whole.md"
    assert "Saved to" in said(session, capsys, f"/save '{plain}'")
    assert [one["role"] for one in json.loads(plain.read_text())][-1] == "assistant"
    assert "Written to" in said(session, capsys, f"/export {whole}")
    assert "Paris." in whole.read_text()
    assert "4 messages loaded" in said(session, capsys, f"/load {plain}")
    picture = tmp_path / "a.gif"
    picture.write_bytes(GIF)
    assert "goes with your next message" in said(session, capsys, f"/attach {picture}")
    text = tmp_path / "notes.txt"
    text.write_text("The tower is 330 metres high. " * 20)
    assert "Read: notes.txt" in said(session, capsys, f"/attach {text}")
    assert "has not changed" in said(session, capsys, f"/attach {text}")
    assert "notes.txt" in said(session, capsys, "/attach")
    with pytest.raises(AnaphoraError):
        run_command(session, f"/load {tmp_path / 'missing.json'}")


def test_the_tab_key_completes_commands_their_arguments_and_files(session: Session, tmp_path: Path):
    (tmp_path / "letter.json").write_text("[]")
    completer = CommandCompleter(choices(session), frozenset({"/load"}))

    def completions(line: str) -> list[str]:
        return [one.text for one in completer.get_completions(Document(line), CompleteEvent())]

    assert completions("hello") == []
    assert completions("/re") == ["/resume", "/retry", "/remember"]
    assert completions("/model openai")[0].startswith("openai:")
    assert completions("/resume capital") == [session.conversation.id]
    assert completions(f"/load {tmp_path}/let") == ["ter.json"]
    assert completions("/undo x") == []
    assert completions("/edit How") == ["How many people live there?"]
    assert all(len(list(make() if make else ())) >= 0 for make in choices(session).values())
    assert set(choices(session)) == set(COMMANDS)
