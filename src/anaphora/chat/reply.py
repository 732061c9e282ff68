"""An answer in flight: the mailbox between the turn and its reader, and the asynchronous door to it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

import anyio

from anaphora.turn.mailbox import Answer, Mailbox, Turn, finished
from anaphora.values.events import Event, Refused, TextDelta


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
