"""Markdown of answers as safe HTML: no raw HTML, no remote pictures, code highlighted, formulas as MathML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from typing import Any
from urllib.parse import urlsplit

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from anaphora.values.markdown_blocks import chat_parser, markdown_blocks

_ACTIVE = re.compile(r"\b(?:href|src|style|class|id|on\w+)\s*=|<(?!/?m[a-z]+\b)", re.IGNORECASE)
_SCHEMES = {"http", "https", "mailto"}
_FORMULA = re.compile(
    r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<!\\)\$(?![\s$])((?:[^$\\\n]|\\.)+?)(?<!\s)\$(?!\d)", re.DOTALL
)
# Longer code is shown without colours.
_MOST_HIGHLIGHTED = 50_000


def html_of(text: str) -> str:
    """Gives Markdown as HTML."""
    return "".join(html_blocks(text))


def html_blocks(text: str) -> list[str]:
    """Gives Markdown as HTML, a text for each block; only the last may still grow."""
    return [block_html(block) for block in markdown_blocks(text)] if text.strip() else []


def block_html(block: str) -> str:
    """Gives one block as HTML."""
    parser = chat_parser()
    return str(_RENDERER.render(parser.parse(block), parser.options, {}))


class _SafeHTML(RendererHTML):
    """Renders what a model says, and trusts nothing of it."""

    def text(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del options, env
        return _with_formulas(tokens[idx].content)

    def html_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del options, env
        return f"<p>{escape(tokens[idx].content)}</p>"

    def html_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del options, env
        return escape(tokens[idx].content)

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        # A picture of another host would tell it what is read here.
        del options, env
        token = tokens[idx]
        name = token.content or "picture"
        return _link(str(token.attrs.get("src", "")), escape(name))

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del options, env
        href = str(tokens[idx].attrs.get("href", ""))
        if not _is_safe(href):
            return "<span>"
        tokens[idx].meta["safe"] = True
        return f'<a href="{escape(href, quote=True)}" rel="noreferrer noopener" target="_blank">'

    def link_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del options, env
        opened = next((one for one in reversed(tokens[:idx]) if one.type == "link_open"), None)
        return "</a>" if opened is not None and opened.meta.get("safe") else "</span>"

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del options, env
        return _code(tokens[idx].content, tokens[idx].info.split(" ")[0])

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del options, env
        return _code(tokens[idx].content, "")

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del tokens, idx, options, env
        return '<div class="scroll" tabindex="0"><table>'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        del tokens, idx, options, env
        return "</table></div>"


_RENDERER = _SafeHTML()


def _is_safe(href: str) -> bool:
    try:
        return urlsplit(href).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def _link(href: str, shown: str) -> str:
    if not _is_safe(href):
        return shown
    return f'<a href="{escape(href, quote=True)}" rel="noreferrer noopener" target="_blank">{shown}</a>'


def _code(text: str, language: str) -> str:
    """Gives code with colours, below a bar with its language and a button that copies it."""
    name = escape(language) or "text"
    inside = _highlighted(text, language) if language and len(text) <= _MOST_HIGHLIGHTED else escape(text)
    bar = f'<div class="bar"><span>{name}</span><button type="button" data-do="copy-code">Copy</button></div>'
    return f'<div class="code">{bar}<pre tabindex="0"><code>{inside}</code></pre></div>'


def _highlighted(text: str, language: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(text)
    return str(highlight(text, lexer, HtmlFormatter(nowrap=True)))


def _with_formulas(text: str) -> str:
    """Gives a text with its formulas as MathML; a formula that cannot be read stays as it is written."""
    parts: list[str] = []
    last = 0
    for found in _FORMULA.finditer(text):
        source = next(group for group in found.groups() if group is not None)
        is_block = found[0].startswith(("$$", "\\["))
        parts += [escape(text[last : found.start()]), _formula(source, found[0], is_block=is_block)]
        last = found.end()
    return "".join([*parts, escape(text[last:])])


def _formula(source: str, written: str, *, is_block: bool) -> str:
    from latex2mathml.converter import convert

    shown = ""
    # Whatever it cannot read is shown as it is written.
    with suppress(Exception):
        shown = str(convert(source, display="block" if is_block else "inline"))
    # A formula has no links, styles or scripts.
    return shown if shown and not _ACTIVE.search(shown) else f"<code>{escape(written)}</code>"
