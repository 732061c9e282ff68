"""Chat with your notes: small files go in whole, of larger ones the pieces that matter, each with its file, heading and line.

usage: python examples/notes_chat.py [MODEL] [FOLDER] [QUESTION]
"""

from __future__ import annotations

import sys
from pathlib import Path

from anaphora import Chatbot
from anaphora.errors import DocumentError

model = sys.argv[1] if len(sys.argv) > 1 else None
folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent.parent / "docs"
question = sys.argv[3] if len(sys.argv) > 3 else "How do I set a limit for what a conversation may cost?"

with Chatbot(model, system="Answer from the documents, and name the file and the heading.", max_tokens=200) as bot:
    for path in sorted(folder.rglob("*.md")):
        try:
            bot.read(path)
        except DocumentError as error:
            print(error)
    answer = bot.say(question)
    print(answer)
    if answer.context is not None:
        given = answer.context.asides
        for excerpt in (*given.documents, *given.excerpts):
            print(f"  from {excerpt.document}: {excerpt.place or 'all of it'} ({excerpt.reason})")
