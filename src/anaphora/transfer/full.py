"""Conversations in full, as JSON with a version: trees, statuses, usage. Reading and writing lose nothing.

A file is one object, ``{"anaphora": 1, "conversations": […]}``, with one conversation on each line.
"""

from __future__ import annotations

import json
from io import StringIO
from typing import Any, TextIO, get_args

from anaphora.values.codec import Json, parts_from_json, parts_to_json, usage_from_json, usage_to_json
from anaphora.values.message import Message, Role, Status, Usage
from anaphora.values.transcript import ConversationInfo, Entry, Size, Transcript, is_time

MARK = "anaphora"
VERSION = 1
_LARGEST = 1e15


class FullWriter:
    """A writer of such a file, one conversation after the other."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._before = "\n"
        file.write(f'{{"{MARK}": {VERSION}, "conversations": [')

    def add(self, transcript: Transcript) -> None:
        """Writes one more conversation."""
        self._file.write(self._before + json.dumps(_to_full(transcript), ensure_ascii=False))
        self._before = ",\n"

    def end(self) -> None:
        """Writes the end of the file."""
        self._file.write("\n]}\n")


def full_text(transcript: Transcript) -> str:
    """Gives the text of such a file with one conversation."""
    file = StringIO()
    writer = FullWriter(file)
    writer.add(transcript)
    writer.end()
    return file.getvalue()


def from_full(value: Any) -> Transcript | None:
    """Reads one conversation of such a file; None if it is empty. Raises ValueError with the reason."""
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        raise ValueError("it is no object with messages")
    entries: list[Entry] = []
    known: set[str] = set()
    keys: set[str] = set()
    for number, item in enumerate(value["messages"], 1):
        try:
            entry = _entry(item, known)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"message {number}: {_reason(error)}") from error
        known.add(entry.id)
        if entry.key is not None and entry.key in keys:
            raise ValueError(f"message {number}: the key {entry.key!r} is there twice")
        keys.update({entry.key} if entry.key is not None else ())
        entries.append(entry)
    if not entries:
        return None
    try:
        info = _info(value, len(entries))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(_reason(error)) from error
    if info.head is not None and info.head not in known:
        raise ValueError(f"its head {info.head!r} is none of its messages")
    return Transcript(info, entries)


def _to_full(transcript: Transcript) -> Json:
    info = transcript.info
    about = {"id": info.id, "title": info.title, "system": info.system, "head": info.head}
    times = {"created": info.created, "updated": info.updated}
    messages = [_to_json(entry) for entry in transcript.entries]
    return {**about, **times, "usage": usage_to_json(info.usage), "messages": messages}


def _to_json(entry: Entry) -> Json:
    said: Json = {"id": entry.id, "parent": entry.parent, "role": entry.role, "parts": parts_to_json(entry.message)}
    state: Json = {"status": entry.status, "created": entry.created, "tokens": entry.tokens, "counter": entry.size.counter}
    call: Json = {"model": entry.model, "usage": None if entry.usage is None else usage_to_json(entry.usage), "key": entry.key}
    return {**said, **state, **{name: value for name, value in call.items() if value}}


def _entry(item: Any, known: set[str]) -> Entry:
    if not isinstance(item, dict):
        raise ValueError("it is no object")
    parent = _text(item, "parent", optional=True)
    if parent is not None and parent not in known:
        raise ValueError(f"its parent {parent!r} is not before it")
    message_id = _text(item, "id")
    if message_id in known:
        raise ValueError(f"the id {message_id!r} is there twice")
    role: Role = _one_of(item, "role", get_args(Role))
    status: Status = _one_of(item, "status", get_args(Status))
    return Entry(
        id=message_id or "",
        parent=parent,
        order=0,
        message=Message(role, parts_from_json(item["parts"])),
        status=status,
        size=Size(int(_number(item, "tokens")), _text(item, "counter") or ""),
        created=_time(item, "created"),
        usage=usage_from_json(item["usage"]) if item.get("usage") is not None else None,
        model=_text(item, "model", optional=True) or "",
        key=_text(item, "key", optional=True),
    )


def _info(value: Json, messages: int) -> ConversationInfo:
    return ConversationInfo(
        id=_text(value, "id") or "",
        title=_text(value, "title") or "",
        head=_text(value, "head", optional=True),
        system=_text(value, "system", optional=True),
        created=_time(value, "created"),
        updated=_time(value, "updated"),
        messages=messages,
        usage=usage_from_json(value["usage"]) if value.get("usage") is not None else Usage(),
    )


def _text(value: Json, name: str, *, optional: bool = False) -> str | None:
    found = value.get(name)
    if isinstance(found, str) or (optional and found is None):
        return found
    raise ValueError(f"{name} is no text")


def _number(value: Json, name: str) -> float:
    found = value.get(name)
    if isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < _LARGEST:
        return found
    raise ValueError(f"{name} is no number, or too large a one")


def _time(value: Json, name: str) -> float:
    seconds = _number(value, name)
    if not is_time(seconds):
        raise ValueError(f"{name} is no time")
    return seconds


def _one_of(value: Json, name: str, allowed: tuple[Any, ...]) -> Any:
    if value.get(name) not in allowed:
        raise ValueError(f"{name} is {value.get(name)!r}, not one of {', '.join(allowed)}")
    return value[name]


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
