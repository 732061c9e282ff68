"""Keeps typed keys from disturbing an answer that is being shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PASTE_MARKS_ON, _PASTE_MARKS_OFF = "\x1b[?2004h", "\x1b[?2004l"


@contextmanager
def silent_keys() -> Iterator[None]:
    """Typed keys are not echoed but wait, as they are, for the next prompt; Ctrl-C still interrupts.

    Pasted text keeps its marks, so that it arrives as one piece. Where there is no such terminal, nothing happens.
    """
    try:
        import termios

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (ImportError, OSError, ValueError, AttributeError, termios.error):
        yield
        return
    silent = [*before]
    silent[0] &= ~termios.ICRNL
    silent[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    print(_PASTE_MARKS_ON, end="", flush=True)
    try:
        yield
    finally:
        print(_PASTE_MARKS_OFF, end="", flush=True)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
