"""How well the default local model answers under different ways of asking it; the library's default was chosen by this.

usage: python bench/local_quality.py [QUESTIONS.json] [--ways default,template,…]

The file holds dialogues (`questions`: turns with patterns that a right answer matches, and some that none may match;
half of them, `held`, had no part in the choice) and prompts that ask for long answers (`long`). Short answers are at
most 80 tokens. An answer is right if its patterns say so, it is English where English was asked, and it does not repeat
itself. Follow-ups are the turns after the first: "it", "there", "my name". A long answer loops if a run of thirty
characters occurs four times, or half of its sequences of four words were there before.
The last line is one JSON object: for each way the shares right (tune, held, follow-ups) and looping.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anaphora import AsyncChatbot
from anaphora.chat.options import ChatbotOptions

PLAIN = {"repeat_penalty": 1.0, "dry_multiplier": 0.0}
WAYS: dict[str, ChatbotOptions] = {
    "template": {"system": "", "temperature": 0, "extra": PLAIN},
    "helpful": {"system": "You are a helpful assistant.", "temperature": 0, "extra": PLAIN},
    "helpful_0.2": {"system": "You are a helpful assistant.", "temperature": 0.2, "extra": PLAIN},
    "helpful_0.6": {"system": "You are a helpful assistant.", "temperature": 0.6, "extra": PLAIN},
    "two_sentences": {"system": "Answer the question in one or two short sentences.", "temperature": 0, "extra": PLAIN},
    "facts": {"temperature": 0, "extra": PLAIN},
    "default": {},
}
SHORT_TOKENS = 80
FREQUENT = {"a", "and", "are", "can", "i", "in", "is", "it", "my", "of", "that", "the", "to", "was", "you", "your"}


@dataclass(slots=True)
class Tally:
    """Right and all, by what was asked."""

    right: Counter[str] = field(default_factory=Counter)
    all: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, *, right: bool) -> None:
        """One more answer."""
        self.all[kind] += 1
        self.right[kind] += right

    def shares(self) -> dict[str, float]:
        """The share of right answers of each kind."""
        return {kind: round(self.right[kind] / count, 3) for kind, count in self.all.items()}


def repeats(text: str, *, length: int, times: int) -> bool:
    """Whether a run of so many characters occurs so often."""
    text = re.sub(r"\s+", " ", text)
    seen = Counter(text[start : start + length] for start in range(len(text) - length + 1))
    return any(count >= times and text.count(piece) >= times for piece, count in seen.items())


def loops(text: str) -> bool:
    """Whether a long answer is mostly repetition."""
    words = text.split()
    fours = [tuple(words[start : start + 4]) for start in range(len(words) - 3)]
    return repeats(text, length=30, times=4) or (len(fours) > 40 and len(set(fours)) < 0.5 * len(fours))


def is_english(text: str) -> bool:
    """Good enough to tell English from French babble."""
    words = re.findall(r"[a-z']+", text.lower())
    mostly_ascii = sum(letter.isascii() for letter in text) >= 0.9 * len(text)
    frequent = sum(word in FREQUENT for word in words)
    return bool(text.strip()) and mostly_ascii and (len(words) < 8 or frequent >= 0.1 * len(words))


def is_right(turn: dict[str, Any], text: str, *, any_language: bool) -> bool:
    """Whether the answer says what it should and nothing that it should not."""

    def matches(patterns: list[str]) -> bool:
        return any(re.search(pattern, text, re.IGNORECASE | re.DOTALL) for pattern in patterns)

    fits = matches(turn["accept"]) and not matches(turn.get("reject", []))
    return fits and (any_language or is_english(text)) and not repeats(text, length=12, times=4)


async def judged(way: ChatbotOptions, data: dict[str, Any]) -> tuple[Tally, Iterator[str]]:
    """All questions in one way of asking, each dialogue in its own conversation."""
    tally = Tally()
    wrong: list[str] = []
    async with AsyncChatbot("local", **way) as bot:
        for item in data["questions"]:
            talk = bot.conversation(item["id"])
            for number, turn in enumerate(item["turns"]):
                text = (await talk.say(turn["user"], max_tokens=SHORT_TOKENS, seed=1)).text
                right = is_right(turn, text, any_language=item.get("lang") == "any")
                tally.add(item["split"], right=right)
                if number:
                    tally.add("follow_ups", right=right)
                if not right:
                    wrong.append(f"    {turn['user']!r} -> {text[:90]!r}")
        for number, prompt in enumerate(data["long"]):
            tally.add("looping", right=loops((await bot.conversation(f"long {number}").say(prompt, seed=1)).text))
    return tally, iter(wrong)


def main() -> None:
    """Ask in every way and print what came out."""
    parser = argparse.ArgumentParser(description="quality of the default local model")
    parser.add_argument("questions", nargs="?", default=Path(__file__).parent / "local_questions.json", type=Path)
    parser.add_argument("--ways", default=",".join(WAYS), help="which, separated by commas")
    parser.add_argument("--verbose", action="store_true", help="show the wrong answers")
    arguments = parser.parse_args()
    data = json.loads(arguments.questions.read_text(encoding="utf-8"))
    figures = {}
    for name in arguments.ways.split(","):
        tally, wrong = asyncio.run(judged(WAYS[name], data))
        figures[name] = tally.shares()
        print(f"{name:14}" + "".join(f"  {kind} {share:.0%}" for kind, share in figures[name].items()), flush=True)
        if arguments.verbose:
            print(*wrong, sep="\n")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
