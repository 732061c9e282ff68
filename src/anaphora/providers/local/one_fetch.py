"""Lets several fetches of the same weights share one: the others wait, and find the file when it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

_POLL_SECONDS = 0.1


@contextmanager
def one_fetch(folder: Path, cancelled: Event) -> Iterator[None]:
    """Holds the lock of a folder, of this process and others. Raises OSError, also InterruptedError when ``cancelled`` is set.

    The operating system takes the lock back when its process ends. Where it has no such locks, everybody fetches.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if cancelled.wait(_POLL_SECONDS):
                raise InterruptedError("it was interrupted while another program fetches the same file")
        yield
    finally:
        os.close(handle)
