"""Tools at the terminal: listing and trying them, seeing them called, and being asked before one acts."""

import json
import sys
from pathlib import Path

import pytest
from tests.doubles.program import Terminal, run, scripted

SERVER = Path(__file__).parent.parent.parent / "doubles" / "mcp_server.py"


def servers(tmp_path: Path) -> str:
    path = tmp_path / "mcp.json"
    demo = {"command": sys.executable, "args": [str(SERVER), str(tmp_path / "written")]}
    path.write_text(json.dumps({"mcpServers": {"demo": demo}}), encoding="utf-8")
    return str(path)


def test_tools_are_listed_and_tried():
    assert "calculate" in run("tools").stdout
    assert run("tools", "calculate", '{"expression": "2+3"}').stdout == "5\n"
    names = [one["name"] for one in json.loads(run("tools", "--json", "--tools", "files:.").stdout)]
    assert names[:2] == ["list_files", "read_file"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("calculate", "{oops"), 1, "not valid JSON"),
        (("calculate", '{"x": 1}'), 1, "'x' does not belong there"),
        (("calculat",), 2, "Did you mean calculate?"),
        (("--mcp", "no-such-file"), 2, "cannot be read"),
        (("--tools", "nonsense"), 2, "there is no tool 'nonsense'"),
    ],
)
def test_a_wrong_try_is_said(arguments: tuple[str, ...], code: int, words: str):
    result = run("tools", *arguments)
    assert result.returncode == code
    assert words in result.stdout + result.stderr


@pytest.mark.slow
def test_a_tool_of_a_server_that_acts_is_tried_only_with_a_yes(tmp_path: Path):
    file = servers(tmp_path)
    listed = run("tools", "--mcp", file).stdout
    assert "demo__write" in listed
    assert "asks first" in listed
    refused = run("tools", "demo__write", '{"text": "hi"}', "--mcp", file)
    assert (refused.returncode, "add --yes" in refused.stderr) == (2, True)
    assert not (tmp_path / "written").exists()
    assert run("tools", "demo__write", '{"text": "hi"}', "--mcp", file, "-y").stdout == "written\n"
    assert (tmp_path / "written").read_text(encoding="utf-8") == "hi"


def test_calls_and_results_are_shown_as_they_happen(tmp_path: Path):
    model = scripted(tmp_path, ['tool: calculate {"expression": "6*7"}'], ["text: It is 42."])
    with Terminal("-m", model, "--tools", "calculate") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("What is 6*7?")
        terminal.wait_for("It is 42.")
        assert '→ calculate {"expression": "6*7"}' in terminal.text
        assert "← 42" in terminal.text
        terminal.enter("/tools")
        terminal.wait_for("Work out an arithmetic expression")
        terminal.enter("quit")
        assert terminal.exit_code() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "said", "acted"), [("y", "Allowed.", True), ("n", "Not allowed.", False), ("\r", "Not allowed.", False)]
)
def test_the_person_is_asked_before_a_tool_acts(tmp_path: Path, key: str, said: str, acted: bool):
    model = scripted(tmp_path, ['tool: demo__write {"text": "hello"}'], ["text: So be it."])
    with Terminal("-m", model, "--mcp", servers(tmp_path), seconds=30) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("Write hello")
        terminal.wait_for("Allow it?")
        terminal.type(key)
        terminal.wait_for(said)
        terminal.wait_for("So be it.")
        terminal.enter("quit")
        assert terminal.exit_code() == 0
    assert (tmp_path / "written").exists() is acted


@pytest.mark.slow
def test_ctrl_c_at_the_question_is_no_yes(tmp_path: Path):
    model = scripted(tmp_path, ['tool: demo__write {"text": "hello"}'], ["text: Fine."])
    with Terminal("-m", model, "--mcp", servers(tmp_path), seconds=30) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("Write hello")
        terminal.wait_for("Allow it?")
        terminal.type("\x03")
        terminal.wait_for("Stopped")
        terminal.enter("Never mind")
        terminal.wait_for("Fine.")
        terminal.enter("quit")
        assert terminal.exit_code() == 0
    assert not (tmp_path / "written").exists()


def test_where_nobody_can_be_asked_nothing_acts(tmp_path: Path):
    model = scripted(tmp_path, ['tool: demo__write {"text": "hello"}'], ["text: Fine."])
    result = run("-m", model, "--mcp", servers(tmp_path), "--json", "Write hello")
    assert json.loads(result.stdout)["tools"][0]["result"].startswith("(not run: it acts in the world")
    shown = run("-m", model, "--mcp", servers(tmp_path), "Write hello")
    assert "demo__write was not run" in shown.stderr
    assert not (tmp_path / "written").exists()


@pytest.mark.slow
def test_a_persona_is_chosen_in_the_chat(tmp_path: Path):
    model = scripted(tmp_path, ['tool: stock {"words": "Dune"}'], ["text: Yes, one moment."])
    with Terminal("-m", model) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/persona")
        terminal.wait_for("/persona NAME")
        assert "movie-critic" in terminal.text
        terminal.enter("/persona nora")
        terminal.wait_for("keeps a small bookshop")
        terminal.enter("Dune?")
        terminal.wait_for("Yes, one moment.")
        assert "→ stock" in terminal.text
        terminal.enter("/persona nosuch")
        terminal.wait_for("there is no persona")
        terminal.enter("quit")
        assert terminal.exit_code() == 0


def test_what_is_said_before_a_tool_is_shown_before_it(tmp_path: Path):
    model = scripted(tmp_path, ["text: Let me see.", 'tool: calculate {"expression": "6*7"}'], ["text: It is 42."])
    with Terminal("-m", model, "--tools", "calculate") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("What is 6*7?")
        terminal.wait_for("tokens in")
        text = terminal.text
        assert text.index("Let me see.") < text.index("→ calculate") < text.index("← 42") < text.index("It is 42.")
        terminal.enter("quit")
        assert terminal.exit_code() == 0


@pytest.mark.slow
@pytest.mark.local
def test_a_model_that_calls_no_tools_says_so():
    result = run("-m", "local", "--no-store", "--tools", "calculate", "--max-tokens", "3", "Hi")
    assert "local cannot call tools, so it is told of none" in result.stderr
