"""Makes a transcript from the linked nodes of other programs: without empty nodes, parents before children."""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, TypeVar

from anaphora.values.codec import parts_to_json
from anaphora.values.message import Message, Status, repaired_text
from anaphora.values.tokens import Estimate
from anaphora.values.transcript import ConversationInfo, Entry, Size, Transcript, is_time, shortened

T = TypeVar("T")


# A larger time is in milliseconds: in seconds this is the year 5138.
_MILLISECONDS = 100_000_000_000
_LARGEST = 1e15
_NOTHING = Message("system", ())


@dataclass(frozen=True, slots=True)
class Node:
    """A message of another program; without parts it only links other nodes. ``created``: seconds since 1970, None if unknown."""

    id: str
    parent: str | None
    message: Message = field(default=_NOTHING)
    created: float | None = None
    status: Status = "complete"
    model: str = ""


def transcript(
    nodes: Mapping[str, Node], *, conversation: str, title: str, created: float, updated: float, head: str
) -> Transcript | None:
    """Makes the transcript of these nodes; None if it has no messages. Raises ValueError if the links form a circle.

    A conversation without an id gets an id from its messages, the same each time. A ``head`` without parts means the nearest
    message above it; an unknown head means the newest message. ``created`` and ``updated`` are in seconds since 1970.
    """
    entries = _entries(nodes, created)
    if not entries:
        return None
    kept = {entry.id for entry in entries}
    last = _nearest(nodes, head, kept) or entries[-1].id
    info = ConversationInfo(
        id=conversation or made_id([entry.message for entry in entries]),
        title=" ".join(repaired_text(title).split()) or shortened(next((entry.text for entry in entries if entry.text), "")),
        head=last,
        system=None,
        created=created or entries[0].created,
        updated=updated or entries[-1].created,
        messages=len(entries),
    )
    return Transcript(info, entries)


def _entries(nodes: Mapping[str, Node], created: float) -> list[Entry]:
    """Gives the messages in the order of their times, but parents first."""
    places = {key: place for place, key in enumerate(nodes)}
    children: dict[str | None, list[str]] = {}
    for key, node in nodes.items():
        children.setdefault(node.parent if node.parent in nodes else None, []).append(key)
    waiting: list[tuple[float, int, str, str | None]] = []

    def wait(key: str, parent: str | None, after: float) -> None:
        heapq.heappush(waiting, (max(nodes[key].created or 0.0, after), places[key], key, parent))

    for key in children.get(None, ()):
        wait(key, None, created)
    entries: list[Entry] = []
    seen = 0
    while waiting:
        time, _, key, parent = heapq.heappop(waiting)
        seen += 1
        node = nodes[key]
        if node.message.parts:
            entries.append(entry_of(node.id, parent, node.message, created=node.created or time))
            entries[-1] = replace(entries[-1], status=node.status, model=node.model)
        for child in children.get(key, ()):
            wait(child, key if node.message.parts else parent, time)
    if seen < len(nodes):
        raise ValueError("its messages are linked in a circle")
    return entries


def entry_of(message_id: str, parent: str | None, message: Message, *, created: float) -> Entry:
    """Makes an entry of a foreign message, with its estimated size."""
    return Entry(message_id, parent, 0, message, "complete", Size(Estimate().count(message)), created)


def made_id(messages: Sequence[Message]) -> str:
    """Makes an id for a conversation without one: equal messages give the same id."""
    said = json.dumps([(message.role, parts_to_json(message)) for message in messages], ensure_ascii=False)
    return f"import_{blake2b(said.encode('utf-8', 'replace'), digest_size=12).hexdigest()}"


def text_or(value: Any, default: str = "") -> str:
    """Gives the value if it is a text, else the default."""
    return repaired_text(value) if isinstance(value, str) else default


def time_or(value: Any, default: T) -> float | T:
    """Gives the value as seconds since 1970, else the default; some programs write milliseconds."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST:
        return default
    seconds = float(value / 1_000 if value > _MILLISECONDS else value)
    return seconds if is_time(seconds) else default


def _nearest(nodes: Mapping[str, Node], key: str, kept: set[str]) -> str | None:
    """Finds the kept node that is this node, or nearest above it."""
    here: str | None = key
    while here is not None and here in nodes and here not in kept:
        here = nodes[here].parent
    return here if here in kept else None
