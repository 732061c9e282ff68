"""Markdown as lines for a terminal: what CommonMark would swallow stays visible, and nothing is padded.

Rich draws; before, its tokens are changed where chat differs from documents: a line break is one, HTML is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from itertools import zip_longest

from markdown_it.token import Token
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Markdown, TableElement
from rich.measure import Measurement
from rich.segment import Segment
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from anaphora.cli.terminal.sanitize import sanitized
from anaphora.values.markdown_blocks import chat_parser

Line = list[Segment]
# Characters for private use that stand for lines of code while a block is laid out.
_STAND_IN = 0x100000
_HAS_STAND_IN = re.compile("[\U00100000-\U0010fffd]")
# The lines of code that are kept whole; None where they are broken.
_WHOLE: ContextVar[list[Line] | None] = ContextVar("_WHOLE", default=None)


class _Code(CodeBlock):
    """A code block that can be copied as it is: no frame, no indent."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        made = partial(Syntax, code, self.lexer_name, theme=self.theme, background_color="default")
        whole = _WHOLE.get()
        if whole is None:
            yield made(word_wrap=True, padding=0)
            return
        # Without a size, tabs stay tabs.
        syntax = made(tab_size=0)
        for line in syntax.highlight(code).split("\n", allow_blank=True)[: len(code.split("\n"))]:
            # A stand-in of one character passes through the layout, which would break or cut the line.
            yield Text(chr(_STAND_IN + len(whole)))
            whole.append([segment for segment in line.render(console) if segment.text])


class _Table(TableElement):
    """A table whose words are all shown: beside one another where the columns have room, else as one line for each cell."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        heads = [cell.content for cell in self.header.row.cells] if self.header and self.header.row else []
        rows = [[cell.content for cell in row.cells] for row in self.body.rows] if self.body else []
        columns = [[cell for cell in column if cell is not None] for column in zip_longest(heads, *rows)]
        least = [max(Measurement.get(console, options, cell).minimum for cell in column) for column in columns]
        if sum(least) + 3 * len(least) <= options.max_width:
            yield from self._beside(heads, rows)
        else:
            yield from self._below(heads, rows)

    def _beside(self, heads: list[Text], rows: list[list[Text]]) -> RenderResult:
        table = Table(box=box.SIMPLE, pad_edge=False, style="markdown.table.border", show_edge=True, collapse_padding=True)
        for head in heads:
            bold = head.copy()
            bold.stylize("markdown.table.header")
            table.add_column(bold, overflow="fold")
        for row in rows:
            table.add_row(*row)
        yield table

    def _below(self, heads: list[Text], rows: list[list[Text]]) -> RenderResult:
        for number, row in enumerate(rows or [heads]):
            if number:
                yield Text("")
            for head, cell in zip_longest(heads, row, fillvalue=Text("")):
                name = head.copy()
                name.stylize("markdown.table.header")
                yield Text.assemble(name, ": ", cell, overflow="fold") if rows else name


class _Chat(Markdown):
    elements = {**Markdown.elements, "fence": _Code, "code_block": _Code, "table_open": _Table}  # noqa: RUF012 -- as Rich has it

    def __init__(self, text: str) -> None:
        # No hyperlinks: the address stands beside the words, so that a link cannot pretend to be another.
        super().__init__("", hyperlinks=False)
        self.markup = text
        self.parsed = list(_as_chat(chat_parser().parse(text)))


def markdown_lines(console: Console, text: str, width: int, *, whole_code: bool = False) -> list[Line]:
    """The lines of one block, without blank ones around it and without spaces at their ends.

    With ``whole_code`` lines of code are not broken, however long: the terminal breaks them, so that they can be copied.
    """
    if not whole_code or _HAS_STAND_IN.search(text):
        return _block_lines(console, text, width)
    kept: list[Line] = []
    token = _WHOLE.set(kept)
    try:
        lines = _block_lines(console, text, width)
    finally:
        _WHOLE.reset(token)
    return [_with_code(line, kept) for line in lines]


def _with_code(line: Line, kept: list[Line]) -> Line:
    """Puts a line of code in the place of its stand-in."""
    found: Line = []
    for segment in line:
        place = ord(segment.text[0]) - _STAND_IN if len(segment.text) == 1 else -1
        found += kept[place] if 0 <= place < len(kept) else [segment]
    return _without_end(found)


def _block_lines(console: Console, text: str, width: int) -> list[Line]:
    lines = _lines(console, _Chat(text), width)
    if not lines and text.strip():
        # A number with a dot, a lone "-", a link's definition: there is nothing to draw, but something was said.
        lines = _lines(console, Text(text.strip()), width)
    return lines


def plain_lines(console: Console, text: str, width: int, style: str) -> list[Line]:
    """The lines of a text that is no Markdown."""
    return _lines(console, Text(text, style=style), width)


def _lines(console: Console, content: Markdown | Text, width: int) -> list[Line]:
    drawn = console.render_lines(content, console.options.update(width=width), pad=False)
    lines = [_without_end(line) for line in drawn]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _without_end(line: Line) -> Line:
    """The line without blanks at its end."""
    line = list(line)
    while line and not line[-1].text.rstrip():
        line.pop()
    if line:
        line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
    return line


def _as_chat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        token.content = sanitized(token.content)  # entities may have been decoded to what is stripped elsewhere
        if token.type == "html_block":
            yield Token("paragraph_open", "p", 1, block=True)
            text = Token("text", "", 0, content=token.content.rstrip())
            yield Token("inline", "", 0, children=[text], content=text.content)
            yield Token("paragraph_close", "p", -1, block=True)
            continue
        for child in token.children or ():
            child.content = sanitized(child.content)
            if child.type == "softbreak":
                child.type = "hardbreak"
            elif child.type == "html_inline":
                child.type = "text"
        yield token
