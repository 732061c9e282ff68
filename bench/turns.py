"""What a turn costs in our own CPU time, however long the conversation and however large the store.

    python bench/turns.py [--turns 10000] [--rounds 60] [--million]

Turns are said to a real bot with the default window and memory and the scripted provider; its encoding of the request is not
measured. One message in five asks for the past. ``memory_ratio`` and ``sqlite_ratio`` are the CPU of a turn after so many turns
against that of a turn after 100. ``raw_ratio`` is the CPU of a whole conversation of so many turns on SQLite against raw sqlite3
writing the same rows. With ``--million`` (some minutes): ``recall_ratio`` is a turn with recall in a store of a million messages
against one without, ``forget_ratio`` forgetting one message there against one of a thousand. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import runpy
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from anaphora import AsyncChatbot, InMemoryStore, ScriptedProvider
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.message import text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Size

STORE = runpy.run_path(str(Path(__file__).with_name("store.py")))
EARLY = 100
NAME = "long"
ASKS = 5


def question(texts: object, number: int) -> str:
    """A message: a story, and one in five asks for something told before."""
    words: str = texts.sentence(3, 5)  # type: ignore[attr-defined]
    return f"What did I say about {words}?" if number % ASKS == 0 else f"I thought of {words} today."


async def fill(store: SQLiteStore, turns: int) -> None:
    """A conversation of so many turns."""
    texts, entries = STORE["Texts"](), list[Entry]()
    for number in range(2 * turns):
        said = texts.sentence(10, 30) if number % 2 else question(texts, number // 2)
        message = text_message("assistant" if number % 2 else "user", said)
        parent = entries[-1].id if entries else None
        entries.append(Entry(f"m{number}", parent, 0, message, "complete", Size(40), float(number)))
    head = entries[-1].id if entries else None
    await store.restore("me", ConversationInfo(NAME, NAME, head, None, 0.0, 0.0, len(entries)), entries)


def bot_for(store: SQLiteStore, answers: int) -> AsyncChatbot:
    """A bot whose answers are ready."""
    texts = STORE["Texts"](seed=2)
    replies = [texts.sentence(10, 30) for _ in range(answers)]
    return AsyncChatbot(ScriptedProvider(*replies, context_window=8_192), store=store, owner="me")


async def turn_cpu(store: SQLiteStore, turns: int, rounds: int) -> float:
    """The CPU seconds of a turn after so many turns."""
    await fill(store, turns)
    async with bot_for(store, rounds + 10) as bot:
        conversation, texts = bot.conversation(NAME), STORE["Texts"](seed=3)
        for number in range(10):
            await conversation.say(question(texts, number))
        begun = time.process_time()
        for number in range(rounds):
            await conversation.say(question(texts, number))
        return (time.process_time() - begun) / rounds


async def whole_cpu(store: SQLiteStore, turns: int) -> float:
    """The CPU seconds of a conversation of so many turns."""
    async with bot_for(store, turns) as bot:
        conversation, texts = bot.conversation(NAME), STORE["Texts"](seed=3)
        begun = time.process_time()
        for number in range(turns):
            await conversation.say(question(texts, number))
        return time.process_time() - begun


def raw_cpu(path: Path, turns: int) -> float:
    """The CPU seconds of raw sqlite3 for the same rows: messages, index, conversation, lease, ledger and estimate."""
    texts = STORE["Texts"](seed=3)
    said = [(question(texts, number), texts.sentence(10, 30)) for number in range(turns)]
    insert, index, lease, end = (STORE[name] for name in ("INSERT", "INDEX", "LEASE", "END"))
    pending = "UPDATE messages SET status = 'interrupted' WHERE owner = 'me' AND conversation = 'bench' AND status = 'pending'"
    call = (
        "INSERT INTO calls (owner, conversation, model, purpose, created, input, cached, cache_write, output, thinking)"
        " VALUES ('me', 'bench', 'scripted', 'answer', ?, 100, 50, 0, 20, 0)"
    )
    usage = "UPDATE conversations SET usage = ? WHERE owner = 'me' AND id = 'bench'"
    estimate = "INSERT OR REPLACE INTO estimates VALUES ('me', 'scripted', ?, ?, 0.1)"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:

        def write(*statements: tuple[str, tuple[object, ...]], durable: bool) -> None:
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            database.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                database.execute(sql, values)
            database.execute("COMMIT")

        first = int(database.execute("SELECT coalesce(max(number), 0) FROM messages").fetchone()[0])
        head: str | None = None
        begun = time.process_time()
        for turn, (asked, answer) in enumerate(said):
            number, now = first + 2 * turn + 1, time.time()
            user, reply = f"u{turn}", f"a{turn}"
            row = (user, head, number, "user", STORE["json_text"](asked), "complete", now, 2 * turn, turn, 0, 1)
            first_write = ((insert, row), (index, (number, asked)), (lease, ("x", now, now)))
            write((pending, ()), *first_write, durable=True)
            row = (reply, user, number + 1, "assistant", STORE["json_text"](answer), "complete", now, 2 * turn + 1, turn, 0, 1)
            counted = ((call, (now,)), (usage, ('{"input_tokens": 5}',)))
            write((insert, row), (index, (number + 1, answer)), *counted, (end, (now, reply)), durable=True)
            write((estimate, (3.5, turn)), durable=False)
            head = reply
        return time.process_time() - begun


async def million(folder: Path) -> dict[str, float]:
    """The ratios of a store of a million messages."""
    figures: dict[str, float] = {}
    forgetting: list[float] = []
    for size in (1_000, 1_000_000):
        store = SQLiteStore(folder / f"{size}.db")
        await STORE["fill"](store, STORE["Texts"](), size, there=0)
        seconds = [await forgotten(store, f"m0_{place}") for place in range(100, 400, 30)]
        forgetting.append(statistics.median(seconds))
        if size == 1_000_000:
            async with bot_for(store, 200) as bot:
                texts = STORE["Texts"](seed=4)
                costs: dict[bool, list[float]] = {True: [], False: []}
                for number in range(60):
                    words = " ".join(texts.words[number + 100 : number + 104])
                    asks = number % 2 == 0
                    said = f"What did I say about {words}?" if asks else f"I thought of {words} today."
                    begun = time.process_time()
                    await bot.conversation(f"new {number}").say(said)
                    costs[asks].append(time.process_time() - begun)
            figures["recall_ratio"] = round(statistics.median(costs[True]) / statistics.median(costs[False]), 2)
        await store.aclose()
    figures["forget_ms"] = round(forgetting[1] * 1e3, 2)
    figures["forget_ratio"] = round(forgetting[1] / forgetting[0], 2)
    return figures


async def forgotten(store: SQLiteStore, message: str) -> float:
    """The seconds that forgetting one message takes."""
    begun = time.perf_counter()
    await store.forget(Scope("me", "c0"), message)
    return time.perf_counter() - begun


async def measure(turns: int, rounds: int, folder: Path) -> dict[str, float]:
    """The figures of turns."""
    figures: dict[str, float] = {}
    for kind in ("memory", "sqlite"):
        costs = {}
        for length in (EARLY, turns):
            store = InMemoryStore() if kind == "memory" else SQLiteStore(folder / f"{length}.db")
            costs[length] = await turn_cpu(store, length, rounds)
            figures[f"{kind}_{length}_ms"] = round(costs[length] * 1e3, 2)
            await store.aclose()
        figures[f"{kind}_ratio"] = round(costs[turns] / costs[EARLY], 2)
    path = folder / "whole.db"
    store = SQLiteStore(path)
    ours = await whole_cpu(store, turns)
    await STORE["turns"](store, STORE["Texts"](), 1)
    await store.aclose()
    raw = raw_cpu(path, turns)
    return {
        **figures,
        "turn_ms": round(ours / turns * 1e3, 3),
        "raw_ms": round(raw / turns * 1e3, 3),
        "raw_ratio": round(ours / raw, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=60, help="turns that are timed")
    parser.add_argument("--million", action="store_true", help="a store of a million messages too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(arguments.turns, arguments.rounds, Path(folder)))
        if arguments.million:
            figures |= asyncio.run(million(Path(folder)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
