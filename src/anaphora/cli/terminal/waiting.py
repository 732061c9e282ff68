"""A clock on standard error while something is waited for that shows nothing itself."""

from __future__ import annotations

import sys
from contextlib import suppress
from threading import Event, Thread
from typing import Self

from anaphora.cli.terminal.notice import notice

# Where no clock can be drawn in place, a line tells once that the program still waits.
_PATIENCE_SECONDS = 10


class Waiting:
    """Counts the seconds from the first one on until it is stopped, where standard error is a terminal.

    ``thing`` is what is waited for. A ``quiet`` one says nothing.
    """

    def __init__(self, thing: str = "the answer", *, quiet: bool = False) -> None:
        self._thing = thing
        self._ended = Event()
        self._thread = Thread(target=self._count, daemon=True)
        if not quiet:
            self._thread.start()

    def stop(self) -> None:
        """Takes the clock away. More than once does no harm."""
        if self._ended.is_set():
            return
        self._ended.set()
        with suppress(RuntimeError):
            # It was never started, or it is this thread.
            self._thread.join()

    def _count(self) -> None:
        drawn = False
        seconds = 0
        while not self._ended.wait(1.0):
            seconds += 1
            if sys.stderr.isatty():
                drawn = True
                print(f"\r\x1b[2m… {seconds} s, waiting for {self._thing}\x1b[0m\x1b[K", end="", file=sys.stderr, flush=True)
            elif seconds == _PATIENCE_SECONDS:
                notice(f"still waiting for {self._thing} after {seconds} seconds; --timeout SECONDS limits it.")
        if drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
