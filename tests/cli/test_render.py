from pathlib import Path

from tests.cli.program import Terminal, scripted

BLOCKS = [f"Paragraph {number} has some words in it." for number in range(40)]


def test_a_long_answer_stands_in_the_scrollback_once(tmp_path: Path):
    text = "\\n\\n".join(BLOCKS)
    with Terminal("-m", scripted(tmp_path, [f"text: {text}"]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        for block in BLOCKS:
            assert terminal.text.count(block) == 1


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


def test_a_link_shows_where_it_leads(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["text: [your bank](http://evil.example/)"]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        assert "http://evil.example/" in terminal.text
        assert b"\x1b]8;" not in terminal.raw


def test_thinking_is_shown_apart_from_the_answer(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["thinking: They mean the city.", "text: Paris."]), "-q", "hi") as terminal:
        assert terminal.exit_code() == 0
        lines = [line for line in terminal.text.splitlines() if line]
        assert lines == ["They mean the city.", "Paris."]
