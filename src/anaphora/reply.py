"""An answer in flight: the mailbox between the turn and its reader, and the asynchronous door to it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import anyio

from anaphora.context.report import Report
from anaphora.errors import ProviderError, StoreError
from anaphora.events import Event, Finished, Planned, Refused, Retrying, TextDelta, Warned, joined
from anaphora.message import Finish, Message, Status, Usage


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


class _Bell:
    """Wakes a reader. The turn holds this and not the reply, so that a reply nobody reads any more is noticed."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self) -> None:
        rung = self._rung
        await rung.wait()
        if self._rung is rung:
            self._rung = anyio.Event()


class AsyncReply:
    """An answer in flight. Iterate it for the text as it comes, or its ``events``; ``await reply.answer()`` for the whole.

    Leaving early (``break``, an exception, ``aclose``) stops the provider and keeps what came. ``async with`` is
    optional; it waits until that is stored.
    """

    def __init__(self, start: Callable[[Mailbox], Turn]) -> None:
        self._bell = _Bell()
        self._mailbox = Mailbox(self._bell.ring)
        self._turn = start(self._mailbox)
        self._batch: deque[Event] = deque()

    @property
    def events(self) -> AsyncEvents:
        """Everything that happens: the plan, text, thinking, tool calls and their results, retries, the end."""
        return AsyncEvents(self)

    @property
    def text(self) -> AsyncTexts:
        """The text as it comes."""
        return AsyncTexts(self)

    def __aiter__(self) -> AsyncTexts:
        return self.text

    async def answer(self) -> Answer:
        """Read to the end and give the whole. Raises what ended it; giving up waiting stops it."""
        try:
            while await self._next() is not None:
                pass
        except anyio.get_cancelled_exc_class():
            await self.aclose()
            raise
        return finished(self._mailbox)

    async def aclose(self) -> None:
        """Stop the answer if it still runs, and wait until what came is stored."""
        self._turn.stop()
        with anyio.CancelScope(shield=True):
            while not self._mailbox.closed:
                await self._bell.wait()

    async def _next(self) -> Event | None:
        """The next event; None after the last. Raises what ended the answer."""
        while not self._batch:
            # Asked before looking: what is put between the two is not lost.
            closed = self._mailbox.closed
            self._batch.extend(self._mailbox.take())
            if self._batch:
                break
            if closed:
                if self._mailbox.error is not None:
                    raise self._mailbox.error
                return None
            await self._bell.wait()
        return self._batch.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if hasattr(self, "_turn") and not self._mailbox.closed:
            self._turn.stop()


class AsyncEvents(AsyncIterator[Event]):
    """All events of a reply."""

    def __init__(self, reply: AsyncReply) -> None:
        self._reply = reply

    async def __anext__(self) -> Event:
        event = await self._reply._next()  # noqa: SLF001 -- one class in two halves
        if event is None:
            raise StopAsyncIteration
        return event


class AsyncTexts(AsyncIterator[str]):
    """The text of a reply."""

    def __init__(self, reply: AsyncReply) -> None:
        self._reply = reply

    async def __anext__(self) -> str:
        while (event := await self._reply._next()) is not None:  # noqa: SLF001 -- one class in two halves
            if isinstance(event, TextDelta | Refused):
                return event.text
        raise StopAsyncIteration


def finished(mailbox: Mailbox) -> Answer:
    """The answer of a closed mailbox."""
    if mailbox.answer is None:
        raise RuntimeError("a turn ended without an answer and without an error")
    return mailbox.answer
