"""Nora keeps a bookshop: a persona with a tool that knows the stock, and guards around what is said.

usage: python examples/nora.py [MODEL]
"""

from __future__ import annotations

import re
import sys

from anaphora import Chatbot
from anaphora.guards import Refusal, guard, mask_secrets, maximum_length


@guard(on="message")
def about_books(message: str) -> Refusal | None:
    """Nora talks of nothing else."""
    return Refusal("I only talk about books.") if re.search(r"\b(?:weather|football|stocks)\b", message, re.IGNORECASE) else None


@guard(on="answer", sees="sentence")
def no_shouting(sentence: str) -> str:
    """One exclamation mark is enough."""
    return re.sub(r"!+", "!", sentence)


GUARDS = [about_books, no_shouting, mask_secrets(), maximum_length(500)]

with Chatbot(sys.argv[1] if len(sys.argv) > 1 else None, persona="nora", guards=GUARDS, max_tokens=100) as nora:
    for text in ("Do you have Dune?", "How will the weather be?", "My card's password is hunter2. What does it cost?"):
        answer = nora.say(text)
        print(f"You: {text}\nNora{' (refused)' if answer.status == 'refused' else ''}: {answer}\n")
