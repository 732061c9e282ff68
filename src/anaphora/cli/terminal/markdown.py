"""Markdown as lines for a terminal: what CommonMark would swallow stays visible, and nothing is padded.

Rich draws; before, its tokens are changed where chat differs from documents: a line break is one, HTML is text.
"""

from __future__ import annotations

from collections.abc import Iterator

from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Markdown
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text

from anaphora.cli.terminal.sanitize import sanitized

Line = list[Segment]


class _Code(CodeBlock):
    """A code block that can be copied as it is: no frame, no indent."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        yield Syntax(code, self.lexer_name, theme=self.theme, word_wrap=True, padding=0, background_color="default")


class _Chat(Markdown):
    elements = {**Markdown.elements, "fence": _Code, "code_block": _Code}  # noqa: RUF012 -- as Rich has it

    def __init__(self, text: str) -> None:
        # No hyperlinks: the address stands beside the words, so that a link cannot pretend to be another.
        super().__init__(text, hyperlinks=False)
        self.parsed = list(_as_chat(self.parsed))


def markdown_lines(console: Console, text: str, width: int) -> list[Line]:
    """The lines of one block, without blank ones around it and without spaces at their ends."""
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
