"""Twenty facts told at the beginning: how many still reach the model after the window has moved 1, 2, 4 and 8 times.

    python bench/facts_survive.py [--moves 1 2 4 8] [--context-window 8000] [--summariser scripted|local|MODEL]

The facts are in ten messages, talk about other things follows. After so many moves of the window every fact is asked for, each
on a branch of its own. ``context`` counts those whose value is in what is sent anyhow (summaries, window), ``recalled`` those
that are quoted because they are asked for, ``either`` both together, ``window`` what a window alone would show. The scripted
summariser writes down every sentence that begins with "My", as long as its length allows: what is lost with it is lost by the
memory's own doing. ``--summariser local`` has the small model that comes along write them. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Sequence

from anaphora import AsyncChatbot, ScriptedProvider, Summary
from anaphora.providers.base import Request

FACTS = {
    "dog": "Rex",
    "sister": "Margarethe",
    "boat": "Albatross",
    "birthplace": "Trondheim",
    "employer": "Lumberworks",
    "favourite painter": "Hokusai",
    "bicycle": "Peugeot",
    "allergy": "hazelnuts",
    "instrument": "bassoon",
    "landlord": "Ferreira",
    "dentist": "Okonkwo",
    "holiday": "Madeira",
    "football club": "Werder",
    "first computer": "Amiga",
    "neighbour": "Sokolov",
    "doctoral subject": "lichens",
    "wedding day": "Whitsun",
    "garden tree": "quince",
    "cat": "Pangur",
    "blood group": "AB",
}
FILLER = "Chapter {number} of the book was about the weather over the sea, the wind, the waves and clouds of kind {number}."


def keeps_facts(request: Request) -> str:
    """A summary that has every sentence that begins with "My"."""
    found = dict.fromkeys(re.findall(r"(?<!said: )\bMy [^.]*\.", request.messages[-1].text.partition("</conversation>")[0]))
    return " ".join(found) or "Nothing to remember."


async def measure(moves: Sequence[int], context_window: int, summariser: str) -> dict[str, dict[str, int]]:
    """The counts after each number of moves."""
    provider = ScriptedProvider(echo=True, context_window=context_window, background=keeps_facts)
    summary = Summary() if summariser == "scripted" else Summary(model=summariser)
    async with AsyncChatbot(provider, summary=summary) as bot:
        pairs = list(FACTS.items())
        for first, second in zip(pairs[::2], pairs[1::2], strict=True):
            await bot.say(f"My {first[0]} is {first[1]}. My {second[0]} is {second[1]}.")
        found: dict[str, dict[str, int]] = {}
        done, number, cut = 0, 0, None
        while done < max(moves):
            number += 1
            answer = await bot.say(FILLER.format(number=number))
            await bot.wait_for_background()
            if answer.context is not None and answer.context.cut != cut:
                done += cut is not None
                cut = answer.context.cut
                if done in moves and str(done) not in found:
                    found[str(done)] = await surviving(bot, provider)
                    print(f"after {done} moves ({2 * number + 20} messages): {found[str(done)]}", flush=True)
    return found


async def surviving(bot: AsyncChatbot, provider: ScriptedProvider) -> dict[str, int]:
    """How many facts reach the model, and how, when each is asked for."""
    counts = {"context": 0, "recalled": 0, "either": 0, "window": 0}
    for thing, value in FACTS.items():
        await bot.say(f"What is my {thing}?")
        await bot.wait_for_background()
        messages = provider.requests[-1].messages
        tail, anyhow = messages[-1].text, "\n".join(message.text for message in messages[:-1])
        preamble, _, window = anyhow.partition("</memory>") if anyhow.startswith("<memory>") else ("", "", anyhow)
        counts["context"] += value in preamble + window
        counts["window"] += value in window
        counts["recalled"] += value in tail
        counts["either"] += value in preamble + window + tail
        await bot.undo()
    return counts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--moves", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--context-window", type=int, default=8_000, help="tokens (default 8000)")
    parser.add_argument("--summariser", default="scripted", help="scripted (default), local, or any provider:model")
    arguments = parser.parse_args()
    found = asyncio.run(measure(arguments.moves, arguments.context_window, arguments.summariser))
    print(json.dumps({"facts": len(FACTS), "summariser": arguments.summariser, "after": found}))


if __name__ == "__main__":
    main()
