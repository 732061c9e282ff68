"""The threads that do a store's work: each one job after the other, to its end even if the caller is cancelled."""

from __future__ import annotations

import asyncio
import os
import sys
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeVar

import anyio

from anaphora.concurrency import poster

T = TypeVar("T")

_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
_HAS_THREADS = sys.platform != "emscripten"


class Worker:
    """Begins its threads when first needed. For any number of event loops and threads; a forked child gets threads of its own."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._lock = Lock()
        self._jobs: SimpleQueue[Callable[[], None] | None] | None = None
        self._process = 0
        _workers.add(self)

    async def run(self, work: Callable[[], T]) -> T:
        """Runs the work in the thread and gives its result. Where threads do not exist it runs at once."""
        if not _HAS_THREADS:
            return work()
        done = anyio.Event()
        post = poster()
        results: list[T] = []
        errors: list[BaseException] = []

        def job() -> None:
            try:
                results.append(work())
            except BaseException as error:  # noqa: BLE001 -- raised for whoever asked
                errors.append(error)
            post(done.set)

        self._queue().put(job)
        cancelled = await _waited(done)
        if errors:
            raise errors[0]
        if cancelled:
            # Whoever asked gets what was done (a lease, for example) and is cancelled at the next step.
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
                task.cancel()
        return results[0]

    def end(self) -> None:
        """Let the thread go when it has done what was asked so far."""
        with self._lock:
            jobs, self._jobs = self._jobs, None
        if jobs is not None and self._process == os.getpid():
            _end(jobs, self._threads)

    def _queue(self) -> SimpleQueue[Callable[[], None] | None]:
        with self._lock:
            if self._jobs is None or self._process != os.getpid():
                self._jobs = SimpleQueue()
                self._process = os.getpid()
                # Nobody need close a store: the thread goes with it.
                weakref.finalize(self, _end, self._jobs, self._threads)
                for _ in range(self._threads):
                    Thread(target=_work, args=(self._jobs,), name="anaphora store", daemon=True).start()
            return self._jobs

    def after_fork(self) -> None:
        """In a child: the thread, and whoever held the lock, are not here."""
        self._lock = Lock()


async def _waited(done: anyio.Event) -> bool:
    """Wait whatever happens; tells whether asyncio's own cancel came, which no shield keeps off."""
    cancelled = False
    with anyio.CancelScope(shield=True):
        while not done.is_set():
            try:
                await done.wait()
            except asyncio.CancelledError:
                cancelled = True
    return cancelled


def _after_fork() -> None:
    for worker in _workers:
        worker.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _end(jobs: SimpleQueue[Callable[[], None] | None], threads: int) -> None:
    for _ in range(threads):
        jobs.put(None)


def _work(jobs: SimpleQueue[Callable[[], None] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        # It knows its store, which is not to be held while this waits.
        del job
