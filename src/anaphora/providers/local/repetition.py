"""Detects repetition: small models can repeat one sentence until their context window is full."""

from __future__ import annotations

# The length of the checked end of a text, in characters.
REPETITION_SPAN = 1_000
_PIECE = 60
_TIMES = 5


def runs_in_circles(tail: str) -> bool:
    """True if the last words of a text repeat so often that nothing new can be expected."""
    if len(tail) < _PIECE * _TIMES:
        return False
    piece = tail[-_PIECE:]
    return len(set(piece)) > 1 and tail.count(piece) >= _TIMES
