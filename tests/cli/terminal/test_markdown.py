"""Markdown on a terminal loses no word of a table, changes no formula and breaks no line of code."""

import io
from collections import Counter

import pytest
from rich.console import Console

from anaphora.cli.terminal.markdown import markdown_lines
from anaphora.values.markdown_blocks import markdown_blocks


def shown(markdown: str, width: int = 40, *, whole_code: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False, emoji=False, force_terminal=True)
    lines = markdown_lines(console, markdown, width, whole_code=whole_code)
    return ["".join(segment.text for segment in line) for line in lines]


LONG = "find . -name '*.log' -print0 | xargs -0 --no-run-if-empty gzip --best && echo 'all is done'"


@pytest.mark.parametrize(
    "markdown",
    [
        f"```sh\n{LONG}\n```",
        f"    {LONG}",
        f"- first:\n\n  ```sh\n  {LONG}\n  ```",
        f"> ```\n> {LONG}\n> ```",
        f"```\na\n\n{LONG}\n```",
    ],
)
def test_a_line_of_code_is_one_line_wherever_it_stands(markdown: str):
    assert any(line.endswith(LONG) for line in shown(markdown))


def test_code_keeps_its_tabs_and_blank_lines():
    assert shown("```make\nall:\n\techo 1\n\n\techo 2\n```") == ["all:", "\techo 1", "", "\techo 2"]


def test_while_it_grows_code_is_broken_so_that_it_can_be_drawn_anew():
    assert all(len(line) <= 40 for line in shown(f"```sh\n{LONG}\n```", whole_code=False))


def test_characters_that_stand_for_code_are_shown_as_they_are():
    assert shown("a \U00100000 b") == ["a \U00100000 b"]


TWELVE = "|".join(f"value{number}" for number in range(12))
TABLES = {
    "long words": ("| Name | Variable |\n|---|---|\n| model | ANAPHORA_EXAMPLE_VERY_LONG_NAME |\n", ["VERY_LONG_NAME"]),
    "many columns": ("|" + "c|" * 12 + "\n|" + "---|" * 12 + f"\n|{TWELVE}|\n", ["value11"]),
    "wide characters": ("| 名前 | 説明 |\n|---|---|\n| 東京スカイツリー | 展望台からの眺めが素晴らしい |\n", ["素晴らしい"]),
    "a cell too many": ("| a | b |\n|---|---|\n| one | two | three |\n", ["one", "two"]),
    "no rows": ("| a | b |\n|---|---|\n", ["a", "b"]),
    "an empty cell": ("| a | b |\n|---|---|\n| | two |\n", ["two"]),
}


@pytest.mark.parametrize("width", [80, 40, 12])
@pytest.mark.parametrize("name", TABLES)
def test_no_letter_of_a_table_is_lost(name: str, width: int):
    markdown, words = TABLES[name]
    lines = shown(markdown, width)
    letters = "".join(lines)
    assert "…" not in letters
    assert not Counter("".join(words)) - Counter(letters)


def test_a_table_that_fits_stands_in_columns():
    lines = shown("| a | b |\n|---|---|\n| one | two |\n")
    assert any("one" in line and "two" in line for line in lines)


def test_a_table_without_room_is_a_line_for_each_cell():
    assert shown("| Name | Place |\n|---|---|\n| Ana | Buenos Aires |\n| Bo | Oslo |\n", 13) == [
        "Name: Ana",
        "Place: Buenos",
        "Aires",
        "",
        "Name: Bo",
        "Place: Oslo",
    ]


@pytest.mark.parametrize(
    "formula",
    [
        r"\(a_1 * b_2 * c\)",
        r"$a*b*c$",
        r"$$x_{1}*y_{2}*z$$",
        r"\[\frac{a}{b}\]",
        "\\[\nx\n+ y\n- z\n\\]",
        "$$\n\\begin{aligned}\na &= b \\\\\n&= c\n\\end{aligned}\n$$",
        r"It is \(x\) and $y_1*y_2*$.",
    ],
)
def test_formulas_are_shown_as_they_are_written(formula: str):
    assert shown(formula, 78) == formula.split("\n")


@pytest.mark.parametrize("text", ["It costs $5 and $6.", "$5-$6 a day", "echo $HOME", "$$"])
def test_prices_are_no_formulas(text: str):
    assert shown(text, 78) == [text]


def test_escapes_are_no_formulas():
    assert shown(r"a \* b \(open", 78) == ["a * b (open"]


def test_a_formula_of_several_lines_is_one_block_that_may_grow():
    whole = "Before.\n\n\\[\nx\n+ y\n\\]\n\nAfter."
    assert markdown_blocks(whole) == ["Before.\n\n", "\\[\nx\n+ y\n\\]\n\n", "After."]
    assert markdown_blocks("\\[\nx\n+ y") == ["\\[\nx\n+ y"]
