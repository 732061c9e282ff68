"""Starts work that belongs to nobody's ``async with``: on asyncio a task, on trio a system task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from threading import get_ident
from typing import Any

Post = Callable[[Callable[[], object]], None]

_running: set[asyncio.Task[Any]] = set()


def spawn(work: Callable[[], Awaitable[None]]) -> Post:
    """Run ``work`` in the running event loop, on its own. It must not raise, since nobody would hear it.

    Gives a function that runs another function in that loop, from whatever thread it is called.
    """
    home = get_ident()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        trio.lowlevel.spawn_system_task(work)
        post: Callable[[Callable[[], object]], object] = trio.lowlevel.current_trio_token().run_sync_soon
    else:
        task = loop.create_task(_awaited(work))
        # The loop itself keeps only a weak reference.
        _running.add(task)
        task.add_done_callback(_running.discard)
        post = loop.call_soon_threadsafe

    def run_there(function: Callable[[], object]) -> None:
        if get_ident() == home:
            function()
            return
        try:
            post(function)
        except RuntimeError:
            # The loop has ended, and with it all that ran there.
            return

    return run_there


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
