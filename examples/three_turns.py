"""Three questions, of which two make sense only to who remembers the first.

usage: python examples/three_turns.py [MODEL]
"""

from __future__ import annotations

import sys

from anaphora import Chatbot

with Chatbot(sys.argv[1] if len(sys.argv) > 1 else None, max_tokens=80) as bot:
    for question in ("What's the capital of France?", "What's its population?", "What's it famous for?"):
        print(f"> {question}\n{bot.say(question)}\n")
    usage = bot.usage()
    print(f"[{len(bot.history())} messages, {usage.input_tokens} tokens read, {usage.cached_tokens} of them from the cache]")
