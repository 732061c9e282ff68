"""What the store costs: durable turns and reads against raw sqlite3 doing the same, and search in large histories.

    python bench/store.py [--turns 300] [--rounds 3] [--sizes 10000 100000 1000000] [--searches 300] [--folder FOLDER]

A turn is what a chat writes for an answer that comes within half a second: the lease with the user's message (on the disk
before anything else), and the whole answer with the end of the lease. The raw program writes the same rows into the same tables
with the same durability. The full-text index is written after the turn, by neither. The texts are
made of English words and, more rarely, made-up ones, as unevenly spread as in a language. Databases go into FOLDER and
are removed. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from anaphora.stores.records import Draft, Query
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.message import text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Extent, Size

HERE = Scope("me", "bench")
NEWEST = 50


def _english() -> list[str]:
    """Gives the words of our own documentation, the most frequent first."""
    pages = Path(__file__).parent.parent.rglob("*.md")
    words = Counter(word for page in sorted(pages) for word in re.findall(r"[a-z]+", page.read_text(encoding="utf-8").lower()))
    return [word for word, _ in words.most_common(4_000)]


class Texts:
    """Sentences of English words and, more rarely, made-up ones, the n-th about as frequent as 1/n."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        syllables = [consonant + vowel for consonant in "bcdfghklmnprstvwz" for vowel in "aeiou"]
        made_up = ["".join(self._random.choices(syllables, k=self._random.randint(1, 4))) for _ in range(46_000)]
        self.words = [*_english(), *made_up]
        self._weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(self.words))))

    def sentence(self, least: int, most: int) -> str:
        """So many words."""
        return " ".join(self._random.choices(self.words, cum_weights=self._weights, k=self._random.randint(least, most)))


async def turns(store: SQLiteStore, texts: Texts, count: int) -> float:
    """Seconds for so many turns as a chat writes them."""
    said = [(texts.sentence(5, 20), texts.sentence(20, 80)) for _ in range(count)]
    begun = time.perf_counter()
    for question, answer in said:
        first = Draft(None, text_message("user", question), size=Size(20), at_head=True)
        turn = await store.begin(HERE, first, seconds=30.0)
        parent = turn.entry.id if turn.entry else None
        whole = text_message("assistant", answer)
        await store.append(HERE, Draft(parent, whole, "complete", Size(80), head=True, release=turn.lease))
    return time.perf_counter() - begun


INSERT = (
    'INSERT INTO messages (owner, conversation, id, parent, "order", role, parts, status, tokens, counter, created, model,'
    " before_messages, before_turns, before_tokens, indexed, line)"
    " VALUES ('me', 'bench', ?, ?, ?, ?, ?, ?, 20, '', ?, '', ?, ?, ?, ?, 1)"
)
INDEX = "INSERT INTO terms (rowid, text) VALUES (?, ?)"
LEASE = (
    "UPDATE conversations SET holder = ?, expires = ?, updated = ?, messages = messages + 1 WHERE owner = 'me' AND id = 'bench'"
)
END = "UPDATE conversations SET holder = NULL, updated = ?, messages = messages + 1, head = ? WHERE owner = 'me' AND id = 'bench'"


def raw_turns(path: Path, texts: Texts, count: int) -> float:
    """The same writes into the same tables by sqlite3 alone."""
    said = [(texts.sentence(5, 20), texts.sentence(20, 80)) for _ in range(count)]
    with closing(sqlite3.connect(path, isolation_level=None)) as database:

        def write(*statements: tuple[str, tuple[object, ...]], durable: bool) -> None:
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            database.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                database.execute(sql, values)
            database.execute("COMMIT")

        first = int(database.execute("SELECT coalesce(max(number), 0) FROM messages").fetchone()[0])
        head: str | None = None
        begun = time.perf_counter()
        for turn, (question, answer) in enumerate(said):
            number, now = first + 2 * turn + 1, time.time()
            user, reply = f"u{turn}", f"a{turn}"
            row = (user, head, number, "user", json_text(question), "complete", now, 2 * turn, turn, 0, 0)
            write((INSERT, row), (LEASE, (f"h{turn}", now + 30, now)), durable=True)
            row = (reply, user, number + 1, "assistant", json_text(answer), "complete", now, 2 * turn + 1, turn, 0, 0)
            write((INSERT, row), (END, (now, reply)), durable=True)
            head = reply
        return time.perf_counter() - begun


def json_text(text: str) -> str:
    """A message's parts as they are stored."""
    return json.dumps([{"type": "text", "text": text}])


