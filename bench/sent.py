"""Is what the memory finds also sent? Evidence in the request of a whole turn, and tails that nobody needs.

    python bench/sent.py DIALOGUES.json [--embedder MODEL] [--windows 8000 32000 128000]

The dialogues are those of bench/recall.py: every session is a conversation in a real SQLite store of a named owner. Every
question with evidence is said, through ``say``, in a new conversation; a scripted provider reads the request. A turn of the
evidence is sent if twelve of its words in a row (all, if it is shorter) stand in the request. ``ranked@10`` is the share of the
evidence among the first ten places of the ranking alone. ``tokens`` are those of the tail, on average, at the first window.
``needless`` is the share of the fifty messages of bench/needless.json, each said after another turn in every dialogue's store,
that get a tail. ``--embedder`` adds vectors: what ``Recall(embedder=…)`` takes, or ``minilm`` (bench/minilm.py).
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import runpy
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anaphora import AsyncChatbot, Recall, ScriptedProvider
from anaphora.memory.vectors import Embedder, VectorIndex
from anaphora.search.words import words
from anaphora.stores.sqlite.store import SQLiteStore

RUN = 12
FIRST = 10
RECALL = runpy.run_path(str(Path(__file__).with_name("recall.py")))


def is_sent(text: str, request: str) -> bool:
    """Whether enough words of a turn stand in a row in a request (all of its words, one blank between them)."""
    said = words(text)
    run = min(len(said), RUN)
    return any(f" {' '.join(said[start : start + run])} " in request for start in range(len(said) - run + 1))


async def asked(bot: AsyncChatbot, provider: ScriptedProvider, question: str, name: str) -> tuple[str, int]:
    """The words of the request, and the tokens of its tail, for a question in a new conversation."""
    conversation = bot.conversation(name)
    answer = await conversation.say(question)
    tail = answer.context.asides.tail.tokens if answer.context else 0
    await conversation.delete()
    request = "\n".join(message.text for message in provider.requests.pop().messages)
    return f" {' '.join(words(request))} ", tail


async def needless(bot: AsyncChatbot, messages: Sequence[str]) -> list[bool]:
    """Whether each of the messages gets a tail, after a turn that it may point at."""
    found = []
    for number, message in enumerate(messages):
        conversation = bot.conversation(f"needless {number}")
        await conversation.say("Which mountain is the highest of all?")
        answer = await conversation.say(message)
        found.append(bool(answer.context and answer.context.asides.tail.text))
        await conversation.delete()
    return found


async def measure(values: Sequence[dict[str, Any]], embedding: object, windows: Sequence[int], folder: Path) -> dict[str, Any]:
    """All figures."""
    store = SQLiteStore(folder / "sent.db")
    embedder = Embedder(embedding) if embedding else None
    messages = json.loads(Path(__file__).with_name("needless.json").read_text(encoding="utf-8"))
    sent: dict[int, list[float]] = defaultdict(list)
    ranked: list[float] = []
    tokens: list[int] = []
    tails: list[bool] = []
    kinds: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number, value in enumerate(values):
        owner, dialogue = f"owner{number}", RECALL["read_dialogue"](value)
        texts = {turn.id: turn.text for turn in dialogue.turns}
        kind = {item["question"]: str(item.get("category")) for item in value["qa"]}
        await RECALL["fill"](store, owner, dialogue)
        if embedder is not None:
            await RECALL["embed"](store, owner, embedder)
        search = RECALL["ours"](store, owner, dialogue.turns, VectorIndex(store, owner, embedder) if embedder else None)
        found = [await search(question) for question, _ in dialogue.questions]
        ranked += [len(gold & set(ids[:FIRST])) / len(gold) for ids, (_, gold) in zip(found, dialogue.questions, strict=True)]
        for window in windows:
            provider = ScriptedProvider(echo=True, context_window=window)
            async with AsyncChatbot(provider, store=store, owner=owner, recall=Recall(embedder=embedding or None)) as bot:
                for place, (question, gold) in enumerate(dialogue.questions):
                    request, tail = await asked(bot, provider, question, f"asked {place}")
                    sent[window].append(statistics.mean(is_sent(texts[one], request) for one in gold))
                    if window == windows[0]:
                        tokens.append(tail)
                        kinds[kind[question]].append((ranked[len(tokens) - 1], sent[window][-1]))
                if window == windows[0]:
                    tails += await needless(bot, messages)
    await store.aclose()
    for name, pairs in sorted(kinds.items()):
        print(
            f"{name:26} ranked {statistics.mean(one for one, _ in pairs):.3f} sent {statistics.mean(two for _, two in pairs):.3f}"
        )
    return {
        "ranked@10": round(statistics.mean(ranked), 3),
        "sent": {str(window): round(statistics.mean(found), 3) for window, found in sent.items()},
        "tokens": round(statistics.mean(tokens)),
        "needless": round(statistics.mean(tails), 3),
        "questions": len(ranked),
        "embedder": embedder.name if embedder else "",
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("dialogues", help="a JSON list of dialogues in LoCoMo's format")
    parser.add_argument("--embedder", default="", help="what makes vectors (default: none; minilm is bench/minilm.py)")
    parser.add_argument("--windows", type=int, nargs="+", default=[8_000, 32_000, 128_000], help="tokens")
    arguments = parser.parse_args()
    values = json.loads(Path(arguments.dialogues).read_text(encoding="utf-8"))
    embedding = RECALL["embedding_of"](arguments.embedder) if arguments.embedder else None
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(values, embedding, arguments.windows, Path(folder)))))


if __name__ == "__main__":
    main()
