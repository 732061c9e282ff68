"""How long planning the next context takes, whatever the length of the conversation, against counting the whole list anew.

    python bench/context.py [--sizes 100 10000 100000] [--rounds 200] [--budget 8000]

The conversation is in a SQLite store. Reading it and planning are timed apart: ``plan`` is everything but the database, with
summaries, facts and recalled passages in it. What tutorials do, counting all messages with an estimate (characters / 4) and
dropping the oldest until they fit, is timed on the same messages in memory. Times are 95th percentiles in milliseconds. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from anaphora.context.aside_texts import preamble_text, tail_text
from anaphora.context.budget import Budget, Prompt
from anaphora.context.plan import plan
from anaphora.context.policy import Facts, Memory, Recall, Summary
from anaphora.context.summary import chain
from anaphora.context.window import FitContext, reach
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.memory import BlockSummary, Fact
from anaphora.values.message import text_message
from anaphora.values.report import Aside, Asides, Passage, Recalled
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Size

SCOPE = Scope("me", "long")
MEMORY = Memory(FitContext(), Summary(), Recall(), Facts())
SYSTEM = Prompt("You are a helpful assistant.", 10)
TEXT = "On day {number} I went past the garden and thought of the boat we spoke about; what would you have done there?"


async def fill(store: SQLiteStore, size: int) -> str:
    """A conversation of so many messages, with the summaries that it would have; gives the id of its last message."""
    entries: list[Entry] = []
    for number in range(size):
        message = text_message("assistant" if number % 2 else "user", TEXT.format(number=number))
        parent = entries[-1].id if entries else None
        entries.append(Entry(f"m{number}", parent, 0, message, "complete", Size(30), float(number)))
    last = entries[-2 if size % 2 == 0 else -1].id
    await store.restore("me", ConversationInfo(SCOPE.conversation, "long", last, None, 0.0, 0.0, size), entries)
    block = 200
    for end in range(block, size - block, block):
        if end > size - 6 * block:
            summary = BlockSummary(f"m{end - 1}", end - block, end, end, "They went past the garden. " * 10, Size(60))
            await store.save_summary(SCOPE, summary, window=0, forgotten=0)
    return last


def remembered(summaries: Sequence[BlockSummary]) -> Asides:
    """Twenty facts, these summaries, six passages."""
    facts = [Fact(f"f{number}", f"Has a boat called number {number}", "told", 0.0) for number in range(20)]
    passages = [Passage("c", "t", f"p{number}", "2026-01-01", "user", TEXT, "") for number in range(6)]
    before, beside = preamble_text(facts, summaries), tail_text((), passages, "long")
    asides = Aside(before, len(before) // 4), Aside(beside, len(beside) // 4)
    return Asides(tuple(facts), tuple(summaries), (), Recalled(passages=tuple(passages)), *asides)


def tutorial(messages: Sequence[dict[str, str]], budget: int) -> list[dict[str, str]]:
    """Count everything, drop the oldest until it fits."""
    kept = list(messages)
    while sum(len(message["content"]) // 4 + 4 for message in kept) > budget and len(kept) > 1:
        # By tens, which is kinder than one by one.
        del kept[: max(len(kept) // 10, 1)]
    return kept


async def measure(size: int, rounds: int, budget: int, folder: Path) -> dict[str, float]:
    """The three times at one length."""
    store = SQLiteStore(folder / f"{size}.db")
    last = await fill(store, size)
    room = Budget(budget, budget // 4, 100)
    most = reach(MEMORY.limits(room.prompt - SYSTEM.tokens))
    reads, plans = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        branch = await store.branch(SCOPE, last, reach=most)
        summaries = await store.summaries(SCOPE, last)
        reads.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        shown = chain(summaries, branch[0].before.messages)
        context = plan(branch, system=SYSTEM, memory=MEMORY, budget=room, asides=remembered(shown))
        plans.append(time.perf_counter() - begun)
    assert context.report.tokens <= room.prompt
    whole = [{"role": entry.role, "content": entry.text} for entry in await store.branch(SCOPE, last)]
    await store.aclose()
    counted = timed(lambda: tutorial(whole, room.prompt), max(rounds // 20, 5))
    return {"read": p95(reads), "plan": p95(plans), "tutorial": p95(counted)}


def timed(work: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each round."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return times


def p95(times: Sequence[float]) -> float:
    """In milliseconds."""
    return round(statistics.quantiles(times, n=20)[-1] * 1e3, 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000, 100_000], help="messages")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--budget", type=int, default=8_000, help="tokens of the model's window (default 8000)")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in arguments.sizes:
            found = asyncio.run(measure(size, arguments.rounds, arguments.budget, Path(folder)))
            print(
                f"{size:7} messages: read {found['read']} ms, plan {found['plan']} ms, counting all anew {found['tutorial']} ms"
            )
            figures |= {f"{name}_{size}_p95_ms": value for name, value in found.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
