"""Does the memory find what was said? Evidence recall on long dialogues of many sessions, in LoCoMo's format.

    python bench/recall.py DIALOGUES.json [--embedder MODEL] [--no-hybrid] [--million] [--store URL]
    python bench/recall.py --documents docs --questions bench/document_questions.json

A file holds dialogues: ``conversation`` with ``session_N`` (turns with ``speaker``, ``dia_id``, ``text``) and
``session_N_date_time``, and ``qa`` with ``question`` and ``evidence``. Every session becomes a conversation of a real SQLite
store; every question with evidence is asked of the same code that a chat asks. A turn by ``user`` or ``assistant`` is stored
under that role, one by anybody else as the user's with the name before a colon.

For words alone and with vectors it prints the mean share of the evidence among the first 5, 10 and 20 turns and within 500, 1,000
and 2,000 tokens (characters / 4), the mean reciprocal rank, the tokens of the first 10, and the time of a search in milliseconds.
Beside it stands SQLite's own ranking of the question's words. ``--embedder`` is what ``Recall(embedder=…)`` takes, or ``minilm``
(bench/minilm.py, the default). ``--million`` times searches among a million messages.
With ``--documents`` the Markdown files of a folder are read as a chat reads them, and each question must bring the piece that
has the words of its answer: among the first 1, 3 and 5, and in what a context of 8,000 tokens is given.
``kinds`` are the same of the best method for each ``category`` of questions. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import runpy
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.context.excerpts import piece_of
from anaphora.documents.store import DocumentStore
from anaphora.memory.vectors import Embedder, VectorIndex
from anaphora.search.candidates import Cue
from anaphora.search.ranking import Ranked, pieces, rank
from anaphora.search.terms import cue_words, question_languages
from anaphora.search.vectors import VectorRow
from anaphora.stores.base import Store
from anaphora.stores.registry import open_store
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.message import text_message
from anaphora.values.transcript import ConversationInfo, Entry, Size

FIRST = (5, 10, 20)
BUDGETS = (500, 1_000, 2_000)
MOST = 100
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a dialogue, and where it is: its session and its number in that."""

    id: str
    place: tuple[str, int]
    date: str
    speaker: str
    text: str

    @property
    def tokens(self) -> float:
        """About how many tokens it takes in a context, date and speaker included."""
        return len(f"[{self.date}] {self.speaker}: {self.text}") / 4


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Its turns in order, and its questions with the turns that answer them."""

    turns: Sequence[Turn]
    questions: Sequence[tuple[str, frozenset[str]]]
    kinds: Sequence[str] = ()


Search = Callable[[str], Awaitable[list[str]]]


def read_dialogue(value: dict[str, Any]) -> Dialogue:
    """A dialogue of the file."""
    conversation, turns, number = value["conversation"], [], 1
    while f"session_{number}" in conversation:
        date = conversation.get(f"session_{number}_date_time", "")
        for place, turn in enumerate(conversation[f"session_{number}"]):
            image = f" [shared image: {turn['blip_caption']}]" if turn.get("blip_caption") else ""
            turns.append(Turn(turn["dia_id"], (f"s{number}", place), date, turn["speaker"], turn.get("text", "") + image))
        number += 1
    known = {turn.id for turn in turns}
    questions, kinds = [], []
    for item in value["qa"]:
        named = re.findall(r"D:?(\d+):0*(\d+)", " ".join(map(str, item.get("evidence") or [])))
        gold = frozenset(f"D{int(session)}:{int(turn)}" for session, turn in named) & known
        if gold:
            questions.append((item["question"], gold))
            kinds.append(str(item.get("category", "")))
    return Dialogue(turns, questions, kinds)


async def fill(store: Store, owner: str, dialogue: Dialogue) -> None:
    """Put the sessions into the store as conversations."""
    for session in dict.fromkeys(turn.place[0] for turn in dialogue.turns):
        entries: list[Entry] = []
        for turn in (turn for turn in dialogue.turns if turn.place[0] == session):
            role = turn.speaker.lower()
            message = (
                text_message("assistant" if role == "assistant" else "user", turn.text)
                if role in {"user", "assistant"}
                else text_message("user", f"{turn.speaker}: {turn.text}")
            )
            parent = entries[-1].id if entries else None
            size = Size(int(turn.tokens))
            entries.append(Entry(f"{owner}_{turn.id}", parent, 0, message, "complete", size, seconds_of(turn.date)))
        began = entries[0].created
        info = ConversationInfo(session, session, entries[-1].id, None, began, began, len(entries))
        await store.restore(owner, info, entries)


def seconds_of(date: str) -> float:
    """The time of a session, as LoCoMo writes it; 0 if it is written otherwise."""
    for form in ("%I:%M %p on %d %B, %Y", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y/%m/%d (%a) %H:%M"):
        try:
            return datetime.strptime(date, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return 0.0


def ours(store: Store, owner: str, turns: Sequence[Turn], vectors: VectorIndex | None) -> Search:
    """The search of a chat: candidates of the store, ranked."""
    ids = {turn.place: turn.id for turn in turns}

    async def search(question: str) -> list[str]:
        alike = (await vectors.alike(question))[0] if vectors else {}
        cue = Cue(cue_words(question), "here", None, 0, messages=tuple(alike), languages=question_languages(question))
        ranked: list[Ranked] = rank(question, await store.candidates(owner, cue), alike)
        return [ids[one.place] for one in ranked if one.place in ids][:MOST]

    return search


def plain(database: sqlite3.Connection, turns: Sequence[Turn]) -> Search:
    """SQLite's full-text search over the turns with dates and speakers, ranked by its BM25, the question's words joined by OR."""
    database.execute("CREATE VIRTUAL TABLE plain USING fts5 (text, tokenize = 'porter unicode61')")
    rows = ((f"[{turn.date}] {turn.speaker}: {turn.text}",) for turn in turns)
    database.executemany("INSERT INTO plain (text) VALUES (?)", rows)

    async def search(question: str) -> list[str]:
        wanted = " OR ".join(f'"{word}"' for word in cue_words(question))
        if not wanted:
            return []
        found = database.execute(f"SELECT rowid FROM plain WHERE plain MATCH ? ORDER BY bm25(plain) LIMIT {MOST}", (wanted,))
        return [turns[row[0] - 1].id for row in found]

    return search


async def embed(store: Store, owner: str, embedder: Embedder) -> None:
    """Rows for everything an owner has."""
    while waiting := await store.unembedded(owner, embedder.name, after=0, limit=64):
        parts = [(one, number, piece) for one in waiting for number, piece in enumerate(pieces(one.text))]
        rows = await embedder.encode([piece for _, _, piece in parts])
        kept = [VectorRow(one.number, one.message, number, row) for (one, number, _), row in zip(parts, rows, strict=True)]
        await store.save_vectors(owner, embedder.name, kept)


async def scores(search: Search, dialogue: Dialogue) -> Iterator[dict[str, float]]:
    """The figures of every question."""
    cost = {turn.id: turn.tokens for turn in dialogue.turns}
    rows = []
    for question, gold in dialogue.questions:
        begun = time.perf_counter()
        ranked = list(dict.fromkeys(await search(question)))
        row = {"ms": (time.perf_counter() - begun) * 1e3}
        row |= {f"recall@{first}": len(gold & set(ranked[:first])) / len(gold) for first in FIRST}
        for budget in BUDGETS:
            used, inside = 0.0, set()
            for turn in ranked:
                used += cost[turn]
                if used > budget:
                    break
                inside.add(turn)
            row[f"recall@{budget}tokens"] = len(gold & inside) / len(gold)
        row["mrr"] = next((1 / place for place, turn in enumerate(ranked, 1) if turn in gold), 0.0)
        row["tokens@10"] = sum(cost[turn] for turn in ranked[:10])
        rows.append(row)
    return iter(rows)


def by_kind(rows: Sequence[dict[str, float]], kinds: Sequence[str]) -> dict[str, dict[str, float]]:
    """The share of the evidence among the first ten and within 2,000 tokens, for each kind of questions."""
    return {
        kind: {
            name: round(statistics.mean(row[name] for row, one in zip(rows, kinds, strict=True) if one == kind), 3)
            for name in ("recall@10", "recall@2000tokens")
        }
        for kind in sorted({*kinds})
    }


def means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """What is published of a method."""
    figures = {name: round(statistics.mean(row[name] for row in rows), 3) for name in rows[0] if name != "ms"}
    times = [row["ms"] for row in rows]
    median, high = statistics.median(times), statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return {**figures, "median_ms": round(median, 2), "p95_ms": round(high, 2)}


async def measure(dialogues: Sequence[Dialogue], embedder: Embedder | None, where: str | Path) -> dict[str, Any]:
    """All methods over all questions."""
    store = open_store(where)
    rows: dict[str, list[dict[str, float]]] = {"plain": [], "lexical": [], "hybrid": []}
    for number, dialogue in enumerate(dialogues):
        # One owner after the other in one file, as on a server.
        owner = f"owner{number}"
        await fill(store, owner, dialogue)
        with closing(sqlite3.connect(":memory:")) as database:
            rows["plain"] += await scores(plain(database, dialogue.turns), dialogue)
        rows["lexical"] += await scores(ours(store, owner, dialogue.turns, None), dialogue)
        if embedder is not None:
            await embed(store, owner, embedder)
            vectors = VectorIndex(store, owner, embedder)
            rows["hybrid"] += await scores(ours(store, owner, dialogue.turns, vectors), dialogue)
    await store.aclose()
    kinds = [kind for dialogue in dialogues for kind in dialogue.kinds]
    best = rows["hybrid"] or rows["lexical"]
    return {**{name: means(found) for name, found in rows.items() if found}, "kinds": by_kind(best, kinds)}


async def large(folder: Path, questions: int = 300) -> dict[str, float]:
    """Searches among a million made-up messages, in milliseconds."""
    made = runpy.run_path(str(Path(__file__).with_name("store.py")))
    store, texts = SQLiteStore(folder / "million.db"), made["Texts"]()
    await made["fill"](store, texts, _MILLION, there=0)
    # What is asked for has no stop words in it: the most frequent words of the made-up language are none that one asks for.
    asked = made["Texts"](seed=2)
    asked.words, common = texts.words, set(texts.words[:60])
    times = []
    for _ in range(questions):
        question = " ".join(word for word in asked.sentence(5, 9).split() if word not in common) or asked.words[100]
        begun = time.perf_counter()
        rank(question, await store.candidates("me", Cue(cue_words(question), "here", None, 0)))
        times.append((time.perf_counter() - begun) * 1e3)
    await store.aclose()
    return {
        "messages": _MILLION,
        "median_ms": round(statistics.median(times), 2),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 2),
    }


async def documents(files: Sequence[Path], questions: Sequence[dict[str, str]], context_window: int = 8_000) -> dict[str, float]:
    """How often the piece with the answer is found, and how much a context is given."""
    bot = AsyncChatbot(ScriptedProvider(*["Yes."] * len(questions), context_window=context_window))
    for path in files:
        await bot.read(path)
    shelf = DocumentStore(bot._bot.store, bot._open.scope)  # noqa: SLF001 -- what is measured is inside
    places: list[int] = []
    given = tokens = 0
    for one in questions:
        found = await shelf.found(one["question"], {document.id for document in await shelf.documents()})
        pieces_found = [ranked.anchor for ranked in rank(one["question"], found) if not ranked.offset]
        has = [one["words"] in piece_of(piece.entry.message)[1] and piece.title == one["document"] for piece in pieces_found]
        places.append(has.index(True) + 1 if True in has else MOST)
        report = (await bot.say(one["question"])).context
        excerpts = (*report.asides.documents, *report.asides.excerpts) if report else ()
        given += any(one["words"] in excerpt.text for excerpt in excerpts)
        tokens += sum(excerpt.tokens for excerpt in excerpts)
    await bot.aclose()
    count = len(questions)
    shares = {f"first_{most}": round(sum(place <= most for place in places) / count, 3) for most in (1, 3, 5)}
    mrr = round(sum(1 / place for place in places if place < MOST) / count, 3)
    return {**shares, "mrr": mrr, "given": round(given / count, 3), "tokens": round(tokens / count), "questions": count}


def embedding_of(name: str) -> object:
    """What ``Recall(embedder=…)`` takes."""
    return runpy.run_path(str(Path(__file__).with_name("minilm.py")))["make"]() if name == "minilm" else name


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("dialogues", nargs="?", help="a JSON list of dialogues in LoCoMo's format")
    parser.add_argument("--documents", metavar="FOLDER", help="Markdown files, instead of dialogues")
    parser.add_argument("--questions", metavar="FILE", help="a JSON list of question, document and words")
    parser.add_argument("--embedder", default="minilm", help="what makes the vectors (default: minilm, see bench/minilm.py)")
    parser.add_argument("--no-hybrid", action="store_true", help="words alone")
    parser.add_argument("--store", metavar="URL", help="an empty store, instead of a new SQLite file")
    parser.add_argument("--million", action="store_true", help="search among a million messages too")
    arguments = parser.parse_args()
    if arguments.documents:
        asked = json.loads(Path(arguments.questions).read_text(encoding="utf-8"))
        print(json.dumps(asyncio.run(documents(sorted(Path(arguments.documents).rglob("*.md")), asked))))
        return
    dialogues = [read_dialogue(value) for value in json.loads(Path(arguments.dialogues).read_text(encoding="utf-8"))]
    embedder = None if arguments.no_hybrid else Embedder(embedding_of(arguments.embedder))
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(dialogues, embedder, arguments.store or Path(folder) / "recall.db"))
        if arguments.million:
            figures["large"] = asyncio.run(large(Path(folder)))
    for name, row in figures.items():
        print(f"{name:8}", "  ".join(f"{key} {value}" for key, value in row.items()))
    asked = {"questions": sum(len(dialogue.questions) for dialogue in dialogues), "embedder": embedder.name if embedder else ""}
    print(json.dumps({**figures, **asked}))


if __name__ == "__main__":
    main()
