"""Files that go with a question."""

import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image as Pillow
from tests.doubles.program import Terminal, run, scripted


def picture(path: Path) -> str:
    out = BytesIO()
    Pillow.new("RGB", (8, 4), "red").save(out, "PNG")
    path.write_bytes(out.getvalue())
    return str(path)


def test_a_picture_and_a_text_go_with_the_question(tmp_path: Path):
    note = tmp_path / "note.md"
    note.write_text("Buy paint.", encoding="utf-8")
    script = scripted(tmp_path, ["text: Red."])
    result = run("-m", script, "-f", picture(tmp_path / "red.png"), "-f", str(note), "What is it?")
    assert (result.returncode, result.stdout) == (0, "Red.\n")
    parts = json.loads(run("show", "--json").stdout)["conversations"][0]["messages"][0]["parts"]
    assert [part["type"] for part in parts] == ["image", "text"]
    # The document is no part of what was said; it stays with the conversation.
    assert parts[1]["text"] == "What is it?"


def test_a_picture_alone_is_asked_about(tmp_path: Path):
    result = run("-m", scripted(tmp_path, ["text: Red."]), "-f", picture(tmp_path / "red.png"))
    assert (result.returncode, result.stdout) == (0, "Red.\n")


def test_what_can_be_no_attachment_is_refused_before_anything_is_asked(tmp_path: Path):
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.7\n\xff\xfe\x00")
    for name, words in ((str(tmp_path / "x.pdf"), "x.pdf cannot be read, it is damaged"), ("no-such-file", "cannot be read")):
        result = run("-m", scripted(tmp_path, ["text: Red."]), "-f", name, "Hi")
        assert result.returncode == 2
        assert words in result.stderr


def test_several_answers_are_numbered(tmp_path: Path):
    result = run("-m", scripted(tmp_path, ["text: one"], ["text: two"]), "-n", "2", "Say a number")
    assert result.stdout == "[1]\none\n\n[2]\ntwo\n"
    result = run("-m", scripted(tmp_path, ["text: one"], ["text: two"]), "-n", "2", "--json", "Say a number")
    assert [answer["text"] for answer in json.loads(result.stdout)] == ["one", "two"]
    assert run("-m", "scripted:", "-n", "0", "Hi").returncode == 2


def test_in_the_chat_a_picture_goes_with_the_next_message(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["text: Red."], ["text: Yes."])) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/attach no-such-file")
        terminal.wait_for("cannot be read")
        terminal.enter(f"/attach {picture(tmp_path / 'red.png')}")
        terminal.wait_for("with your next message")
        terminal.enter("What is it?")
        terminal.wait_for("tokens in")
        terminal.enter("quit")
        assert terminal.exit_code() == 0


@pytest.mark.slow
def test_a_document_stays_with_its_conversation(tmp_path: Path):
    note = tmp_path / "note.md"
    note.write_text("# Paint\n\nBuy paint.", encoding="utf-8")
    run("-m", "scripted:", "-f", str(note), "What is it?")
    with Terminal("-m", "scripted:", "-c") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/attach")
        terminal.wait_for("note.md, ")
        terminal.enter("And now?")
        terminal.wait_for("tokens in")
        terminal.enter("/context")
        terminal.wait_for("note.md, whole")
        note.write_text("Buy brushes.", encoding="utf-8")
        terminal.enter(f"/attach {note}")
        terminal.wait_for("Read again: note.md")
        terminal.enter("/forget note.md")
        terminal.wait_for("Forgotten: note.md")
        terminal.enter("quit")
        assert terminal.exit_code() == 0


@pytest.mark.slow
def test_files_without_a_question_open_a_chat_where_there_is_a_person(tmp_path: Path):
    note = tmp_path / "note.txt"
    note.write_text("Say hello.\n", encoding="utf-8")
    assert run("-m", "scripted:", "-f", str(note)).stdout == "You said: What is in this document?\n"
    with Terminal("-m", "scripted:", "-f", str(note)) as terminal:
        terminal.wait_for("Read: note.txt")
        terminal.enter("What does it say?")
        terminal.wait_for("You said: What does it say?")
        terminal.enter(f"/attach {note}")
        terminal.wait_for("has not changed")
        terminal.enter("quit")
        assert terminal.exit_code() == 0


def test_an_answer_is_given_in_a_shape(tmp_path: Path):
    good = ['text: {"name": "Anna", "age": "34"}']
    assert (
        run("-m", scripted(tmp_path, good), "--schema", "name, age int", "Anna is 34").stdout == '{"name": "Anna", "age": 34}\n'
    )
    schema = tmp_path / "s.json"
    schema.write_text('{"type": "object", "required": ["name"], "properties": {"age": {"type": "integer"}}}', encoding="utf-8")
    wrong = run("-m", scripted(tmp_path, good, good), "--schema", str(schema), "Anna is 34")
    assert wrong.returncode == 1
    assert "not of the shape that was asked for: age: '34' is not of type 'integer'" in wrong.stderr
    assert 'It was: {"name": "Anna", "age": "34"}' in wrong.stderr
    assert run("-m", scripted(tmp_path, good), "--schema", '{"type": "object"}', "Anna").returncode == 0
    as_json = json.loads(run("-m", scripted(tmp_path, good), "--schema", "name, age int", "--json", "Anna").stdout)
    assert as_json["value"] == {"name": "Anna", "age": 34}


@pytest.mark.parametrize(
    ("schema", "words"),
    [("name, age years", "Kinds: text, str, string, int"), ("no.json", "cannot be read"), ("a b c", "is not a name and a kind")],
)
def test_a_wrong_shape_is_said_before_anything_is_asked(schema: str, words: str):
    result = run("-m", "scripted:", "--schema", schema, "Hi")
    assert result.returncode == 2
    assert words in result.stderr
    assert run("list").stdout == ""
