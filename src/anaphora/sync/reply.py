"""An answer in flight, without await: its turn runs whole in the event loop, and its events come through a queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from anaphora.chat.saying import Starter
from anaphora.sync.portal import door
from anaphora.turn.mailbox import Answer, Mailbox, finished
from anaphora.turn.turn import Turn
from anaphora.values.events import Event, Refused, TextDelta


class Reply:
    """An answer in flight. Iterate it for the text as it comes, or its ``events``; ``reply.answer()`` gives the whole.

    Leaving early (``break``, an exception, Ctrl-C) stops the provider and keeps what came. ``with`` is optional.
    """

    def __init__(self, starter: Starter) -> None:
        # Called when there is nothing to read yet; tells after how many seconds it wants to be called again, or None.
        self.on_wait: Callable[[], float | None] = lambda: None
        self._ready: SimpleQueue[None] = SimpleQueue()
        # The turn must not hold the reply, so that one nobody reads any more is noticed.
        self._mailbox = Mailbox(partial(self._ready.put, None))
        self._batch: deque[Event] = deque()
        self._turn: Turn = door.call(partial(_begun, starter, self._mailbox))

    @property
    def events(self) -> Iterator[Event]:
        """Everything that happens: the plan, text, thinking, tool calls, retries, the end."""
        return _Events(self)

    @property
    def text(self) -> Iterator[str]:
        """The text as it comes."""
        return _Texts(self)

    def __iter__(self) -> Iterator[str]:
        return self.text

    def answer(self) -> Answer:
        """Read to the end and give the whole. Raises what ended it."""
        while self._next() is not None:
            pass
        return finished(self._mailbox)

    def close(self) -> None:
        """Stop the answer if it still runs, and wait until what came is stored."""
        self._turn.stop()
        while not self._mailbox.closed and not door.is_here():
            self._wait()

    def _next(self) -> Event | None:
        try:
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
                self._wait(self.on_wait())
            return self._batch.popleft()
        except (KeyboardInterrupt, SystemExit):
            self.close()
            raise

    def _wait(self, seconds: float | None = None) -> None:
        with suppress(Empty):
            self._ready.get(timeout=seconds)
        if self._mailbox.closed:
            # For whoever else waits.
            self._ready.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_turn") and not self._mailbox.closed:
            self.close()


async def _begun(starter: Starter, mailbox: Mailbox) -> Turn:
    return starter(mailbox)


class _Events(Iterator[Event]):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __next__(self) -> Event:
        event = self._reply._next()  # noqa: SLF001 -- one class in two halves
        if event is None:
            raise StopIteration
        return event


class _Texts(Iterator[str]):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __next__(self) -> str:
        while (event := self._reply._next()) is not None:  # noqa: SLF001 -- one class in two halves
            if isinstance(event, TextDelta | Refused):
                return event.text
        raise StopIteration
