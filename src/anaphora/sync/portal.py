"""The way from synchronous code to an event loop in a thread of its own."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from threading import Lock, Thread, get_ident
from typing import Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from anaphora.concurrency import Raised, is_cancelled

T = TypeVar("T")


class Portal:
    """The one event loop that all synchronous chatbots of a process share; begun when first needed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process = 0
        self._portal: BlockingPortal | None = None
        self._thread = 0
        self._running: Thread | None = None

    def call(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine function there and wait; Ctrl-C while waiting cancels it there."""
        future: Future[T | Raised] = self._open().start_task_soon(_caught, function)
        try:
            result = future.result()
        except BaseException:
            future.cancel()
            raise
        if isinstance(result, Raised):
            raise result.error
        return result

    def is_here(self) -> bool:
        """True in the loop's own thread, where waiting for the loop would never end."""
        return get_ident() == self._thread

    def _is_alive(self) -> bool:
        return self._running is not None and self._running.is_alive()

    def _open(self) -> BlockingPortal:
        with self._lock:
            # A forked child has the parent's objects but not its threads.
            if self._portal is None or self._process != os.getpid() or not self._is_alive():
                started: Future[BlockingPortal] = Future()
                thread = Thread(target=anyio.run, args=(_serve, started), name="anaphora", daemon=True)
                thread.start()
                self._portal = started.result()
                self._process = os.getpid()
                self._thread = thread.ident or 0
                self._running = thread
                atexit.register(_close, os.getpid(), thread, self._portal)
            return self._portal


async def _caught(function: Callable[[], Coroutine[Any, Any, T]]) -> T | Raised:
    try:
        return await function()
    except BaseException as error:
        if is_cancelled():
            raise
        return Raised(error)


async def _serve(started: Future[BlockingPortal]) -> None:
    async with BlockingPortal() as portal:
        started.set_result(portal)
        await portal.sleep_until_stopped()


def _close(process: int, thread: Thread, loop: BlockingPortal) -> None:
    """Cancels what runs at the end of the program, which keeps what came. A forked child leaves its parent's portal alone."""
    if process == os.getpid() and thread.is_alive():
        loop.call(partial(loop.stop, cancel_remaining=True))
        thread.join()


portal = Portal()
