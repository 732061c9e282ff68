"""Does a memory help, or does it lead astray? Answers of the real small model with a past and without.

    python bench/memory_helps.py [--model local] [--dialogues N]

``bench/memory_dialogues.json`` holds dialogues of two and three turns with follow-ups ("there", "it", "he"), a past of a hundred
earlier conversations that share words with them, and personal questions whose answers were told there. Every dialogue is held
twice at temperature 0 with one seed: with the default memory in a store that has the past, and with none. An answer is right if
its pattern matches. ``with_memory`` and ``without`` are the shares of right answers, ``worse`` the share that only the answers
without memory got right, ``better`` the reverse; ``personal`` the share of personal questions answered right in a new
conversation.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from pathlib import Path
from typing import Any

from anaphora import AsyncChatbot, InMemoryStore
from anaphora.values.message import text_message
from anaphora.values.transcript import ConversationInfo, Entry, Size

OWNER = "me"
DAY = 86_400.0


async def fill(store: InMemoryStore, past: list[list[str]]) -> None:
    """Put the past into the store, a conversation a day."""
    for number, said in enumerate(past):
        when = 1_780_000_000.0 + number * DAY
        entries: list[Entry] = []
        for place, text in enumerate(said):
            message = text_message("assistant" if place % 2 else "user", text)
            parent = entries[-1].id if entries else None
            entries.append(Entry(f"m{number}_{place}", parent, 0, message, "complete", Size(12), when + place))
        await store.restore(
            OWNER, ConversationInfo(f"past{number}", said[0], entries[-1].id, None, when, when, len(said)), entries
        )


def is_right(turn: dict[str, Any], text: str) -> bool:
    """Whether the pattern of a turn is in an answer."""
    return re.search(turn["accept"], text) is not None


async def held(bot: AsyncChatbot, dialogues: list[dict[str, Any]]) -> list[bool]:
    """Whether each answer is right."""
    right = []
    for dialogue in dialogues:
        conversation = bot.conversation(dialogue["id"])
        for turn in dialogue["turns"]:
            answer = await conversation.say(turn["user"])
            right.append(is_right(turn, answer.text))
        await conversation.delete()
    return right


async def personal(bot: AsyncChatbot, questions: list[dict[str, Any]]) -> list[bool]:
    """Whether each personal question is answered right, in a conversation of its own."""
    right = []
    for number, question in enumerate(questions):
        conversation = bot.conversation(f"personal {number}")
        answer = await conversation.say(question["user"])
        right.append(is_right(question, answer.text))
        print(f"{'right' if right[-1] else 'WRONG'}: {question['user']} {' '.join(answer.text.split())[:90]}")
        await conversation.delete()
    return right


async def measure(model: str, data: dict[str, Any]) -> dict[str, float]:
    """All figures."""
    store = InMemoryStore()
    await fill(store, data["past"])
    async with AsyncChatbot(model, store=store, owner=OWNER, temperature=0, seed=1, max_tokens=60) as bot:
        having = await held(bot, data["dialogues"])
        told = await personal(bot, data["personal"])
    nothing: Any = {"summary": False, "recall": False, "facts": False}
    async with AsyncChatbot(model, temperature=0, seed=1, max_tokens=60, **nothing) as bot:
        without = await held(bot, data["dialogues"])
    count = len(having)
    return {
        "answers": count,
        "with_memory": round(sum(having) / count, 3),
        "without": round(sum(without) / count, 3),
        "worse": round(sum(two and not one for one, two in zip(having, without, strict=True)) / count, 3),
        "better": round(sum(one and not two for one, two in zip(having, without, strict=True)) / count, 3),
        "personal": round(sum(told) / len(told), 3),
        "personal_questions": len(told),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="local", help="provider:model (default: the model inside the process)")
    parser.add_argument("--dialogues", type=int, help="only so many of the dialogues and of the personal questions")
    arguments = parser.parse_args()
    data = json.loads(Path(__file__).with_name("memory_dialogues.json").read_text(encoding="utf-8"))
    for name in ("dialogues", "personal"):
        data[name] = data[name][: arguments.dialogues]
    print(json.dumps(asyncio.run(measure(arguments.model, data))))


if __name__ == "__main__":
    main()
