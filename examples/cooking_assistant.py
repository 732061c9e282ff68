"""Cooks step by step: the recipe goes on where it stopped, also after the program was closed.

usage: python examples/cooking_assistant.py [MODEL] [STORE]
"""

from __future__ import annotations

import sys

from anaphora import Chatbot

model = sys.argv[1] if len(sys.argv) > 1 else None
store = sys.argv[2] if len(sys.argv) > 2 else None

with Chatbot(model, persona="cooking", store=store, max_tokens=150) as kitchen:
    tonight = kitchen.conversation("tonight")
    said = [] if tonight.history() else ["I have eggs, spinach and rice, for two. We eat everything.", "Yes, that one."]
    for text in [*said, "Done. What next?"]:
        print(f"You: {text}\nCook: {tonight.say(text)}\n")
