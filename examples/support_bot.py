"""Many customers, one bot: each has a conversation of their own, and all are answered at once.

usage: python examples/support_bot.py [MODEL]
"""

from __future__ import annotations

import asyncio
import sys

from anaphora import AsyncChatbot, LastTurns
from anaphora.errors import ProviderError

SYSTEM = "You answer customers of a bookshop. Be brief and friendly."
CUSTOMERS = {
    "ada": ["Do you sell atlases?", "What is the largest one?"],
    "tom": ["When was Moby Dick written?", "Who wrote it?"],
}


async def serve(bot: AsyncChatbot, customer: str, questions: list[str]) -> None:
    """One customer's conversation: with an owner of their own, nobody is ever quoted what another customer said."""
    conversation = bot.conversation("support", owner=customer)
    for question in questions:
        try:
            answer = await conversation.say(question)
            print(f"{customer}: {question}\n  -> {answer.text}")
        except ProviderError as error:
            print(f"{customer}: {question}\n  -> (no answer: {error})")


async def main() -> None:
    """Serve them all."""
    model = sys.argv[1] if len(sys.argv) > 1 else "local"
    async with AsyncChatbot(model, system=SYSTEM, window=LastTurns(10), max_tokens=60) as bot:
        await asyncio.gather(*(serve(bot, customer, questions) for customer, questions in CUSTOMERS.items()))


if __name__ == "__main__":
    asyncio.run(main())
