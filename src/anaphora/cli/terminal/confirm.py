"""Asks the person at the terminal before a tool acts in the world.

The question comes from the event loop's thread, and is asked in the one that shows the answer.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

import anyio

from anaphora.cli.terminal.sanitize import sanitized
from anaphora.concurrency import poster
from anaphora.values.message import ToolCall

# How often the thread that shows the answer looks whether somebody asks.
POLL_SECONDS = 0.1
_LONGEST_VALUE = 1_000
_NOTICE_SECONDS = 0.4


class Confirmations:
    """Questions on their way to the person."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[ToolCall, Callable[[bool], None], Callable[[], bool]]] = SimpleQueue()

    async def ask(self, call: ToolCall) -> bool:
        """Wait for a yes or no."""
        answered = anyio.Event()
        said: list[bool] = []
        post = poster()

        def answer(yes: bool) -> None:
            said.append(yes)
            post(answered.set)

        waits = [True]
        self._asked.put((call, answer, lambda: waits[0]))
        try:
            await answered.wait()
        finally:
            waits[0] = False
        return said[0]

    def answer(self, settle: Callable[[], None], say: Callable[[str], None]) -> None:
        """Ask the person what is waiting: first what was said is shown to its end, then lines are."""
        while True:
            try:
                call, reply, still_waits = self._asked.get_nowait()
            except Empty:
                return
            if not still_waits():
                # Its answer was stopped meanwhile.
                continue
            settle()
            for line in call_lines(call):
                say(line)
            yes = False
            try:
                # Whoever was typing sees it before a key counts.
                time.sleep(_NOTICE_SECONDS)
                _drop_typed()
                say("It wants to act. Allow it? y for yes, any other key for no")
                yes = _pressed_y()
            finally:
                reply(yes)
            say("Allowed." if yes else "Not allowed.")


CONFIRMATIONS = Confirmations()


def call_text(call: ToolCall) -> str:
    """A call on one line."""
    line = " ".join(sanitized(f"{call.name} {call.arguments if call.arguments != '{}' else ''}").split())
    return line if len(line) <= 300 else f"{line[:299]}…"


def call_lines(call: ToolCall) -> list[str]:
    """A call with every argument on a line of its own: nothing that is allowed may hide behind something long."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return [call_text(call)]
    return [sanitized(call.name), *(f"  {sanitized(name)}: {_value(value)}" for name, value in arguments.items())]


def _value(value: object) -> str:
    text = " ".join(sanitized(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"


def can_ask() -> bool:
    """True if a person at a terminal can be asked while an answer is shown."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _drop_typed() -> None:
    """Drops the keys that were typed before a question: they are no answer to it."""
    with suppress(ImportError, OSError, ValueError):
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def _pressed_y() -> bool:
    """True if the next key is a y."""
    try:
        key = os.read(sys.stdin.fileno(), 1)
    except (OSError, ValueError):
        return False
    if key not in b"\r\n" and select.select([sys.stdin], [], [], _NOTICE_SECONDS)[0]:
        # An Enter after it is part of the answer.
        _drop_typed()
    return key in {b"y", b"Y"}
