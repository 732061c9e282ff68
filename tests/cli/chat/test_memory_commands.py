"""Memory in the terminal: what is remembered, what is forgotten, and what the model sees."""

import json
import re
from pathlib import Path

import pytest
from platformdirs import user_state_path
from tests.doubles.program import Terminal, run, scripted

from anaphora.cli.terminal.context_view import context_lines, moved_line
from anaphora.values.report import Aside, Asides, Left, Passage, Prefix, Recalled, Report


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "budget": 1_000,
        "context_window": 1_400,
        "assumed": False,
        "exact": True,
        "system_tokens": 50,
        "window_messages": 12,
        "window_tokens": 400,
        "cut": "m1",
        "left": None,
    }
    return Report(**(values | changes))  # type: ignore[arg-type]


def test_facts_are_remembered_shown_and_forgotten(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["text: Lentils."])) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/memories")
        terminal.wait_for("Nothing is remembered yet")
        terminal.enter("/remember I am vegan")
        terminal.wait_for("Remembered: I am vegan")
        terminal.enter("What shall I cook?")
        terminal.wait_for("tokens in")
        terminal.enter("/remember")
        terminal.wait_for("Remembered: What shall I cook?")
        terminal.enter("/memories")
        terminal.wait_for("1  I am vegan")
        terminal.wait_for("you said “What shall I cook?”")
        terminal.enter("/forget abc")
        terminal.wait_for("/memories shows them")
        terminal.enter("/forget 9")
        terminal.wait_for("There is no memory 9: /memories shows 2.")
        terminal.enter("/remember I am VEGAN")
        terminal.wait_for("Remembered already: I am vegan")
        terminal.enter("/forget 1")
        terminal.wait_for("Forgotten: I am vegan")
        terminal.enter("quit")
        assert terminal.exit_code() == 0
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/memories")
        terminal.wait_for("1  What shall I cook?")
        assert "vegan" not in terminal.text


@pytest.mark.slow
def test_the_last_question_can_be_forgotten_with_its_answer():
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("/forget last")
        terminal.wait_for("There is nothing to forget.")
        terminal.enter("my password is swordfish")
        terminal.wait_for("tokens in")
        terminal.enter("/retry")
        terminal.wait_for("tokens in", times=2)
        terminal.enter("/remember")
        terminal.wait_for("Remembered: my password")
        terminal.enter("/forget LAST")
        terminal.wait_for("are blank now")
        terminal.enter("/memories")
        terminal.wait_for("Nothing is remembered yet")
        terminal.enter("/forget last")
        terminal.wait_for("There is nothing to forget.", times=2)
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    assert "swordfish" not in run("search", "swordfish").stdout
    assert "swordfish" not in (user_state_path("anaphora") / "history").read_text(encoding="utf-8")
    assert "swordfish" not in run("show", "1").stdout
    assert "swordfish" not in run("export").stdout


@pytest.mark.slow
def test_what_was_said_in_another_chat_is_recalled_and_the_line_below_says_so():
    assert run("-m", "scripted:", "My dog is called Rex").returncode == 0
    with Terminal("-m", "scripted:") as terminal:
        terminal.wait_for("\n>")
        terminal.enter("What is the name of my dog?")
        terminal.wait_for("recalled")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0


def test_a_single_question_does_not_depend_on_the_past_unless_it_is_to(tmp_path: Path):
    plain = run("--json", "-m", "scripted:", "My dog is called Rex")
    again = run("--json", "-m", "scripted:", "What is the name of my dog?")
    with_past = run("--json", "--recall", "-m", "scripted:", "What is the name of my dog?")
    tokens = [int(re.findall(r'"input_tokens": (\d+)', done.stdout)[0]) for done in (plain, again, with_past)]
    assert tokens[1] < 20 < tokens[2]


@pytest.mark.slow
def test_when_the_window_first_moves_it_is_said():
    with Terminal("-m", "scripted:", "--context-window", "400") as terminal:
        terminal.wait_for("\n>")
        for number in range(9):
            terminal.enter(f"message {number} with a few more words in it")
            terminal.wait_for("tokens in", times=number + 1)
        terminal.wait_for("no longer shown to the model; /context says more.")
        terminal.enter("/context")
        terminal.wait_for("left out")
        terminal.wait_for("too small to write summaries")
        assert "\x1b[32m█" in terminal.raw.decode("utf-8", "replace")
        terminal.enter("quit")
        assert terminal.exit_code() == 0


def test_the_window_that_moved_is_told_in_numbers_of_messages():
    moved = Prefix(10, 100, "the window moved")
    left = Left(12, 300, "m0", "older than the window", summarised=12)
    assert moved_line(report(left=left, prefix=moved)) == "12 earlier messages are now a summary; /context says more."
    partly = Left(12, 300, "m0", "older than the window", summarised=8)
    assert "8 earlier messages are now a summary, 4 are not shown" in str(moved_line(report(left=partly, prefix=moved)))
    none = Left(1, 30, "m0", "older than the window")
    assert moved_line(report(left=none, prefix=moved)) == "1 earlier message is no longer shown to the model; /context says more."
    assert moved_line(report(left=left, prefix=Prefix(90, 100, ""))) is None
    assert moved_line(report()) is None


@pytest.mark.parametrize("width", [30, 79, 200])
def test_the_bar_is_as_long_as_the_line_and_shows_every_part(width: int):
    beside = Asides(preamble=Aside("x", 1), tail=Aside("y", 5))
    lines = context_lines(report(asides=beside), width=width, colours=False)
    assert len(lines[0]) == width
    assert set(lines[0]) == set("smwt·")
    assert all(len(line) <= width for line in lines)
    legend = " ".join(lines[1:6])
    for part in ("system 50", "memory 1", "window 400", "tail 5", "room 544"):
        assert part in legend


def test_colours_are_only_for_terminals_and_what_is_quoted_cannot_bring_its_own():
    evil = Passage("c", "t", "m", "2026-01-01", "user", "a \x1b[2J screen", "it says \x1b]0;x\x07")
    beside = Asides(recalled=Recalled(passages=(evil,)), tail=Aside("y", 5))
    plain = "\n".join(context_lines(report(asides=beside), width=79, colours=False))
    assert "\x1b" not in plain
    coloured = "\n".join(context_lines(report(asides=beside), width=79, colours=True))
    assert "\x1b[2J" not in coloured
    assert "\x1b[32m█" in coloured


def test_what_is_piped_in_beside_a_question_is_marked_as_a_document():
    done = run("-m", "scripted:", "Summarise this", stdin=b"some notes\n")
    assert done.stdout == "You said: Summarise this\n\n<document>\nsome notes\n</document>\n"
    assert run("-m", "scripted:", stdin=b"a question\n").stdout == "You said: a question\n"


def test_memories_are_shown_added_and_forgotten_from_the_shell():
    assert "Nothing is remembered yet" in run("memories").stderr
    assert "1  I live in Lyon" in run("memories", "--add", "I live in Lyon").stdout
    assert [fact["text"] for fact in json.loads(run("memories", "--json").stdout)] == ["I live in Lyon"]
    wrong = run("memories", "--forget", "7")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "there is no memory 7" in wrong.stderr
    assert run("memories", "--add", " ").returncode == 2
    assert run("memories", "--forget", "1").returncode == 0
    assert run("memories", "--all").stdout == ""
