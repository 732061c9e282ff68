"""The event log of a turn: numbered, append-only, for any number of readers in any thread."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final, Literal

from anaphora.errors import StoreError
from anaphora.values.answer import Answer
from anaphora.values.events import Event, Finished, Retrying, Warned, joined

_LOGGER = logging.getLogger("anaphora")
# Python would print warnings of a logger without a handler.
_LOGGER.addHandler(logging.NullHandler())


class _End(Enum):
    END = "end"


END: Final = _End.END


class EventLog:
    """The events of one turn in the order of their numbers, which begin with 0.

    One turn writes; readers read from any number on, in their own threads. A reader that has read everything is woken by
    the function that it gave.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._waiting: list[Callable[[], None]] = []
        self._closed = False
        self._error: BaseException | None = None

    @property
    def closed(self) -> bool:
        """True when no event follows any more."""
        return self._closed

    @property
    def error(self) -> BaseException | None:
        """The error that ended the turn, if one did."""
        return self._error

    @property
    def answer(self) -> Answer[Any] | None:
        """The answer, as soon as the turn has one."""
        last = self._events[-1] if self._events else None
        return last.answer if isinstance(last, Finished) else None

    def put(self, event: Event) -> None:
        """Appends an event and wakes the readers that wait for one. Warnings and retries are logged too."""
        self._events.append(event)
        if isinstance(event, Warned):
            _LOGGER.warning(event.text)
        elif isinstance(event, Retrying):
            _LOGGER.info("trying again in %.1f s: %s", event.delay, event.error)
        if self._waiting:
            self._wake()

    def close(self, error: BaseException | None = None) -> None:
        """Ends the log. ``error`` is raised for every reader after the last event."""
        self._error = error.carrying(self.answer) if isinstance(error, StoreError) else error
        self._closed = True
        self._wake()

    def read(self, start: int = 0) -> Sequence[Event]:
        """Gives the events from number ``start`` on."""
        return self._events[start:]

    def wait(self, wake: Callable[[], None]) -> None:
        """Calls ``wake`` once, at the next event or at the end."""
        self._waiting.append(wake)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()


class EventReader:
    """One reader's place in an event log. Text that came since the last look is read in one piece."""

    def __init__(self, log: EventLog, wake: Callable[[], None], *, start: int = 0) -> None:
        self._log = log
        self._wake = wake
        self._next = start
        self._batch: deque[Event] = deque()

    def next(self) -> Event | Literal[_End.END] | None:
        """Gives the next event, END after the last one, or None if there is none yet: then ``wake`` is called at the next.

        Raises the error that ended the turn, after the last event.
        """
        if not self._batch and not self._look():
            if not self._log.closed:
                self._log.wait(self._wake)
            # Looked at once more: an event may have come before the log knew that somebody waits.
            if not self._look():
                return self._ended()
        return self._batch.popleft()

    def _look(self) -> bool:
        events = self._log.read(self._next)
        self._next += len(events)
        self._batch.extend(joined(events) if len(events) > 1 else events)
        return bool(events)

    def _ended(self) -> Literal[_End.END] | None:
        # The log is closed after its last event, so what is missing here cannot come any more.
        if not self._log.closed or self._log.read(self._next):
            return None
        if self._log.error is not None:
            raise self._log.error
        return END
