"""A quiz whose score is right, because a tool counts it from the conversation instead of the model.

usage: python examples/quiz_bot.py [MODEL]
"""

from __future__ import annotations

import sys

from anaphora import Chatbot
from anaphora.values.events import TextDelta, ToolEnded

with Chatbot(sys.argv[1] if len(sys.argv) > 1 else None, persona="quiz", max_tokens=120) as quiz:
    for text in ("Rivers, please.", "The Nile?", "The Danube?"):
        print(f"You: {text}\nQuiz: ", end="")
        for event in quiz.stream(text).events:
            match event:
                case TextDelta(words):
                    print(words, end="", flush=True)
                case ToolEnded(result):
                    print(f"[{result.text}] ", end="")
                case _:
                    pass
        print("\n")
