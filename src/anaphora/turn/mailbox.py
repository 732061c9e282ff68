"""The events of a turn on their way to a reader."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from anaphora.errors import ProviderError, StoreError
from anaphora.values.events import Event, Finished, Planned, Retrying, TextDelta, Warned, joined
from anaphora.values.message import Finish, Message, Status, Usage
from anaphora.values.report import Report


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer. ``usage`` is None if the provider reported none; times are in seconds.

    ``value`` is what it was read into, if it was asked ``into`` something. ``steps`` are the messages before it, if tools were
    called: what the model said, and what they gave. ``cache_loss`` says why much less came from the provider's cache than
    before, if it did.
    """

    message: Message
    status: Status
    usage: Usage | None
    finish: Finish | None
    model: str
    seconds: float
    first_seconds: float | None
    context: Report | None
    retried: tuple[ProviderError, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())
    cache_loss: str = ""
    steps: tuple[Message, ...] = field(default=())
    value: Any = None

    @property
    def text(self) -> str:
        """What was said."""
        return self.message.text

    @property
    def thinking(self) -> str:
        """What was thought before."""
        return self.message.thinking

    def __str__(self) -> str:
        return self.text


class Turn(Protocol):
    """What a reader may do to a turn."""

    def stop(self) -> None:
        """End it soon, keeping what came. From any thread."""
        ...


class Mailbox:
    """Events on their way from a turn to its reader, who may be in another thread.

    Text that nobody has taken yet is handed over in one piece, so a slow reader costs no more memory than the answer itself.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self.closed = False
        self.answer: Answer | None = None
        self.awaited = False
        self._wake = wake
        self._events: deque[Event] = deque()
        self._report: Report | None = None
        self._retried: list[ProviderError] = []
        self._warnings: list[str] = []

    def put(self, event: Event) -> None:
        """One more event."""
        if type(event) is not TextDelta:
            self._note(event)
        self._events.append(event)
        if self.awaited:
            self.awaited = False
            self._wake()

    def close(self, error: BaseException | None) -> None:
        """No more events; ``error`` is raised for the reader after the last one."""
        if isinstance(error, StoreError):
            error.answer = self.answer
        self.error = error
        self.closed = True
        self._wake()

    def take(self) -> list[Event]:
        """All that is there, oldest first. If nothing is, the next event, or the end, wakes the reader."""
        # Said before looking, so that what comes in between is not missed.
        self.awaited = True
        events: list[Event] = []
        while self._events:
            events.append(self._events.popleft())
        return joined(events) if len(events) > 1 else events

    def _note(self, event: Event) -> None:
        """Keep what the answer will tell at its end."""
        match event:
            case Planned(report):
                self._report = report
            case Retrying(error):
                self._retried.append(error)
            case Warned(text):
                self._warnings.append(text)
            case Finished():
                self.answer = Answer(
                    event.message,
                    event.status,
                    event.usage,
                    event.finish,
                    event.model,
                    event.seconds,
                    event.first_seconds,
                    self._report,
                    tuple(self._retried),
                    tuple(self._warnings),
                    event.cache_loss,
                    event.steps,
                    event.value,
                )


def finished(mailbox: Mailbox) -> Answer:
    """The answer of a closed mailbox."""
    if mailbox.answer is None:
        raise RuntimeError("a turn ended without an answer and without an error")
    return mailbox.answer
