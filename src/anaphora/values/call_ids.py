"""Ids of tool calls, where a model gives none that can stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from anaphora.values.message import Message, Part, ToolCall

# An id that a decoder or a server made up by counting: the next answer has it again.
_COUNTED = re.compile(r"(?:call_?|functions?\.\w+:)?\d{1,4}|")


def with_own_ids(message: Message, made: Callable[[int], str], *, every: bool = False) -> Message:
    """Gives an id of its own to every call that has none, or one that the next answer will have again; or to ``every`` call.

    ``made`` makes an id for the call at a place, counted from 0.
    """
    seen: set[str] = set()
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            own = made(len(seen)) if every else own_id(part.id, seen, made)
            seen.add(own)
            parts.append(replace(part, id=own))
        else:
            parts.append(part)
    return replace(message, parts=tuple(parts)) if seen else message


def own_id(call_id: str, seen: set[str], made: Callable[[int], str]) -> str:
    """Gives the id of the call that follows those whose ids were ``seen`` in its message."""
    return made(len(seen)) if call_id in seen or _COUNTED.fullmatch(call_id) else call_id


def id_within(message_id: str, place: int) -> str:
    """Gives the id of a call of a message whose id is known; ``place`` counts from 0."""
    return f"call_{message_id.removeprefix('msg_')}{place:02x}"
