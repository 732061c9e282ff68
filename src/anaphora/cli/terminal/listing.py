"""Conversations and what a search found, as lines for people."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

from anaphora.cli.terminal.sanitize import sanitized
from anaphora.context.quoting import day_of
from anaphora.transfer.markdown import date_text
from anaphora.values.memory import Fact
from anaphora.values.transcript import ConversationInfo, Hit, shortened


def conversation_lines(infos: Sequence[ConversationInfo], *, first: int = 1) -> Iterator[str]:
    """A line for each: its number, when it changed, how long it is, its title, its id."""
    width = shutil.get_terminal_size().columns - 1
    for number, info in enumerate(infos, first):
        start = f"{number:3}  {date_text(info.updated)}  {info.messages:5}  "
        name = one_line(info.id)
        room = max(width - len(start) - len(name) - 2, 20)
        title = one_line(info.title) or "(no title)"
        title = title if len(title) <= room else f"{title[: room - 1]}…"
        yield f"{start}{title}  {name}"


def hit_lines(hits: Sequence[Hit], *, styled: bool = False, numbered: bool = False) -> Iterator[str]:
    """Two lines for each: when, in which conversation; and the words around, what was looked for in bold.

    ``numbered`` where a number can be used.
    """
    for number, hit in enumerate(hits, 1):
        count = f"{number:3}  " if numbered else ""
        yield f"{count}{date_text(hit.entry.created)}  {hit.entry.role}  {one_line(hit.title)}  {one_line(hit.conversation)}"
        yield f"     {_marked(hit) if styled else one_line(hit.excerpt)}"


def fact_lines(facts: Sequence[Fact]) -> Iterator[str]:
    """A line for each: its number if it holds, what it says, when it was learned, until when it held, and where it comes from."""
    number = 0
    for fact in facts:
        number += fact.holds
        place = f"{number:3}" if fact.holds else "  -"
        until = "" if fact.superseded is None else f", until {day_of(fact.superseded)}"
        yield f"{place}  {one_line(fact.text)}  ({day_of(fact.created)}{until}, {_source(fact)})"


def _source(fact: Fact) -> str:
    """Where a fact comes from, for people."""
    if not fact.evidence:
        return "you told it"
    said = shortened(one_line(fact.evidence[0].quote))
    more = f" and {len(fact.evidence) - 1} more" if len(fact.evidence) > 1 else ""
    return f"you said “{said}”{more}"


def one_line(text: str) -> str:
    """The text made harmless, on one line."""
    return " ".join(sanitized(text).split())


def _marked(hit: Hit) -> str:
    text, place = "", 0
    for start, end in hit.marks:
        if start >= place:
            text += sanitized(hit.excerpt[place:start]) + "\x1b[1m" + sanitized(hit.excerpt[start:end]) + "\x1b[22m"
            place = end
    return text + sanitized(hit.excerpt[place:])


def dollars(cost: float | None) -> str:
    """An amount: with cents, with more digits if it is small, or ``unknown``."""
    if cost is None:
        return "unknown"
    return f"${cost:.2f}" if cost == 0 or cost >= 1 else f"${cost:.4f}"
