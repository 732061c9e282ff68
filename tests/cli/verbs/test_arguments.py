"""``anaphora list`` and the other words that stand first on the command line."""

import json
from pathlib import Path

import pytest
from tests.doubles.exports import chatgpt_conversation, claude_conversation
from tests.doubles.program import Terminal, run, run_process


@pytest.fixture
def two() -> None:
    run("-m", "scripted:", "Trip to Kyoto")
    run("-m", "scripted:", "Trip to Lisbon")


def ids() -> list[str]:
    return [info["id"] for info in json.loads(run("list", "--json").stdout)]


def test_where_there_is_nothing_it_is_said():
    done = run("list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no conversations yet" in done.stderr
    for verb in ("show", "export"):
        done = run(verb)
        assert done.returncode == 1
        assert "no conversations yet" in done.stderr


@pytest.mark.usefixtures("two")
def test_the_newest_is_listed_first():
    lines = run("list").stdout.splitlines()
    assert "Trip to Lisbon" in lines[0]
    assert "Trip to Kyoto" in lines[1]
    assert lines[0].endswith(ids()[0])
    limited = run("list", "--limit", "1")
    assert len(limited.stdout.splitlines()) == 1
    assert "1 more" in limited.stderr


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("which", [["2"], ["kyoto"], ["Trip to Kyoto"], []])
def test_a_conversation_is_shown_by_number_title_or_as_the_newest(which: list[str]):
    shown = run("show", *which).stdout
    assert shown.startswith("# Trip to Kyoto" if which else "# Trip to Lisbon")
    assert "You said: Trip to" in shown
    assert run("show", ids()[1][:12]).stdout.startswith("# Trip to Kyoto")


@pytest.mark.usefixtures("two")
def test_what_is_not_clear_is_asked_for_with_what_fits():
    done = run("show", "trip")
    assert done.returncode == 2
    assert "2 conversations fit" in done.stderr
    assert all(one in done.stderr for one in ids())
    assert "no conversation fits" in run("rename", "Oslo", "x").stderr


@pytest.mark.usefixtures("two")
def test_what_was_said_is_found():
    done = run("search", "kyoto")
    assert done.stdout.count("Kyoto") == 4
    assert ids()[1] in done.stdout
    found = json.loads(run("search", "--json", "kyoto", "said").stdout)
    assert [(hit["conversation"], hit["role"]) for hit in found] == [(ids()[1], "assistant")]
    nothing = run("search", "oslo")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "Nothing was found" in nothing.stderr


@pytest.mark.usefixtures("two")
def test_a_conversation_is_resumed_by_what_a_search_says():
    done = run("-m", "scripted:", "--resume", ids()[1], "once more")
    assert "Going on with “Trip to Kyoto”, 2 messages." in done.stderr
    assert "Trip to Kyoto" in run("list").stdout.splitlines()[0]
    assert run("-m", "scripted:", "--resume", "oslo", "x").returncode == 2


@pytest.mark.usefixtures("two")
def test_a_title_is_changed():
    assert run("rename", "2", "The", "old", "capital").returncode == 0
    assert "The old capital" in run("list").stdout


@pytest.mark.usefixtures("two")
def test_deleting_asks_first():
    refused = run("delete", "1")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    with Terminal("delete", "1") as terminal:
        terminal.wait_for("Delete for good?")
        terminal.enter("n")
        terminal.wait_for("Nothing was deleted.")
        assert terminal.exit_code() == 1
    assert len(ids()) == 2
    with Terminal("delete", "1") as terminal:
        terminal.wait_for("Delete for good?")
        terminal.enter("y")
        terminal.wait_for("“Trip to Lisbon” is deleted.")
        assert terminal.exit_code() == 0
    assert run("delete", "--yes", "1").returncode == 0
    assert ids() == []


@pytest.mark.usefixtures("two")
def test_everything_is_exported_and_taken_in_elsewhere(tmp_path: Path):
    path = tmp_path / "all.json"
    done = run("export", "--all", "-o", str(path))
    assert (done.returncode, done.stderr) == (0, f"2 conversations are written to {path}.\n")
    other = ("--store", str(tmp_path / "other.db"))
    assert "4 new messages in 2 of 2 conversations." in run("import", str(path), *other).stderr
    assert "nothing new in 2 conversations." in run("import", str(path), *other).stderr
    again = tmp_path / "again.json"
    run(*other, "export", "--all", "-o", str(again))
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("two")
def test_one_conversation_is_exported_in_the_form_that_is_asked_for(tmp_path: Path):
    assert json.loads(run("export", "kyoto").stdout)["conversations"][0]["title"] == "Trip to Kyoto"
    assert json.loads(run("export", "--format", "plain").stdout)[0] == {"role": "user", "content": "Trip to Lisbon"}
    run("export", "-o", str(tmp_path / "x.md"))
    assert (tmp_path / "x.md").read_text().startswith("# Trip to Lisbon")
    assert run("export", "--all").returncode == 2
    assert run("export", "-o", "/no/such/folder/x.json").returncode == 1


def test_exports_of_others_are_taken_in_once_and_damage_is_told(tmp_path: Path):
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([chatgpt_conversation(), {"mapping": 3}, claude_conversation()]))
    done = run("import", str(path))
    assert done.returncode == 1
    assert "10 new messages in 2 of 2 conversations." in done.stderr
    assert f"skipped {path}, conversation 2: its mapping is no object." in done.stderr
    assert "nothing new" in run("import", str(path)).stderr
    assert "A cat." in run("show", "Capital of France").stdout
    missing = run("import", str(tmp_path / "missing.zip"))
    assert missing.returncode == 1
    assert "Traceback" not in missing.stderr


