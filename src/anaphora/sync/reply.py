"""An answer in flight, without await: its turn runs in the event loop's thread, and this thread reads its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self

from anaphora.chat.reply import AsyncReply
from anaphora.sync.portal import portal
from anaphora.turn.events import END, EventReader
from anaphora.values.answer import Answer
from anaphora.values.events import Event, Refused, TextDelta

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=None)
else:
    from typing import TypeVar

    T = TypeVar("T")


class Reply(Generic[T]):
    """An answer in flight. Iterate it for the text as it comes, or its ``events``; ``reply.answer()`` gives the whole.

    Leaving early (``break``, an exception, Ctrl-C, ``close``) stops the provider and keeps what came. ``with`` is optional. A
    reply that nobody reads is stopped when it is collected.
    """

    def __init__(self, inner: AsyncReply[T]) -> None:
        self._on_wait: Callable[[], float | None] = lambda: None
        self._inner = inner
        self._ready: SimpleQueue[None] = SimpleQueue()
        # The log must not hold the reply, so that one that nobody reads is noticed.
        self._reader = EventReader(inner.turn.events, partial(self._ready.put, None))

    @property
    def events(self) -> Iterator[Event]:
        """Everything that happens: the plan, text, thinking, tool calls and their results, retries, the end."""
        return _Events(self)

    @property
    def text(self) -> Iterator[str]:
        """The text as it comes."""
        return _Texts(self)

    @property
    def values(self) -> Iterator[Any]:
        """The JSON value that the text so far stands for, each time it has grown: for an answer with an ``output_type``."""
        return _Values(self)

    def __iter__(self) -> Iterator[str]:
        return self.text

    def on_wait(self, look: Callable[[], float | None]) -> None:
        """Sets a function that is called while there is nothing to read.

        It gives the seconds after which it is called again; None is at the next event.
        """
        self._on_wait = look

    def answer(self) -> Answer[T]:
        """Reads to the end and gives the whole answer. Raises the error that ended it."""
        while self.next() is not None:
            pass
        return self._inner.whole()

    def next(self) -> Event | None:
        """Gives the next event; None after the last. Raises the error that ended the answer."""
        try:
            while (event := self._reader.next()) is None:
                self._wait(self._on_wait())
        except (KeyboardInterrupt, SystemExit):
            self.close()
            raise
        return None if event is END else event

    def close(self) -> None:
        """Stops the answer if it still runs, and waits until what came is stored."""
        turn = self._inner.turn
        turn.stop()
        if not turn.events.closed and not portal.is_here():
            portal.call(turn.done.wait)

    def _wait(self, seconds: float | None = None) -> None:
        with suppress(Empty):
            self._ready.get(timeout=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_reader") and not self._inner.turn.events.closed:
            self.close()


class _Events(Iterator[Event]):
    def __init__(self, reply: Reply[Any]) -> None:
        self._reply = reply

    def __next__(self) -> Event:
        event = self._reply.next()
        if event is None:
            raise StopIteration
        return event


class _Texts(Iterator[str]):
    def __init__(self, reply: Reply[Any]) -> None:
        self._reply = reply

    def __next__(self) -> str:
        while (event := self._reply.next()) is not None:
            if isinstance(event, TextDelta | Refused):
                return event.text
        raise StopIteration


class _Values(Iterator[Any]):
    def __init__(self, reply: Reply[Any]) -> None:
        self._texts = _Texts(reply)
        self._text = ""
        self._last: Any = None

    def __next__(self) -> Any:
        from anaphora.schema.partial import partial_json

        while True:
            self._text += next(self._texts)
            value = partial_json(self._text)
            if value is not None and value != self._last:
                self._last = value
                return value
