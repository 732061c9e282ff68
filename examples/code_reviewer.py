"""Reviews a file of code, and then answers questions about it.

usage: python examples/code_reviewer.py [MODEL] [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

from anaphora import Chatbot
from anaphora.errors import DocumentError

model = sys.argv[1] if len(sys.argv) > 1 else None
file = Path(sys.argv[2] if len(sys.argv) > 2 else __file__)

with Chatbot(model, persona="code-reviewer", max_tokens=300) as bot:
    try:
        document = bot.read(file)
    except DocumentError as error:
        sys.exit(str(error))
    print(f"Reviewing {document.name}, {document.tokens} tokens.")
    print(bot.say(f"Review {document.name}."))
    print(bot.say("Which of these would you mend first?"))
