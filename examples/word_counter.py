"""Shows an answer as it comes, and counts its words meanwhile.

usage: python examples/word_counter.py [MODEL]
"""

from __future__ import annotations

import sys

from anaphora import Chatbot

with Chatbot(sys.argv[1] if len(sys.argv) > 1 else None, max_tokens=120) as bot:
    said = ""
    for text in bot.stream("Tell me about the sea in a few sentences."):
        print(text, end="", flush=True)
        said += text
    print(f"\n[{len(said.split())} words]")
