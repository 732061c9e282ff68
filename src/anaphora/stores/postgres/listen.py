"""Hears from Postgres that event logs have grown, so that whoever follows one need not look again and again."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable
from threading import Lock, Thread

import anyio
import psycopg

from anaphora.concurrency import poster
from anaphora.stores.postgres.connection import PostgresDatabase

CHANNEL = "anaphora_runs"
# Without a word from the database, so often is looked, in seconds.
POLL_SECONDS = 0.1
_LOG = logging.getLogger("anaphora")
_LISTEN_SECONDS = 5.0


def tell(database: PostgresDatabase, runs: set[str]) -> None:
    """Tells listeners that the logs of runs have grown, when the transaction ends."""
    for run in runs:
        database.execute("SELECT pg_notify(?, ?)", (CHANNEL, run))


class Listener:
    """One connection that listens, in a thread of its own. It begins with the first that waits."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._waiting: dict[str, list[Callable[[], None]]] = defaultdict(list)
        self._process = 0
        self._hears = False
        self._is_closed = False

    async def wait(self, run: str, seconds: float) -> None:
        """Waits until the log of a run may have grown, at most so many seconds."""
        self._begin()
        came, post = anyio.Event(), poster()

        def wake() -> None:
            post(came.set)

        with self._lock:
            self._waiting[run].append(wake)
        with anyio.move_on_after(seconds if self._hears else min(seconds, POLL_SECONDS)):
            await came.wait()
        with self._lock:
            left = [one for one in self._waiting.get(run, ()) if one is not wake]
            if left:
                self._waiting[run] = left
            else:
                self._waiting.pop(run, None)

    def close(self) -> None:
        """Ends the thread soon."""
        self._is_closed = True

    def _begin(self) -> None:
        with self._lock:
            if self._process != os.getpid():
                self._process, self._hears = os.getpid(), False
                Thread(target=self._listen, name="anaphora listener", daemon=True).start()

    def _listen(self) -> None:
        try:
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                self._hears = True
                while not self._is_closed:
                    for note in connection.notifies(timeout=_LISTEN_SECONDS):
                        self._wake(note.payload)
        except psycopg.Error as error:
            # As behind pgbouncer, or after a restart: those who follow look themselves.
            told = "the database tells nothing of new events (%s): they are looked for ten times a second"
            _LOG.warning(told, type(error).__name__)
        finally:
            self._hears = False
            with self._lock:
                self._process = 0

    def _wake(self, run: str) -> None:
        with self._lock:
            waiting = self._waiting.pop(run, [])
        for wake in waiting:
            wake()
