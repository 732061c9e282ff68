"""Starts work that belongs to nobody's ``async with``: on asyncio a task, on trio a system task."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread

Post = Callable[[Callable[[], object]], None]

T = TypeVar("T")
# A browser has none.
HAS_THREADS = sys.platform != "emscripten"

_running: set[asyncio.Task[Any]] = set()


def spawn(work: Callable[[], Awaitable[None]]) -> Post:
    """Run ``work`` in the running event loop, on its own. It must not raise, since nobody would hear it.

    Gives a function that runs another function in that loop, from whatever thread it is called.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        trio.lowlevel.spawn_system_task(work)
    else:
        task = loop.create_task(_awaited(work))
        # The loop itself keeps only a weak reference.
        _running.add(task)
        task.add_done_callback(_running.discard)
    return poster()


def poster() -> Post:
    """A function that runs another function in the running event loop, from whatever thread it is called."""
    try:
        post: Callable[[Callable[[], object]], object] = asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio

        post = trio.lowlevel.current_trio_token().run_sync_soon

    def run_there(function: Callable[[], object]) -> None:
        try:
            post(function)
        except RuntimeError:
            # The loop has ended, and with it all that ran there.
            return

    return run_there


class Raised:
    """An error on its way from one thread to another, as a value: event loops give some errors a meaning of their own."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def caught(function: Callable[[], T]) -> T | Raised:
    """Calls a function and gives its result, or what it raised."""
    try:
        return function()
    except BaseException as error:  # noqa: BLE001 -- raised again where the result is awaited
        return Raised(error)


async def run_in_thread(function: Callable[..., T], *arguments: Any, abandon: bool = False) -> T:
    """Runs a function in a worker thread, or here where threads do not exist. ``abandon``: whoever is cancelled does not wait."""
    if not HAS_THREADS:
        return function(*arguments)
    result = await anyio.to_thread.run_sync(caught, partial(function, *arguments), abandon_on_cancel=abandon)
    if isinstance(result, Raised):
        raise result.error
    return result


async def alongside(background: Callable[[], Coroutine[Any, Any, None]], work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` while ``background`` runs, and end that with it. Raises what ``work`` raises, as it is."""
    failure: BaseException | None = None
    result: list[T] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(background)
        try:
            result.append(await work())
        except BaseException as error:
            if is_cancelled():
                raise
            # The group would wrap it.
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result[0]


def is_cancelled() -> bool:
    """Tells if the running task was asked to end. If not, an error of cancellation came from user code: a failure like others."""
    if anyio.current_effective_deadline() == -math.inf:
        return True
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


class Steps(Generic[T]):
    """Awaits a coroutine and measures its longest step, in seconds: the time for which it held up the event loop."""

    def __init__(self, work: Awaitable[T]) -> None:
        self.longest = 0.0
        self._work = work

    def __await__(self) -> Generator[Any, Any, T]:
        work = self._work.__await__()
        step: Callable[[], Any] = partial(next, work)
        while True:
            begun = time.monotonic()
            try:
                waits_for = step()
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                self.longest = max(self.longest, time.monotonic() - begun)
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: BLE001 -- the work decides what becomes of it
                step = partial(work.throw, error)
            else:
                step = partial(next, work) if value is None else partial(work.send, value)


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
