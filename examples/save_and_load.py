"""Saves a conversation as the list of role and content that every program knows, and goes on from it elsewhere.

usage: python examples/save_and_load.py [MODEL]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from anaphora import Chatbot

model = sys.argv[1] if len(sys.argv) > 1 else None
file = Path(tempfile.mkdtemp()) / "trip.json"

with Chatbot(model, max_tokens=60) as bot:
    bot.say("We fly to Kyoto in May.")
    bot.save(file)
with Chatbot(model, max_tokens=60) as other:
    print(f"{other.load(file)} messages loaded.")
    print(other.say("Where do we fly?"))
