"""The growth of a message that is being written: what came since the last time, so that only that need be stored. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anaphora.values.codec import part_from_json, part_to_json
from anaphora.values.message import Message, Part, Text, Thinking, ToolCall


def growth(before: Message, after: Message) -> list[Any] | None:
    """Gives what was added, as JSON: text for the last part, then new parts. None if something else has changed."""
    old, new = before.parts, after.parts
    if not old or len(new) < len(old) or old[:-1] != new[: len(old) - 1]:
        return None
    more = _added(old[-1], new[len(old) - 1])
    return None if more is None else [more, *map(part_to_json, new[len(old) :])]


def grown(message: Message, added: Sequence[Any]) -> Message:
    """Gives a message with what ``growth`` gave. Raises ValueError for anything else."""
    if not added or not message.parts or not isinstance(added[0], str):
        raise ValueError("a piece of a message must be a list that begins with a text")
    last = _longer(message.parts[-1], added[0])
    return replace(message, parts=(*message.parts[:-1], last, *map(part_from_json, added[1:])))


def _added(old: Part, new: Part) -> str | None:
    """Gives the text that was added to a part; None if it is not the same part, only longer."""
    if old == new:
        return ""
    match old, new:
        case (Text(before), Text(after)):
            return after[len(before) :] if after.startswith(before) else None
        case (Thinking(before, opaque), Thinking(after, same)) if opaque == same:
            return after[len(before) :] if after.startswith(before) else None
        case (ToolCall(call_id, name, before, opaque), ToolCall(same_id, same_name, after, same)):
            is_same = (call_id, name, opaque) == (same_id, same_name, same)
            return after[len(before) :] if is_same and after.startswith(before) else None
    return None


def _longer(part: Part, text: str) -> Part:
    match part:
        case Text(before) | Thinking(before):
            return replace(part, text=before + text)
        case ToolCall():
            return replace(part, arguments=part.arguments + text)
    return part
