"""Finds words, by the same rules in the full-text index, in a plain scan and in the excerpt that shows a match.

Text is folded (case, accents and full-width forms do not count) and cut into words. Characters of scripts that are written
without spaces, symbols and emoji are words of their own, so that ``C++``, ``北京`` and ``🎉`` are found as they are written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from anaphora.search.folding import FOLD, folded
from anaphora.values.message import Message, Text, ToolResult

# Scripts without spaces between words, and Korean, whose particles cling to the word before.
_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\ua4cf"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_SYMBOLS = "#$%&+<=>@\\^|~\u00a2-\u00a7\u00a9\u00ac\u00ae\u00b0\u00b1\u00d7\u00f7\u20a0-\u20cf\u2100-\u2bff\U0001f000-\U0001faff"
_SINGLE = _UNSPACED + _SYMBOLS
# The vowel signs of Indic scripts belong to words, whatever Unicode calls them.
_LETTER = f"(?:[^\\W_{_SINGLE}]|[\u0900-\u0963\u0966-\u0dff])"
_UNIT = re.compile(f"[{_UNSPACED}]{{1,2}}\\s*|[^\\s{_UNSPACED}]{{1,40}}\\s*|\\s+")
WORD = re.compile(f"[{_SINGLE}]|{_LETTER}+")
_CHUNK = re.compile(r'"([^"]+)"|(\S+)')
_ENDINGS = re.compile("(?:ies|ing|edly|ed|es|ly|er|s|e|y)$")
_EXCERPT_BEFORE, _EXCERPT_LENGTH = 40, 160


def searchable(message: Message) -> str:
    """Gives the text of a message and of its tool results."""
    return "\n".join(part.text for part in message.parts if isinstance(part, Text | ToolResult))


def tells_of(title: str, text: str) -> bool:
    """True if a title has words of this text, so that it must go when the text is forgotten."""
    said = set(words(text))
    return any(word in said for word in words(title) if len(word) > 3 or not word.isascii() or said == {word})


def units(text: str) -> list[str]:
    """A text in pieces as long as words, the blanks after them included: where no blanks are, every two characters."""
    return _UNIT.findall(text)


def words(text: str) -> list[str]:
    """The words of a text, folded."""
    return WORD.findall(folded(text))


def phrases(query: str) -> list[list[str]]:
    """Gives the phrases of a query, all of which a message must have: words, and quoted or joined words in a row.

    Empty if it has nothing but punctuation.
    """
    found = (words(quoted or plain) for quoted, plain in _CHUNK.findall(query))
    return [phrase for phrase in found if phrase]


@lru_cache(maxsize=16)
def patterns(query: str) -> tuple[re.Pattern[str], ...]:
    """Gives the patterns of a query's phrases in folded text: each word in any of its forms (``runs``, ``running``)."""
    return tuple(re.compile(r"[\W_]*?".join(map(_pattern, phrase))) for phrase in phrases(query))


def has_all(text: str, wanted: Sequence[re.Pattern[str]]) -> bool:
    """True if a text has all phrases."""
    plain = folded(text)
    return all(pattern.search(plain) for pattern in wanted)


def excerpt(text: str, query: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The part of a text around what was looked for, on one line, and where in it that stands (from, to)."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    marks = sorted(_marks(line, query))
    start = max(marks[0][0] - _EXCERPT_BEFORE, 0) if marks else 0
    end = start + _EXCERPT_LENGTH
    before, after = "…" * (start > 0), "…" * (end < len(line))
    shift = len(before) - start
    kept = tuple((first + shift, last + shift) for first, last in marks if last <= end)
    return before + line[start:end] + after, kept


def _marks(line: str, query: str) -> set[tuple[int, int]]:
    plain = line.translate(FOLD)
    places: Sequence[int] = range(len(line))
    if len(plain) != len(line):
        # Folding lengthened or dropped characters, so each folded one must know its place.
        places = [place for place, character in enumerate(line) for _ in character.translate(FOLD)]
    found = {match.span() for pattern in patterns(query) for match in pattern.finditer(plain)}
    if not found and query.strip():
        literal = re.escape(query.strip().translate(FOLD))
        found = {match.span() for match in re.finditer(literal, plain)} if literal else set()
    return {(places[first], places[last - 1] + 1) for first, last in found if last > first}


def is_unspaced(word: str) -> bool:
    """True if a word is of a script that is written without blanks."""
    return re.match(f"[{_UNSPACED}]", word) is not None


def _pattern(word: str) -> str:
    if WORD.fullmatch(word) and not re.fullmatch(f"{_LETTER}+", word):
        return re.escape(word)
    return f"(?<!{_LETTER}){re.escape(_stem(word))}{_LETTER}*"


def _stem(word: str) -> str:
    """The word without an English ending, roughly as Porter's stemmer has it: long enough to tell words apart."""
    stem = _ENDINGS.sub("", word)
    if len(stem) < 3 or not word.isascii():
        return word
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] else stem
