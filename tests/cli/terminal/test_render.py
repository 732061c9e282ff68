import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from tests.doubles.program import Terminal, scripted

BLOCKS = [f"Paragraph {number} has some words in it." for number in range(40)]


def test_a_long_answer_stands_in_the_scrollback_once(tmp_path: Path):
    text = "\\n\\n".join(BLOCKS)
    with Terminal("-m", scripted(tmp_path, [f"text: {text}"]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        for block in BLOCKS:
            assert terminal.text.count(block) == 1


@pytest.mark.slow
def test_a_block_higher_than_the_screen_stands_there_once_too(tmp_path: Path):
    items = "\\n".join(f"- item {number}." for number in range(60))
    with Terminal("-m", scripted(tmp_path, [f"text: {items}", "delay: 0.2", "text: \\n\\nEnd."]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        for number in range(60):
            assert terminal.text.count(f"item {number}.") == 1


def test_code_and_tables_are_rendered_when_they_are_whole(tmp_path: Path):
    source = "```python\\nprint(1)\\n```\\n\\n| a | b |\\n|---|---|\\n| 1 | 2 |\\n\\nDone."
    with Terminal("-m", scripted(tmp_path, [f"text: {source}"]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        assert "print(1)" in terminal.text
        assert "```" not in terminal.text
        assert "|---|" not in terminal.text


@pytest.mark.slow
def test_a_link_shows_where_it_leads(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["text: [your bank](http://evil.example/)"]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        assert "http://evil.example/" in terminal.text
        assert b"\x1b]8;" not in terminal.raw


@pytest.mark.slow
def test_thinking_is_folded_into_a_line_when_the_answer_begins(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["thinking: They mean the city.", "text: Paris."]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        lines = [line for line in terminal.text.splitlines() if line]
        assert lines == ["(thought in 4 words)", "Paris."]


@pytest.mark.slow
def test_while_it_goes_on_the_last_lines_of_the_thinking_are_shown(tmp_path: Path):
    thoughts = [f'thinking: "step {number}\\n"' for number in range(8)]
    with Terminal("-m", scripted(tmp_path, [*thoughts, "delay: 60"]), "-q", "hi") as terminal:
        terminal.wait_for("step 7")
        assert "step 5" in terminal.text
        assert "step 3" not in terminal.text
        terminal.child.sendintr()
        terminal.wait_for("(thought in 16 words)")


@pytest.mark.slow
def test_what_was_thought_can_be_unfolded(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["thinking: They mean the city.", "text: Paris."])) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("hi")
        terminal.wait_for("tokens in")
        terminal.enter("/thinking")
        terminal.wait_for("They mean the city.")
        terminal.enter("quit")
        assert terminal.exit_code() == 0


def in_the_middle(tmp_path: Path, *steps: str) -> Terminal:
    """A chat in which the model has said the steps and now says nothing for a long time."""
    return Terminal("-m", scripted(tmp_path, [*steps, "delay: 60"]), "-q", "hi")


@pytest.mark.slow
def test_every_line_of_a_growing_block_is_on_the_screen(tmp_path: Path):
    items = "\\n".join(f"- item {number}." for number in range(10))
    with in_the_middle(tmp_path, f"text: {items}") as terminal:
        for number in range(9):
            terminal.wait_for(f"item {number}.")
    sentence = "This paragraph goes on and on. " * 10
    with in_the_middle(tmp_path, f"text: {sentence}THE END.") as terminal:
        terminal.wait_for("THE")
        assert terminal.text.count("This paragraph") == 10


@pytest.mark.slow
def test_something_is_shown_while_the_first_word_is_waited_for(tmp_path: Path):
    with in_the_middle(tmp_path) as terminal:
        terminal.wait_for("…")


@pytest.mark.slow
def test_a_stopped_answer_of_many_lines_stands_there_once(tmp_path: Path):
    words = " ".join(f"word{number}" for number in range(60))
    with in_the_middle(tmp_path, f"text: {words}") as terminal:
        terminal.wait_for("word58")
        terminal.type("typed\x03")
        assert terminal.exit_code() == 130
        for number in range(60):
            assert len(re.findall(rf"\bword{number}\b", terminal.text)) == 1
        assert "typed" not in terminal.text


def shown(tmp_path: Path, source: str) -> str:
    with Terminal("-m", scripted(tmp_path, [f"text: {json.dumps(source)}"]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        return terminal.text.strip()


@pytest.mark.parametrize(
    "source", ["42.", "1945.", "1)", "-", "+", "#", "<div>Hi</div>", "<!-- x -->", "[ref]: http://x.example"]
)
def test_nothing_that_was_said_is_drawn_as_nothing(tmp_path: Path, source: str):
    assert shown(tmp_path, source) == source


@pytest.mark.slow
def test_html_is_text_and_a_line_break_is_one(tmp_path: Path):
    assert shown(tmp_path, "Use <stdio.h> and List<String>.") == "Use <stdio.h> and List<String>."
    assert shown(tmp_path, "Roses are red\nViolets are blue").splitlines() == ["Roses are red", "Violets are blue"]


@pytest.mark.slow
def test_blocks_are_one_line_apart_however_they_come(tmp_path: Path):
    source = "# One\n\ntext\n- a\n- b\n\n```\ncode\n```\n\n| a |\n|---|\n| 1 |\n\nend"
    lines = shown(tmp_path, source).splitlines()
    assert not any(before == after == "" for before, after in pairwise(line.strip() for line in lines))
    assert "code" in lines


@pytest.mark.slow
def test_characters_that_reorder_text_cannot_hide_in_entities(tmp_path: Path):
    assert "\u202e" not in shown(tmp_path, "x &#x202e;evil&#x202c; `&#x202e;`")


@pytest.mark.slow
def test_what_is_typed_during_an_answer_waits_for_the_next_prompt(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["text: Once", "delay: 1", "text: \\n\\nDone."], ["text: heard"])) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("go")
        terminal.wait_for("Once")
        terminal.type("\x1b[200~two\nlines\x1b[201~")
        terminal.wait_for("Done.")
        terminal.wait_for("two")
        terminal.wait_for("lines")
        terminal.enter("")
        terminal.wait_for("heard")


@pytest.mark.slow
def test_an_answer_shown_whole_is_rendered_too(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["text: **bold** words"]), "-q", "--no-stream", "hi") as terminal:
        assert terminal.exit_code() == 0
        assert terminal.text.strip() == "bold words"
