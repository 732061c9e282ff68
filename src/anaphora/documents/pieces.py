"""Cuts a document into pieces by its headings and paragraphs. Pure.

A piece never crosses a heading. It holds the headings over it, and the line or page where it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# The words of a piece; a much longer paragraph is cut at the ends of its sentences.
PIECE_WORDS = 160
_LONGEST = 260
_LONG_WORD = 12
_HEADING = re.compile(r"(#{1,6})[ \t](.*)")
_UNDERLINE = re.compile(r"(=+|-+)\s*")
_FENCE = re.compile(r"\s*(```+|~~~+)")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document, or the whole document (``number`` 0), as Markdown or plain text."""

    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a document: its text, the headings over it, and its place ("line 12", "page 3")."""

    text: str
    headings: tuple[str, ...]
    place: str

    @property
    def title(self) -> str:
        """The headings and the place, in words."""
        return ", ".join(filter(None, (" › ".join(self.headings), self.place)))


@dataclass(frozen=True, slots=True)
class _Block:
    """A paragraph, a list, a table or a fenced block, and the line on which it begins."""

    lines: Sequence[str]
    line: int
    headings: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def pieces_of(pages: Sequence[Page], *, markdown: bool) -> list[Piece]:
    """Cuts a document into pieces, in order. With ``markdown`` it finds headings."""
    found: list[Piece] = []
    headings: tuple[str, ...] = ()
    for page in pages:
        blocks = list(_blocks(page.text, headings, markdown=markdown))
        found += _joined(blocks, page.number)
        headings = blocks[-1].headings if blocks and markdown else headings
    # A document of headings alone still needs pieces.
    return found or [Piece(page.text.strip(), (), _place(page.number, 1)) for page in pages if page.text.strip()]


def _blocks(text: str, headings: tuple[str, ...], *, markdown: bool) -> Iterator[_Block]:
    lines = text.splitlines()
    open_lines: list[str] = []
    begun, fence = 0, ""
    for number, line in enumerate(lines, 1):
        heading = _heading(lines, number - 1) if markdown and not fence else None
        if (not line.strip() and not fence) or heading is not None:
            if open_lines:
                yield _Block(tuple(open_lines), begun, headings)
            open_lines = []
            headings = headings if heading is None else (*headings[: heading[0] - 1], heading[1])
            continue
        if markdown and not fence and not open_lines and _is_underline(lines, number - 1):
            continue
        mark = _FENCE.match(line) if markdown else None
        if mark:
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
        if not open_lines:
            begun = number
        open_lines.append(line.rstrip())
    if open_lines:
        yield _Block(tuple(open_lines), begun, headings)


def _heading(lines: Sequence[str], place: int) -> tuple[int, str] | None:
    """Gives the level and the words of the heading on a line; None if there is none."""
    line = lines[place]
    hashes = _HEADING.match(line)
    if hashes:
        return len(hashes[1]), hashes[2].strip().rstrip("#").strip()
    below = lines[place + 1] if place + 1 < len(lines) else ""
    is_alone = place == 0 or not lines[place - 1].strip()
    if is_alone and len(below) > 2 and line.strip() and _UNDERLINE.fullmatch(below):
        return (1 if below[0] == "=" else 2), line.strip()
    return None


def _is_underline(lines: Sequence[str], place: int) -> bool:
    """True if a line only underlines the heading before it."""
    return place > 0 and bool(_UNDERLINE.fullmatch(lines[place])) and _heading(lines, place - 1) is not None


def _joined(blocks: Sequence[_Block], page: int) -> Iterator[Piece]:
    """Joins neighbouring blocks below the same headings, up to the length of a piece."""
    waiting: list[_Block] = []
    size = 0
    for block in blocks:
        words = _length(block.text)
        if waiting and (block.headings != waiting[0].headings or size + words > PIECE_WORDS):
            yield _piece(waiting, page)
            waiting, size = [], 0
        if words > _LONGEST:
            yield from _cut(block, page)
            continue
        waiting.append(block)
        size += words
    if waiting:
        yield _piece(waiting, page)


def _piece(blocks: Sequence[_Block], page: int) -> Piece:
    text = "\n\n".join(block.text for block in blocks)
    return Piece(text, blocks[0].headings, _place(page, blocks[0].line))


def _cut(block: _Block, page: int) -> Iterator[Piece]:
    """Cuts a block that is too long: at line ends, within a long line at the ends of sentences, else at words."""
    parts: list[tuple[str, int]] = []
    for number, line in enumerate(block.lines, block.line):
        sentences = _SENTENCE.split(line) if _length(line) > PIECE_WORDS else [line]
        parts += [(part, number) for sentence in sentences for part in _short(sentence)]
    text, begun, size = "", block.line, 0
    for part, number in parts:
        words = _length(part)
        if text and size + words > PIECE_WORDS:
            yield Piece(text.strip("\n"), block.headings, _place(page, begun))
            text, size = "", 0
        if not text:
            begun = number
        text += part if not text else f"{chr(10) if len(block.lines) > 1 else ' '}{part}"
        size += words
    if text.strip():
        yield Piece(text.strip("\n"), block.headings, _place(page, begun))


def _short(sentence: str) -> Iterator[str]:
    """Cuts a sentence that is too long at words; a text without blanks by its characters."""
    words = sentence.split()
    if _length(sentence) <= PIECE_WORDS:
        yield sentence
    elif len(words) > PIECE_WORDS:
        yield from (" ".join(words[start : start + PIECE_WORDS]) for start in range(0, len(words), PIECE_WORDS))
    else:
        most = PIECE_WORDS * _LONG_WORD
        yield from (sentence[start : start + most] for start in range(0, len(sentence), most))


def _length(text: str) -> int:
    """Estimates the words of a text; a text without blanks counts by its characters."""
    return max(len(text.split()), len(text) // _LONG_WORD)


def _place(page: int, line: int) -> str:
    return f"page {page}" if page else f"line {line}"
