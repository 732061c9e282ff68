"""Starts work that belongs to nobody's ``async with``: on asyncio a task, on trio a system task."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

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


async def run_in_thread(function: Callable[..., T], *arguments: Any, abandon: bool = False) -> T:
    """Runs a function in a worker thread, or here where threads do not exist. ``abandon``: whoever is cancelled does not wait."""
    if not HAS_THREADS:
        return function(*arguments)
    return await anyio.to_thread.run_sync(partial(function, *arguments), abandon_on_cancel=abandon)


async def alongside(background: Callable[[], Coroutine[Any, Any, None]], work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` while ``background`` runs, and end that with it. Raises what ``work`` raises, as it is."""
    failure: Exception | None = None
    result: list[T] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(background)
        try:
            result.append(await work())
        except Exception as error:  # noqa: BLE001 -- the group would wrap it
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return result[0]


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
