"""Files that go with a question."""

import json
from io import BytesIO
from pathlib import Path

from PIL import Image as Pillow
from tests.cli.program import Terminal, run, scripted


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
    assert parts[1]["text"] == "What is it?\n\n<document>\nBuy paint.\n</document>"


def test_a_picture_alone_is_asked_about(tmp_path: Path):
    result = run("-m", scripted(tmp_path, ["text: Red."]), "-f", picture(tmp_path / "red.png"))
    assert (result.returncode, result.stdout) == (0, "Red.\n")


def test_what_can_be_no_attachment_is_refused_before_anything_is_asked(tmp_path: Path):
    (tmp_path / "x.pdf").write_bytes(b"%PDF-1.7\n\xff\xfe\x00")
    for name, words in ((str(tmp_path / "x.pdf"), "neither a picture"), ("no-such-file", "cannot be read")):
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
