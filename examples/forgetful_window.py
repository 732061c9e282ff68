"""What a window is: with room for two earlier turns, the name said first is gone from what the model sees; the report says so.

Nothing is lost: the transcript has it all, and a bot with recall finds it again.

usage: python examples/forgetful_window.py [MODEL]
"""

from __future__ import annotations

import sys

from anaphora import Chatbot, LastTurns

model = sys.argv[1] if len(sys.argv) > 1 else None

with Chatbot(model, window=LastTurns(2, slide=True), recall=False, summary=False, facts=False, max_tokens=40) as bot:
    for text in ("My name is Ada.", "Tell me a fact about cats.", "And one about dogs.", "What's my name?"):
        answer = bot.say(text)
        left = answer.context.left.messages if answer.context and answer.context.left else 0
        print(f"You: {text}\nBot: {answer}\n     [{left} older messages are not seen]\n")
    print(f"The transcript still has all {len(bot.history())} messages.")
