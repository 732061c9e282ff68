"""A bar that grows while bytes are read or fetched, or messages indexed, on standard error, where a person is looking."""

from __future__ import annotations

import sys
import time
from typing import Self

_WIDTH = 30
_FRAME_SECONDS = 0.05
# What is done sooner needs no bar.
_PATIENCE_SECONDS = 0.5


class Bar:
    """Drawn in place, at most twenty times a second; nothing at all where standard error is no terminal."""

    def __init__(self, *, at_once: bool = False, things: str = "") -> None:
        self._things = things
        self._live = sys.stderr.isatty()
        self._next = time.monotonic() + (0.0 if at_once else _PATIENCE_SECONDS)
        self._drawn = False

    def show(self, done: int, total: int) -> None:
        """So many bytes of so many, or so many of other ``things``."""
        now = time.monotonic()
        if not self._live or not total or now < self._next:
            return
        self._next = now + _FRAME_SECONDS
        self._drawn = True
        filled = min(_WIDTH * done // total, _WIDTH)
        bar = "█" * filled + "░" * (_WIDTH - filled)
        count = f"{done:,} of {total:,} {self._things}" if self._things else f"{done / 1e6:3.0f} of {total / 1e6:.0f} MB"
        print(f"\r{bar} {count}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._drawn:
            print(file=sys.stderr)
