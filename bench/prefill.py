"""How many prompt tokens the engine really reads: the default window against the classic sliding one, on the real local model.

    python bench/prefill.py [DIALOGUE.json] [--turns 100] [--budget 1200] [--no-memory]

The dialogue is a list of {"role", "content"}; without one the script makes its own. Every user message is said to a real
chatbot; the model's answers are its own, but as long (in tokens) as the dialogue's, so that all policies remember equally
much. What was read is llama.cpp's ``timings.prompt_n``. ``once`` is every token of the conversation once; ``least`` leaves
out those that the engine wrote itself and so need not read.

``default`` is the default window alone. ``memory`` is the same with summaries (by the local model itself), recall, and facts
(ten, told before), as far as it is read in turns, where somebody waits for it; ``memory_background`` is what the summaries
read beside that, between the turns. The last line is one JSON object; all figures are tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from anaphora import AsyncChatbot, Facts, FitContext, LastMessages, Recall, Summary
from anaphora.chat.options import ChatbotOptions
from anaphora.context.policy import Memory
from anaphora.providers.base import ModelInfo, ProviderOptions, Request
from anaphora.providers.local.provider import LocalProvider
from anaphora.values.events import Ended, Finished, Planned, ProviderEvent
from anaphora.values.message import text_message

LONGEST_ANSWER = 96
MARGIN = 16


@dataclass(slots=True)
class Reading:
    """What one policy cost over a dialogue."""

    read: int = 0
    cached: int = 0
    once: int = 0
    least: int = 0
    moves: int = 0
    tails: int = 0
    background: int = 0


FACTS = (
    "Lives in Lyon",
    "Is called Ana",
    "Has two cats",
    "Likes hiking",
    "Works as a nurse",
    "Is allergic to nuts",
    "Plays the violin",
    "Speaks French",
    "Was born in May",
    "Drives a red van",
)


class Watched(LocalProvider):
    """The local model, asked for summaries too however small it is, and what it read for them."""

    def __init__(self, options: ProviderOptions) -> None:
        super().__init__(None, options)
        self.background = 0

    async def prepare(self, model: str, /) -> ModelInfo:
        """The truth, but for its size."""
        return replace(await super().prepare(model), small=False)

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        """The same events, counted."""
        async with aclosing(super().stream(request)) as events:
            async for event in events:
                if isinstance(event, Ended) and request.purpose != "answer" and "timings" in event.details:
                    self.background += event.details["timings"]["prompt_n"]
                yield event


def main() -> None:
    """Run both policies and print what they read."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("dialogue", nargs="?", help="a JSON list of role and content")
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--budget", type=int, default=1_200, help="tokens of prompt (default 1200)")
    parser.add_argument("--no-memory", action="store_true", help="only the windows")
    arguments = parser.parse_args()
    dialogue = json.loads(Path(arguments.dialogue).read_text(encoding="utf-8")) if arguments.dialogue else made_dialogue()
    pairs = list(turns(dialogue, arguments.turns))
    sliding = asyncio.run(measure(pairs, Memory(LastMessages(20, slide=True)), arguments.budget))
    show("LastMessages(20, slide=True)", sliding)
    default = asyncio.run(measure(pairs, Memory(FitContext()), arguments.budget))
    show("FitContext()", default)
    figures: dict[str, float] = {
        "turns": len(pairs),
        "sliding_window": sliding.read,
        "default": default.read,
        "once": default.once,
        "least": default.least,
        "sliding_by_default": round(sliding.read / default.read, 2),
        "default_by_once": round(default.read / default.once, 2),
    }
    if not arguments.no_memory:
        whole = asyncio.run(measure(pairs, Memory(FitContext(), Summary(), Recall(), Facts()), arguments.budget))
        show("with the whole memory", whole)
        figures |= {
            "memory": whole.read,
            "memory_background": whole.background,
            "memory_tails": whole.tails,
            "sliding_by_memory": round(sliding.read / whole.read, 2),
            "sliding_by_memory_and_background": round(sliding.read / (whole.read + whole.background), 2),
        }
    print(json.dumps(figures))


def show(name: str, reading: Reading) -> None:
    """A line for people."""
    share = reading.cached / (reading.read + reading.cached)
    aside = f"  in the background {reading.background}, {reading.tails} turns with a tail" if reading.background else ""
    print(
        f"{name:26} read {reading.read:7}  from cache {reading.cached:7} ({share:.0%})  moves {reading.moves}{aside}", flush=True
    )


async def measure(pairs: list[tuple[str, str]], memory: Memory, budget: int) -> Reading:
    """Say every question and count what the engine reads."""
    reading = Reading()
    context_window = budget + LONGEST_ANSWER + MARGIN
    provider = Watched(ProviderOptions(context_window=context_window))
    parts = ChatbotOptions(
        window=memory.window,
        summary=memory.summary or False,
        recall=memory.recall or False,
        facts=memory.facts or False,
        context_window=context_window,
        max_tokens=LONGEST_ANSWER,
    )
    async with AsyncChatbot(provider, **parts) as bot:
        for fact in FACTS if memory.facts else ():
            await bot.facts.add(fact)
        info = await bot.prepare()
        if info.count is None:
            raise SystemExit("the local model has no tokenizer to count with")
        reading.once = await info.count(text_message("system", info.system))
        cut: str | None = None
        for question, answer in pairs:
            length = min(max(await info.count(text_message("assistant", answer)) - 5, 1), LONGEST_ANSWER)
            extra = {"max_tokens": length, "ignore_eos": True}
            async for event in bot.stream(question, extra=extra).events:
                if isinstance(event, Planned):
                    reading.moves += cut not in {None, event.report.cut}
                    reading.tails += bool(event.report.asides.tail.text)
                    cut = event.report.cut
                if isinstance(event, Finished):
                    timings = event.answer.details["timings"]
                    reading.read += timings["prompt_n"]
                    reading.cached += timings["cache_n"]
                    reading.least -= timings["predicted_n"]
            await bot.wait_for_background()
        reading.once += sum(entry.tokens for entry in await bot.history())
        reading.least += reading.once
        reading.background = provider.background
    return reading


def turns(dialogue: list[dict[str, str]], count: int) -> itertools.islice[tuple[str, str]]:
    """The first user messages, each with the answer after it."""
    pairs = (
        (a["content"], b["content"]) for a, b in itertools.pairwise(dialogue) if (a["role"], b["role"]) == ("user", "assistant")
    )
    return itertools.islice(pairs, count)


def made_dialogue() -> list[dict[str, str]]:
    """A dialogue long enough, made of plain sentences that all differ."""
    things = ("garden", "boat", "bakery", "library", "mountain", "violin", "orchard", "lighthouse", "market", "workshop")
    result: list[dict[str, str]] = []
    for number in range(400):
        thing, other = things[number % 10], things[(number // 10) % 10]
        question = (
            f"On day {number} I went past the {thing} and thought of the {other} we spoke about. What would you have done there?"
        )
        answer = (
            f"On day {number} I would have stayed at the {thing} for a while, and then told somebody at the {other} about it."
        )
        result += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return result


if __name__ == "__main__":
    main()