async def read_seconds(store: SQLiteStore, repeats: int) -> float:
    """Seconds per read of the newest messages, as a turn reads them."""
    head = (await store.transcript(HERE))[-1].id
    begun = time.perf_counter()
    for _ in range(repeats):
        branch = await store.branch(HERE, head, reach=Extent(NEWEST - 1, NEWEST, 1 << 30))
    assert NEWEST <= len(branch) <= NEWEST + 1
    return (time.perf_counter() - begun) / repeats


def raw_read_seconds(path: Path, repeats: int) -> float:
    """The same rows by sqlite3 alone, their JSON parsed."""
    columns = (
        'id, parent, "order", role, parts, status, tokens, counter, created, usage, model, key,'
        " before_messages, before_turns, before_tokens"
    )
    newest = (
        f"SELECT {columns} FROM messages WHERE owner = 'me' AND conversation = 'bench' ORDER BY \"order\" DESC LIMIT {NEWEST}"
    )
    with closing(sqlite3.connect(path)) as database:
        begun = time.perf_counter()
        for _ in range(repeats):
            messages = [(*row[:4], json.loads(row[4]), *row[5:]) for row in database.execute(newest)]
        assert len(messages) == NEWEST
        return (time.perf_counter() - begun) / repeats


async def fill(store: SQLiteStore, texts: Texts, size: int, *, there: int) -> None:
    """Bring the store to so many messages, a thousand to a conversation."""
    for number in range(there // 1_000, size // 1_000):
        entries: list[Entry] = []
        for place in range(1_000):
            message = text_message("assistant" if place % 2 else "user", texts.sentence(5, 60))
            parent = entries[-1].id if entries else None
            entries.append(Entry(f"m{number}_{place}", parent, 0, message, "complete", Size(60), number + place / 1_000))
        await store.restore("me", ConversationInfo(f"c{number}", f"c{number}", entries[-1].id, None, 0.0, number, 1_000), entries)


async def searched(store: SQLiteStore, queries: list[str]) -> tuple[float, float, int]:
    """Median and 95th percentile of the seconds a search takes, and how many found something."""
    seconds: list[float] = []
    hits = 0
    for query in queries:
        begun = time.perf_counter()
        hits += bool(await store.search("me", Query(query)))
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1], hits


def queries_of(texts: Texts, count: int) -> Iterator[str]:
    """One to three words, as they are spoken: frequent ones more often."""
    for _ in range(count):
        yield texts.sentence(1, 3)


async def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """All figures."""
    texts = Texts()
    ours: list[float] = []
    raw: list[float] = []
    # By turns, so that a busy moment of the machine hits both.
    for number in range(arguments.rounds):
        store = SQLiteStore(folder / f"ours{number}.db")
        ours.append(await turns(store, texts, arguments.turns))
        empty = SQLiteStore(folder / f"raw{number}.db")
        await empty.append(HERE, Draft(None, text_message("user", "first")))
        await empty.aclose()
        raw.append(raw_turns(empty.path, texts, arguments.turns))
    turn, raw_turn = statistics.median(ours), statistics.median(raw)
    read = await read_seconds(store, 500)
    raw_read = raw_read_seconds(store.path, 500)
    await store.aclose()
    figures = {
        "turns_per_second": round(arguments.turns / turn),
        "raw_turns_per_second": round(arguments.turns / raw_turn),
        "turn_by_raw": round(turn / raw_turn, 2),
        "read_us": round(read * 1e6),
        "raw_read_us": round(raw_read * 1e6),
        "read_by_raw": round(read / raw_read, 2),
    }
    print(f"durable turns: {figures['turns_per_second']}/s, raw sqlite3 {figures['raw_turns_per_second']}/s")
    print(f"reading the newest {NEWEST}: {figures['read_us']} µs, raw sqlite3 {figures['raw_read_us']} µs")
    return {**figures, **await search_figures(arguments, folder, texts)}


async def search_figures(arguments: argparse.Namespace, folder: Path, texts: Texts) -> dict[str, float]:
    """Search at each size, in a store that grows."""
    store = SQLiteStore(folder / "search.db")
    figures: dict[str, float] = {}
    there = 0
    for size in sorted(arguments.sizes):
        await fill(store, texts, size, there=there)
        while not await store.index(10_000):
            pass
        there = size
        median, high, hits = await searched(store, list(queries_of(texts, arguments.searches)))
        figures |= {f"search_{size}_p50_ms": round(median * 1e3, 2), f"search_{size}_p95_ms": round(high * 1e3, 2)}
        found = f"{hits} of {arguments.searches} found something"
        print(f"search in {size:9,} messages: p50 {median * 1e3:.2f} ms, p95 {high * 1e3:.2f} ms, {found}")
    await store.aclose()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--folder", help="where the databases are made; they are removed in the end")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = asyncio.run(measure(arguments, Path(folder)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
