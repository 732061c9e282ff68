"""What can go wrong, and what is left of it: a clear error, a clean context, and every word that was typed.

usage: python examples/error_handling.py [MODEL]
"""

from __future__ import annotations

import sys

from anaphora import Chatbot, ScriptedProvider
from anaphora.errors import AnaphoraError, ConfigError, RateLimited, StreamInterrupted
from anaphora.providers.scripted import ScriptedReply
from anaphora.values.events import TextDelta

try:
    Chatbot("opnai:gpt-5.4-mini")
except ConfigError as error:
    print(f"At once: {error}")

# A provider that fails as real ones do: it is busy for long, then breaks off in the middle, then answers.
broken: ScriptedReply = [TextDelta("Half an "), StreamInterrupted("the connection broke")]
with Chatbot(ScriptedProvider(RateLimited("too many requests", retry_after=999), broken, "Whole.")) as bot:
    try:
        bot.say("Are you there?")
    except AnaphoraError as error:
        print(f"Failed: {error}.")
    waiting = bot.unanswered()
    print(f"In the context: {len(bot.history())} messages. Kept and waiting: {waiting.text if waiting else 'nothing'}")
    try:
        for text in bot.retry_stream():
            print(text, end="")
    except AnaphoraError as error:
        print(f"[{error}]")
    print(bot.continue_answer())

if len(sys.argv) > 1:
    with Chatbot(sys.argv[1], max_tokens=40) as real:
        print(real.say("Hello!"))
