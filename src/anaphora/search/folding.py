"""Folding: letters that count as the same, whatever their case, accents and width."""

from __future__ import annotations

import unicodedata

# Signs of Indic scripts are vowels, not accents; й is a letter of its own.
_KEPT = (("\u0900", "\u109f"), ("\u1780", "\u17ff"), ("\uac00", "\ud7af"), ("\u0419", "\u0419"), ("\u0439", "\u0439"))


class _Fold(dict[int, str]):
    """Each character as it counts; found out once per character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        is_kept = any(first <= character <= last for first, last in _KEPT)
        plain = character if is_kept else unicodedata.normalize("NFKD", character)
        self[code] = (plain if is_kept else _without_marks(plain)).casefold()
        return self[code]


def _without_marks(text: str) -> str:
    return "".join(part for part in text if not unicodedata.category(part).startswith("M"))


FOLD = _Fold()


def folded(text: str) -> str:
    """The text in lower case, without accents, in ordinary width."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).translate(FOLD)
