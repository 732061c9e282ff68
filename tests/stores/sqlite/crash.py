"""Kills a chat with SIGKILL at every write of its store and at random moments, and looks at what is left each time.

usage: python crash.py FOLDER RANDOM_KILLS      prints one JSON object: how many were killed, and what was wrong

Every process is forked from one that has imported everything and has no threads. A log beside the database holds what
was acknowledged: it is written after the store said that the user's words are safe.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import anyio

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.providers.scripted import Delay, ScriptedReply
from anaphora.stores.records import Begun, Draft
from anaphora.stores.run_records import NewRun
from anaphora.stores.sqlite.connection import SQLiteDatabase
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.turn.timing import Timing
from anaphora.values.events import TextDelta
from anaphora.values.scope import Scope

T = TypeVar("T")
TURNS = 2
ANSWER: ScriptedReply = [*(step for _ in range(4) for step in (TextDelta("words "), Delay(0.006))), TextDelta("end")]


class DyingStore(SQLiteStore):
    """Dies at its n-th write, before it or after it."""

    def __init__(self, path: Path, log: Path, *, at: int, after: bool) -> None:
        super().__init__(path)
        self._log = log
        self._left = at
        self._after = after

    def _transaction(self, work: Callable[[SQLiteDatabase], T], database: SQLiteDatabase, *, durable: bool) -> T:
        self._left -= 1
        dies = self._left == 0
        if dies and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = super()._transaction(work, database, durable=durable)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    async def begin(self, scope: Scope, draft: Draft | None, /, *, seconds: float, run: NewRun | None = None) -> Begun:
        begun = await super().begin(scope, draft, seconds=seconds, run=run)
        if begun.entry is not None:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(begun.entry.id + "\n")
                log.flush()
                os.fsync(log.fileno())
        return begun


async def chat(store: SQLiteStore, turns: int) -> None:
    steps: list[ScriptedReply] = [ANSWER for _ in range(turns)]
    async with AsyncChatbot(ScriptedProvider(*steps), store=store, timing=Timing(flush=0.005)) as bot:
        for number in range(turns):
            await bot.conversation("c").say(f"question {number}")


async def look(path: Path, log: Path) -> str:
    """What is wrong with what was left; empty if nothing is."""
    acknowledged = set(log.read_text(encoding="utf-8").split()) if log.exists() else set()
    await chat(SQLiteStore(path), 1)
    with closing(sqlite3.connect(path)) as database:
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            return "the database is damaged"
        rows = database.execute('SELECT id, role, status, "order", parts FROM messages ORDER BY number').fetchall()
    if acknowledged - {row[0] for row in rows if row[1] == "user"}:
        return "an acknowledged message is lost"
    if [row[3] for row in rows] != list(range(1, len(rows) + 1)):
        return "the order has a gap"
    if any(row[2] == "pending" for row in rows):
        return "a message stayed pending"
    if any("end" not in row[4] for row in rows if row[1] == "assistant" and row[2] == "complete"):
        return "half an answer is called complete"
    return ""


def forked(work: Callable[[], None]) -> int:
    """Run work in a child; gives its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def killed(folder: Path, number: int, *, at: int = 0, after: bool = False, seconds: float | None = None) -> tuple[bool, str]:
    """One kill: whether it came before the end, and what is wrong then."""
    path, log, verdict = (folder / f"{number}.{end}" for end in ("db", "log", "verdict"))
    child = forked(lambda: anyio.run(chat, DyingStore(path, log, at=at, after=after), TURNS))
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    hit = os.WIFSIGNALED(os.waitpid(child, 0)[1])

    def check() -> None:
        verdict.write_text(anyio.run(look, path, log), encoding="utf-8")

    checker = forked(check)
    if os.waitpid(checker, 0)[1] != 0:
        return hit, "the next turn failed"
    return hit, verdict.read_text(encoding="utf-8")


def main() -> None:
    folder, random_kills = Path(sys.argv[1]), int(sys.argv[2])
    count, wrong = 0, []
    for after in (False, True):
        at = 0
        hit = True
        while hit:
            at += 1
            hit, problem = killed(folder, count, at=at, after=after)
            count += hit
            wrong += [f"write {at}, {'after' if after else 'before'}: {problem}"] if problem else []
    writes = count
    for _ in range(random_kills):
        seconds = random.uniform(0, 0.12)
        hit, problem = killed(folder, count, seconds=seconds)
        count += hit
        wrong += [f"after {seconds:.3f} s: {problem}"] if problem else []
    sys.stdout.write(json.dumps({"killed_at_writes": writes, "killed": count, "wrong": wrong}))


if __name__ == "__main__":
    main()
