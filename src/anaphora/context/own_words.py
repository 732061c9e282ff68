"""What the user says themselves, without what they only quote: pasted documents, code, lines of somebody else's mail."""

from __future__ import annotations

import re

from anaphora.message import Message

_FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_TAGGED = re.compile(r"<(\w[\w-]*)(?: [^<>]*)?>.*?</\1>", re.DOTALL)
_QUOTED_LINE = re.compile(r"^[ \t]*>.*(?:\n|\Z)", re.MULTILINE)
# Nobody types that much in one go: it is pasted.
_LONGEST = 2_000


def own_words(message: Message) -> str:
    """The user's own words in a message; empty for a message of anybody else, and for one too long to have been typed."""
    if message.role != "user":
        return ""
    said = _without_quotes(message.text)
    return said if len(said) <= _LONGEST else ""


def abridged(message: Message) -> str:
    """What is said in a message, with a mark where something is quoted."""
    return _without_quotes(message.text, "[a quoted text]") if message.role == "user" else message.text


def _without_quotes(text: str, mark: str = "") -> str:
    for pattern in (_FENCE, _TAGGED, _QUOTED_LINE):
        text = pattern.sub(f"{mark}\n" if mark else "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