def test_a_question_that_begins_with_such_a_word_is_put_in_quotes():
    assert run("-m", "scripted:", "list three rivers").stdout == "You said: list three rivers\n"
    done = run("list", "three", "rivers")
    assert done.returncode == 2
    assert "unrecognized arguments" in done.stderr
    assert 'anaphora "list' in run("list", "--help").stdout


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("number", ["3", "0", "9" * 5_000])
def test_a_number_that_is_none_is_not_taken_for_part_of_a_title(number: str):
    run("-m", "scripted:", f"chapter {number[:10]}")
    run("delete", "--yes", "1")
    done = run("delete", "--yes", number)
    assert done.returncode == 2
    assert "no conversation number" in done.stderr
    assert len(ids()) == 2


@pytest.mark.usefixtures("two")
def test_ctrl_d_deletes_nothing():
    with Terminal("delete", "1") as terminal:
        terminal.wait_for("Delete for good?")
        terminal.type("\x04")
        terminal.wait_for("Nothing was deleted.")
    assert len(ids()) == 2


def test_quotes_that_the_shell_took_away_still_mean_words_in_a_row():
    run("-m", "scripted:", "Is New York far?")
    run("-m", "scripted:", "York is new to me")
    assert {hit["title"] for hit in json.loads(run("search", "--json", "new", "york").stdout)} == {
        "Is New York far?",
        "York is new to me",
    }
    assert {hit["title"] for hit in json.loads(run("search", "--json", "new york").stdout)} == {"Is New York far?"}
    # Where nothing stands in that row the quotes were only for the shell.
    assert {hit["title"] for hit in json.loads(run("search", "--json", "me york").stdout)} == {"York is new to me"}


def test_an_export_is_utf8_whatever_the_terminal_speaks():
    run("-m", "scripted:", "北京 🎉")
    done = run("export", "--format", "markdown", environment={"PYTHONIOENCODING": "latin-1"})
    assert "北京 🎉" in done.stdout


def test_nothing_from_an_import_can_steer_the_terminal(tmp_path: Path):
    evil = {**chatgpt_conversation(), "conversation_id": "ev\x1b]0;pwned\x07il", "title": "a\x1b[2Jb\n  1  fake"}
    path = tmp_path / "conv\x1b[2J.json"
    path.write_text(json.dumps([evil, 3]))
    shown = [run("import", str(path)), run("list"), run("search", "France")]
    with Terminal("show", "1") as terminal:
        terminal.wait_for("Paris.")
        assert b"\x1b]0;" not in terminal.raw
    assert all("\x1b" not in done.stdout + done.stderr for done in shown)
    assert len(shown[1].stdout.splitlines()) == 1


def test_a_misspelled_store_is_not_made(tmp_path: Path):
    done = run("--store", str(tmp_path / "typo.db"), "list")
    assert done.returncode == 2
    assert "there is no file" in done.stderr
    assert not (tmp_path / "typo.db").exists()


@pytest.mark.usefixtures("two")
def test_empty_names_are_refused():
    for arguments in (("show", ""), ("rename", "1", ""), ("delete", "--yes", ""), ("-m", "scripted:", "--resume", "", "hi")):
        assert run(*arguments).returncode == 2
    assert run("export", "--all", "-o", "x.md").returncode == 2
    assert not Path("x.md").exists()


def test_one_missing_file_does_not_keep_the_others_out(tmp_path: Path):
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([claude_conversation()]))
    done = run("import", str(tmp_path / "missing.json"), str(path))
    assert done.returncode == 1
    assert "3 new messages in 1 of 1 conversations." in done.stderr


@pytest.mark.usefixtures("two")
def test_pipes_lead_from_one_store_to_another(tmp_path: Path):
    text = run("export", "kyoto", "-o", "-").stdout
    done = run_process("import", "-", "--store", str(tmp_path / "other.db"), stdin=text.encode())
    assert "2 new messages in 1 of 1 conversations." in done.stderr
