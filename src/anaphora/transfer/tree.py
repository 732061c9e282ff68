"""From linked nodes, as other programs keep them, to a transcript: empty ones left out, parents before children."""

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


# In seconds this is the year 5138.
_MILLISECONDS = 100_000_000_000
_LARGEST = 1e15
_NOTHING = Message("system", ())


@dataclass(frozen=True, slots=True)
class Node:
    """A message of another program; without parts it only links others. ``created`` is in seconds since 1970, if it is known."""

    id: str
    parent: str | None
    message: Message = field(default=_NOTHING)
    created: float | None = None
    status: Status = "complete"
    model: str = ""


def transcript(
    nodes: Mapping[str, Node], *, conversation: str, title: str, created: float, updated: float, head: str
) -> Transcript | None:
    """The transcript of these nodes; None if nothing was said. Raises ValueError if they hang together in no way.

    Without an id the conversation gets one made of what was said, the same each time. ``head`` may be a node that says
    nothing; without one the newest message is the head.
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
    """The messages in the order of their times, but parents first."""
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
    """A message from elsewhere, as long as the estimate has it."""
    return Entry(message_id, parent, 0, message, "complete", Size(Estimate().count(message)), created)


def made_id(messages: Sequence[Message]) -> str:
    """An id for a conversation that has none: the same for the same words."""
    said = json.dumps([(message.role, parts_to_json(message)) for message in messages], ensure_ascii=False)
    return f"import_{blake2b(said.encode('utf-8', 'replace'), digest_size=12).hexdigest()}"


def text_or(value: Any, default: str = "") -> str:
    """The text that should be here."""
    return repaired_text(value) if isinstance(value, str) else default


def time_or(value: Any, default: T) -> float | T:
    """The seconds since 1970 that should be here; some write milliseconds."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST:
        return default
    seconds = float(value / 1_000 if value > _MILLISECONDS else value)
    return seconds if is_time(seconds) else default


def _nearest(nodes: Mapping[str, Node], key: str, kept: set[str]) -> str | None:
    """This node, or the one above it that says something."""
    here: str | None = key
    while here is not None and here in nodes and here not in kept:
        here = nodes[here].parent
    return here if here in kept else None
