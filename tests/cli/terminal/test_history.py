"""Lines that were typed, and how they are taken back."""

from pathlib import Path

from anaphora.cli.terminal.history import TypedLines


def test_only_lines_that_say_it_are_taken_out_and_the_rest_keeps_its_order(tmp_path: Path):
    path = tmp_path / "history"
    lines = TypedLines(path)
    for line in ("first a", "a", "two\nlines", "/edit a", "/remember b", "last a"):
        lines.store_string(line)
    lines.forget("a")
    assert list(TypedLines(path).load_history_strings())[::-1] == ["first a", "two\nlines", "/remember b", "last a"]
    lines.forget("two\nlines")
    assert list(TypedLines(path).load_history_strings())[::-1] == ["first a", "/remember b", "last a"]
