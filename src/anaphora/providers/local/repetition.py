"""Notices when a model runs in circles: small models can repeat one sentence until their window is full."""

from __future__ import annotations

# How much of the end of a text is looked at, in characters.
REPETITION_SPAN = 1_000
_PIECE = 60
_TIMES = 5


def runs_in_circles(tail: str) -> bool:
    """True if the last words of a text repeat so often that nothing new can be expected."""
    if len(tail) < _PIECE * _TIMES:
        return False
    piece = tail[-_PIECE:]
    return len(set(piece)) > 1 and tail.count(piece) >= _TIMES
