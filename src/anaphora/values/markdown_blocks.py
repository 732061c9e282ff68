"""The place where a block of Markdown ends: what lies before the last block of a growing text never changes again."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt


def markdown_blocks(text: str) -> list[str]:
    """Splits Markdown into its top-level blocks, each with its line ends. Only the last may still grow."""
    tokens = chat_parser().parse(text)
    starts = [token.map[0] for token in tokens if token.level == 0 and token.map and token.nesting >= 0]
    lines = text.splitlines(keepends=True)
    bounds = [0, *starts[1:], len(lines)]
    return ["".join(lines[start:end]) for start, end in pairwise(bounds)]


@cache
def chat_parser() -> MarkdownIt:
    """Gives the parser of answers: CommonMark with tables, strikethrough and formulas."""
    from markdown_it import MarkdownIt

    from anaphora.values.markdown_math import add_math

    return add_math(MarkdownIt("commonmark").enable("table").enable("strikethrough"))
