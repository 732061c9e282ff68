"""Finds the user's own words in a message, without pasted documents, code and quoted mail."""

from __future__ import annotations

import re

from anaphora.values.message import Message

_FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]{0,40})(?:\s[^<>]{0,200})?/?>")
_QUOTED_LINE = re.compile(r"^[ \t]*>.*(?:\n|\Z)", re.MULTILINE)
_INLINE = re.compile(r"`[^`\n]*`|\"[^\"\n]*\"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»")
# Nobody types that much in one go: it is pasted.
_LONGEST = 2_000


def own_words(message: Message) -> str:
    """The user's own words in a message; empty for a message of anybody else, and for one too long to have been typed."""
    if message.role != "user":
        return ""
    said = _without_quotes(message.text)
    return said if len(said) <= _LONGEST else ""


def unquoted_words(message: Message) -> str:
    """Gives the user's own words without code and speech quoted inside a line: facts are learned only from these."""
    return _INLINE.sub(" … ", own_words(message)).strip()


def abridged(message: Message) -> str:
    """Gives the text of a message with a mark in place of each quoted part."""
    return _without_quotes(message.text, "[a quoted text]") if message.role == "user" else message.text


def _without_quotes(text: str, mark: str = "") -> str:
    quoted = f"{mark}\n" if mark else "\n"
    text = _without_tagged(_FENCE.sub(quoted, text), quoted)
    return re.sub(r"\n{3,}", "\n\n", _QUOTED_LINE.sub(quoted, text)).strip()


def _without_tagged(text: str, quoted: str) -> str:
    """The text without what stands between a tag and the last end of that tag, in one pass."""
    tags = list(_TAG.finditer(text))
    last_ends = {tag[2].lower(): tag for tag in tags if tag[1]}
    kept: list[str] = []
    place = 0
    for tag in tags:
        end = last_ends.get(tag[2].lower())
        if tag.start() >= place and not tag[1] and end is not None and end.start() > tag.start():
            kept += [text[place : tag.start()], quoted]
            place = end.end()
    return "".join([*kept, text[place:]])
