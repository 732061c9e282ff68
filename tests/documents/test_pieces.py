"""Cutting documents: by headings and paragraphs, with the place of every piece, losing nothing."""

import re

from hypothesis import given
from hypothesis import strategies as st

from anaphora.documents.pieces import PIECE_WORDS, Page, Piece, pieces_of

NOTES = """# Garden

Peas are sown in March.

They like cool soil.

## Tomatoes

Start them indoors.

```python
# not a heading

water()
```

Kitchen
-------

Sharpen the knives.
"""


def cut(text: str, *, markdown: bool = True) -> list[Piece]:
    return pieces_of([Page(text)], markdown=markdown)


def test_a_piece_is_what_stands_below_a_heading():
    assert cut(NOTES) == [
        Piece("Peas are sown in March.\n\nThey like cool soil.", ("Garden",), "line 3"),
        Piece("Start them indoors.\n\n```python\n# not a heading\n\nwater()\n```", ("Garden", "Tomatoes"), "line 9"),
        Piece("Sharpen the knives.", ("Garden", "Kitchen"), "line 20"),
    ]
    assert cut(NOTES)[1].title == "Garden › Tomatoes, line 9"


def test_plain_text_has_no_headings():
    (piece,) = cut("# a comment\nx = 1\n", markdown=False)
    assert (piece.text, piece.headings) == ("# a comment\nx = 1", ())


def test_paragraphs_are_joined_up_to_a_size_and_long_ones_cut_at_sentences():
    text = " ".join(f"This is the sentence number {number}." for number in range(200))
    pieces = cut(f"Short.\n\n{text}\n\nEnd.")
    assert all(len(piece.text.split()) <= PIECE_WORDS for piece in pieces)
    assert all(piece.text.endswith(".") for piece in pieces)


def test_a_long_listing_is_cut_between_lines_and_says_on_which():
    pieces = cut("\n".join(f"value number {number} of many" for number in range(100)), markdown=False)
    assert [piece.place for piece in pieces] == ["line 1", "line 33", "line 65", "line 97"]
    assert pieces[1].text.startswith("value number 32 of many\nvalue")


def test_pages_are_places_and_headings_reach_over_them():
    pieces = pieces_of([Page("# One\n\na", 1), Page("b", 2)], markdown=True)
    assert [(piece.text, piece.title) for piece in pieces] == [("a", "One, page 1"), ("b", "One, page 2")]


def test_text_without_blanks_is_cut_too():
    pieces = cut("北京" * 10_000)
    assert max(len(piece.text) for piece in pieces) <= PIECE_WORDS * 13
    assert "".join(piece.text for piece in pieces).replace(" ", "") == "北京" * 10_000


@given(st.lists(st.sampled_from(["# A", "## B", "word " * 50, "x", "", "```", "---", "- item", "A. B? C!"]), max_size=40))
def test_no_word_is_lost_however_a_document_is_made(lines: list[str]):
    pieces = cut("\n".join(lines))
    text = " ".join(part for piece in pieces for part in (piece.text, *piece.headings))
    said = re.findall(r"word|item|\bx\b", text)
    wanted = re.findall(r"word|item|\bx\b", " ".join(lines))
    # A line above dashes is a heading, and is not text; a heading with nothing below it is in no piece.
    assert len(said) >= len(wanted) - 60 * sum(line == "---" for line in lines)


def test_a_line_of_many_blanks_takes_no_longer():
    (piece,) = cut("# a" + " " * 50_000 + "b\n\nText.")
    assert piece.headings[0].startswith("a")
