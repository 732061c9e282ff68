"""The plain list of ``{"role", "content"}`` objects that tutorials and OpenAI clients use, to a file and back.

The extra key ``"anaphora"`` keeps the rest (thinking, pictures, statuses, usage) for the round trip.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, get_args

from anaphora.errors import InvalidMessage, TranscriptFileError
from anaphora.transfer.files import replacing
from anaphora.transfer.tree import entry_of, made_id
from anaphora.values.codec import Json, parts_from_json, parts_to_json, usage_from_json, usage_to_json
from anaphora.values.message import Message, Part, Role, Status, Text, ToolCall, ToolResult, Usage, repaired_text, text_message
from anaphora.values.transcript import ConversationInfo, Entry, Transcript, shortened

EXTRA = "anaphora"


@dataclass(frozen=True, slots=True)
class PlainMessage:
    """A message of a plain list."""

    message: Message
    status: Status = "complete"
    usage: Usage | None = None
    model: str = ""


def write_plain(path: str | os.PathLike[str], system: str, branch: Sequence[Entry]) -> None:
    """Writes a branch, the system prompt first. The file is replaced whole or not at all. Raises TranscriptFileError."""
    with replacing(path) as file:
        file.write(plain_text(system, branch))


def plain_text(system: str, branch: Sequence[Entry]) -> str:
    """Gives the plain list as the text of a file."""
    return json.dumps(plain_list(system, branch), ensure_ascii=False, indent=2) + "\n"


def plain_list(system: str, branch: Sequence[Entry]) -> list[Json]:
    """Gives a branch as a list of ``{"role", "content"}``, the system prompt first."""
    messages = [*([_object(PlainMessage(text_message("system", system)))] if system else [])]
    return messages + [_object(PlainMessage(entry.message, entry.status, entry.usage, entry.model)) for entry in branch]


def read_messages(
    source: Sequence[Mapping[str, Any] | Message] | str | os.PathLike[str] | IO[str],
) -> tuple[str, Sequence[PlainMessage]]:
    """Gives the system prompt (may be empty) and the messages of a list, a file, or the path of one.

    Raises TranscriptFileError with the line of the file and the reason, InvalidMessage for a bad item of a list.
    """
    if isinstance(source, str | os.PathLike):
        return read_plain(source)
    if hasattr(source, "read"):
        return _read_text(str(getattr(source, "name", "the file")), source.read())
    if not isinstance(source, Iterable):
        raise InvalidMessage(f"messages are a list, a file or the path of one, not {type(source).__name__}.")
    messages: list[PlainMessage] = []
    for number, item in enumerate(source, 1):
        try:
            messages.append(PlainMessage(item) if isinstance(item, Message) else _message(item))
        except ValueError as error:
            raise InvalidMessage(f"message {number}: {error}.") from error
    return _system_first(messages)


def read_plain(path: str | os.PathLike[str]) -> tuple[str, Sequence[PlainMessage]]:
    """Gives the system prompt (may be empty) and the messages of a file. Raises TranscriptFileError with line and reason."""
    try:
        source = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TranscriptFileError(str(path), f"is not UTF-8: byte {error.start + 1} does not fit.") from error
    except OSError as error:
        raise TranscriptFileError(str(path), f"cannot be read: {error.strerror or error}.") from error
    return _read_text(str(path), source)


def _read_text(path: str, source: str) -> tuple[str, Sequence[PlainMessage]]:
    try:
        value = json.loads(source)
    except json.JSONDecodeError as error:
        raise TranscriptFileError(str(path), f"is not JSON: {error.msg} (column {error.colno}).", line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise TranscriptFileError(str(path), f"is not JSON that can be read: {error}.") from error
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    if not isinstance(value, list):
        raise TranscriptFileError(str(path), 'must be a list of {"role", "content"} objects.')
    messages: list[PlainMessage] = []
    for number, item in enumerate(value, 1):
        try:
            messages.append(_message(item))
        except ValueError as error:
            raise TranscriptFileError(str(path), f"message {number}: {error}.", line=_line_of(source, number)) from error
    return _system_first(messages)


def from_plain(values: Sequence[Any], *, now: float) -> Transcript | None:
    """Makes a transcript of such a list; None if it is empty. ``now``: the time of all messages, in seconds since 1970.

    Raises ValueError with the reason.
    """
    messages: list[PlainMessage] = []
    for number, value in enumerate(values, 1):
        try:
            messages.append(_message(value))
        except ValueError as error:
            raise ValueError(f"message {number}: {error}") from error
    system, rest = _system_first(messages)
    if not rest:
        return None
    conversation = made_id([item.message for item in messages])
    entries: list[Entry] = []
    for number, item in enumerate(rest, 1):
        parent = entries[-1].id if entries else None
        entry = entry_of(f"{conversation}_{number}", parent, item.message, created=now)
        entries.append(replace(entry, status=item.status, usage=item.usage, model=item.model))
    title = shortened(next((entry.text for entry in entries if entry.role == "user"), ""))
    usage = sum((entry.usage for entry in entries if entry.usage), Usage())
    about = ConversationInfo(conversation, title, entries[-1].id, system or None, now, now, len(entries), usage)
    return Transcript(about, entries)


def _system_first(messages: Sequence[PlainMessage]) -> tuple[str, Sequence[PlainMessage]]:
    """Splits off the system prompt at the beginning."""
    system = 0
    while system < len(messages) and messages[system].message.role == "system":
        system += 1
    return "\n\n".join(item.message.text for item in messages[:system]), messages[system:]


def _object(item: PlainMessage) -> Json:
    message = item.message
    result: Json = {"role": message.role, "content": message.text}
    if message.tool_calls:
        result["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    results = message.tool_results
    if message.role == "tool" and len(results) == 1:
        result.update({"tool_call_id": results[0].call_id, "content": results[0].text})
    extra: Json = {}
    if tuple(_plain_parts(result)) != message.parts:
        extra["parts"] = parts_to_json(message)
    if item.status != "complete":
        extra["status"] = item.status
    if item.usage is not None:
        extra["usage"] = usage_to_json(item.usage)
    if item.model:
        extra["model"] = item.model
    return {**result, EXTRA: extra} if extra else result


def _message(value: Any) -> PlainMessage:
    if not isinstance(value, dict):
        raise ValueError("it is not an object")
    role = {"developer": "system", "function": "tool"}.get(str(value.get("role")), value.get("role"))
    known: Role | None = next((name for name in get_args(Role) if name == role), None)
    if known is None:
        raise ValueError(f"the role is {value.get('role')!r}, not one of {', '.join(get_args(Role))}")
    if not {"content", "tool_calls", EXTRA} & set(value):
        raise ValueError("it has no content")
    extra = value.get(EXTRA, {})
    if not isinstance(extra, dict):
        raise ValueError(f"{EXTRA!r} is not an object")
    parts = parts_from_json(extra["parts"]) if "parts" in extra else tuple(_plain_parts(value))
    status: Status | None = next((name for name in get_args(Status) if name == extra.get("status", "complete")), None)
    if status is None:
        raise ValueError(f"unknown status {extra.get('status')!r}")
    usage = usage_from_json(extra["usage"]) if "usage" in extra else None
    return PlainMessage(
        Message(known, parts), "interrupted" if status == "pending" else status, usage, str(extra.get("model", ""))
    )


def _plain_parts(value: Json) -> Iterator[Part]:
    """Yields the parts in role, content and tool calls."""
    content = value.get("content")
    if content is None:
        content = ""
    if isinstance(content, list):
        texts = [
            item.get("text")
            for item in content
            if isinstance(item, dict) and item.get("type") in {"text", "input_text", "output_text"}
        ]
        if len(texts) < len(content) or not all(isinstance(text, str) for text in texts):
            raise ValueError("content has parts that are not text; only text can be loaded")
        content = "".join(str(text) for text in texts)
    if not isinstance(content, str):
        raise ValueError("content is neither text nor a list of text parts")
    content = repaired_text(content)
    if value.get("role") in {"tool", "function"}:
        yield ToolResult(str(value.get("tool_call_id", "")), content)
        return
    if content:
        yield Text(content)
    calls = value.get("tool_calls") or []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise ValueError("a tool call without a function")
        arguments = function.get("arguments", "{}")
        arguments = arguments if isinstance(arguments, str) else json.dumps(arguments)
        yield ToolCall(str(call.get("id", "")), str(function.get("name", "")), arguments)


def _line_of(source: str, number: int) -> int | None:
    """Finds the line where item ``number`` (from 1) of the list of messages begins; None if it cannot be found."""
    decoder = json.JSONDecoder()
    position = source.find("[", max(source.find('"messages"'), 0) if source.lstrip().startswith("{") else 0) + 1
    try:
        for _ in range(number - 1):
            position = _skip(source, position)
            _, position = decoder.raw_decode(source, position)
    except ValueError:
        return None
    return source.count("\n", 0, _skip(source, position)) + 1


def _skip(source: str, position: int) -> int:
    while position < len(source) and source[position] in " \t\r\n,":
        position += 1
    return position
