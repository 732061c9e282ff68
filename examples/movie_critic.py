"""A critic with a persona of the package, which remembers what you loved.

usage: python examples/movie_critic.py [MODEL]
"""

from __future__ import annotations

import sys

from anaphora import Chatbot

QUESTIONS = ["I loved Spirited Away.", "What should I watch next?", "Why that one?"]

with Chatbot(sys.argv[1] if len(sys.argv) > 1 else None, persona="movie-critic", max_tokens=120) as bot:
    for question in QUESTIONS:
        print(f"You: {question}")
        print(f"Critic: {bot.say(question)}\n")
