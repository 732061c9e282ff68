"""An answer in flight, for asynchronous code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self

import anyio

from anaphora.turn.events import END, EventReader
from anaphora.turn.turn import Turn
from anaphora.values.answer import Answer
from anaphora.values.events import Event, Refused, TextDelta

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=None)
else:
    from typing import TypeVar

    T = TypeVar("T")


class _Bell:
    """Wakes a reader. The event log holds this and not the reply, so that a reply that nobody reads any more is noticed."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self) -> None:
        rung = self._rung
        await rung.wait()
        if self._rung is rung:
            self._rung = anyio.Event()


class AsyncReply(Generic[T]):
    """An answer in flight. Iterate it for the text as it comes, or its ``events``; ``await reply.answer()`` for the whole.

    Leaving early (``break``, an exception, ``aclose``) stops the provider and keeps what came. ``async with`` is optional; it
    waits until that is stored. A reply that nobody reads is stopped when it is collected.
    """

    def __init__(self, turn: Turn, *, is_text: bool = False) -> None:
        self.turn = turn
        self._is_text = is_text
        self._bell = _Bell()
        self._reader = EventReader(turn.events, self._bell.ring)

    @property
    def events(self) -> AsyncEvents:
        """Everything that happens: the plan, text, thinking, tool calls and their results, retries, the end."""
        return AsyncEvents(self)

    @property
    def text(self) -> AsyncTexts:
        """The text as it comes."""
        return AsyncTexts(self)

    @property
    def values(self) -> AsyncValues:
        """The JSON value that the text so far stands for, each time it has grown: for an answer with an ``output_type``."""
        return AsyncValues(self)

    def __aiter__(self) -> AsyncTexts:
        return self.text

    async def answer(self) -> Answer[T]:
        """Reads to the end and gives the whole answer. Raises the error that ended it. Giving up waiting stops it."""
        try:
            while await self.next() is not None:
                pass
        except anyio.get_cancelled_exc_class():
            await self.aclose()
            raise
        return self.whole()

    def whole(self) -> Answer[T]:
        """Gives the answer of a turn that has ended."""
        answer = self.turn.events.answer
        if answer is None:
            raise RuntimeError("a turn ended without an answer and without an error")
        return replace(answer, value=answer.text) if self._is_text else answer

    async def next(self) -> Event | None:
        """Gives the next event; None after the last. Raises the error that ended the answer."""
        while (event := self._reader.next()) is None:
            await self._bell.wait()
        return None if event is END else event

    async def aclose(self) -> None:
        """Stops the answer if it still runs, and waits until what came is stored."""
        self.turn.stop()
        with anyio.CancelScope(shield=True):
            await self.turn.done.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if hasattr(self, "_reader") and not self.turn.events.closed:
            self.turn.stop()


class AsyncEvents(AsyncIterator[Event]):
    """All events of a reply."""

    def __init__(self, reply: AsyncReply[Any]) -> None:
        self._reply = reply

    async def __anext__(self) -> Event:
        event = await self._reply.next()
        if event is None:
            raise StopAsyncIteration
        return event


class AsyncTexts(AsyncIterator[str]):
    """The text of a reply."""

    def __init__(self, reply: AsyncReply[Any]) -> None:
        self._reply = reply

    async def __anext__(self) -> str:
        while (event := await self._reply.next()) is not None:
            if isinstance(event, TextDelta | Refused):
                return event.text
        raise StopAsyncIteration


class AsyncValues(AsyncIterator[Any]):
    """The values of a reply as they grow."""

    def __init__(self, reply: AsyncReply[Any]) -> None:
        self._texts = AsyncTexts(reply)
        self._text = ""
        self._last: Any = None

    async def __anext__(self) -> Any:
        from anaphora.schema.partial import partial_json

        while True:
            self._text += await self._texts.__anext__()
            value = partial_json(self._text)
            if value is not None and value != self._last:
                self._last = value
                return value
