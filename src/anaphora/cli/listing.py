"""Conversations and what a search found, as lines for people."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence

from anaphora.cli.sanitize import sanitized
from anaphora.transcript import ConversationInfo, Hit


def conversation_lines(infos: Sequence[ConversationInfo], *, first: int = 1) -> Iterator[str]:
    """A line for each: its number, when it changed, how long it is, its title, its id."""
    width = shutil.get_terminal_size().columns - 1
    for number, info in enumerate(infos, first):
        start = f"{number:3}  {when(info.updated)}  {info.messages:5} messages  "
        room = max(width - len(start) - len(info.id) - 2, 20)
        title = sanitized(info.title)
        title = title if len(title) <= room else f"{title[: room - 1]}…"
        yield f"{start}{title}  {info.id}"


def hit_lines(hits: Sequence[Hit], *, styled: bool) -> Iterator[str]:
    """Two lines for each: its number, when, in which conversation; and the words around, what was looked for in bold."""
    for number, hit in enumerate(hits, 1):
        yield f"{number:3}  {when(hit.entry.created)}  {hit.entry.role}  {sanitized(hit.title)}  {hit.conversation}"
        yield f"     {_marked(hit) if styled else sanitized(hit.excerpt)}"


def when(seconds: float) -> str:
    """A date and a time as people here write them down."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _marked(hit: Hit) -> str:
    text, place = "", 0
    for start, end in hit.marks:
        if start >= place:
            text += sanitized(hit.excerpt[place:start]) + "\x1b[1m" + sanitized(hit.excerpt[start:end]) + "\x1b[22m"
            place = end
    return text + sanitized(hit.excerpt[place:])
