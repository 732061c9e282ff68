r"""Keeps formulas in Markdown as they are written: ``$…$``, ``$$…$$``, ``\(…\)`` and ``\[…\]``, on one line or several.

CommonMark would drop their backslashes, make ``*`` and ``_`` emphasis, and a line that begins with ``+`` a list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

_PAIRS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"))
# As pandoc has it: no blank inside of the marks, no digit after them, so that prices are no formulas.
_DOLLARS = re.compile(r"\$(?![\s$])(?:[^$\\\n]|\\.)+?(?<!\s)\$(?!\d)")


def add_math(parser: MarkdownIt) -> MarkdownIt:
    """Gives the parser with rules for formulas."""
    parser.inline.ruler.before("escape", "math", _inline)
    parser.block.ruler.before("fence", "math", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    return parser


def _inline(state: StateInline, silent: bool) -> bool:
    start, end = state.pos, -1
    for opening, closing in _PAIRS:
        if state.src.startswith(opening, start):
            place = state.src.find(closing, start + len(opening))
            end = place + len(closing) if place >= 0 else -1
            break
    else:
        found = _DOLLARS.match(state.src, start)
        end = found.end() if found else -1
    if end < 0:
        return False
    if not silent:
        state.push("text", "", 0).content = state.src[start:end]
    state.pos = end
    return True


def _block(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    if state.is_code_block(first):
        return False
    lines = [state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]] for line in range(first, end)]
    pair = next((pair for pair in _PAIRS[:2] if lines[0].startswith(pair[0])), None)
    if pair is None or pair[1] in lines[0][2:]:
        return False
    # A formula without its end is still being written.
    last = next((number for number, text in enumerate(lines) if number and text.rstrip().endswith(pair[1])), len(lines) - 1)
    if not all(text.strip() for text in lines[: last + 1]):
        return False
    if silent:
        return True
    state.line = first + last + 1
    place = [first, state.line]
    opened = state.push("paragraph_open", "p", 1)
    opened.map = place
    inline = state.push("inline", "", 0)
    inline.map, inline.content, inline.children = place, "\n".join(lines[: last + 1]).strip(), []
    state.push("paragraph_close", "p", -1)
    return True
