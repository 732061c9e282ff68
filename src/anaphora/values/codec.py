"""Messages and usage as JSON values and back: the one serialised form, for files, databases and the wire of our own server."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from anaphora.values.message import Image, Message, Part, Text, Thinking, ToolCall, ToolResult, Usage, repaired_text

Json = dict[str, Any]


def part_to_json(part: Part) -> Json:
    """One part as a JSON object with its kind under ``type``."""
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image(data, media_type):
            return {"type": "image", "media_type": media_type, "data": base64.b64encode(data).decode("ascii")}
        case Thinking(text, opaque):
            return {"type": "thinking", "text": text, **({"opaque": dict(opaque)} if opaque else {})}
        case ToolCall(call_id, name, arguments, opaque):
            call = {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
            return {**call, **({"opaque": dict(opaque)} if opaque else {})}
        case ToolResult(call_id, text, name, failed):
            return {"type": "tool_result", "call_id": call_id, "text": text, "name": name, "failed": failed}


def part_from_json(value: Any) -> Part:
    """The part that ``part_to_json`` wrote. Raises ValueError with the reason."""
    if not isinstance(value, dict):
        raise ValueError(f"a part must be an object, not {_kind(value)}")
    match value.get("type"):
        case "text":
            return Text(_string(value, "text"))
        case "image":
            try:
                return Image(base64.b64decode(_string(value, "data"), validate=True), _string(value, "media_type"))
            except binascii.Error as error:
                raise ValueError(f"an image's data is not base64: {error}") from error
        case "thinking":
            return Thinking(_string(value, "text"), _object(value, "opaque"))
        case "tool_call":
            return ToolCall(_string(value, "id"), _string(value, "name"), _string(value, "arguments"), _object(value, "opaque"))
        case "tool_result":
            return ToolResult(
                _string(value, "call_id"), _string(value, "text"), _string(value, "name"), value.get("failed") is True
            )
        case kind:
            raise ValueError(f"unknown kind of part: {kind!r}")


def parts_to_json(message: Message) -> list[Json]:
    """All parts of a message."""
    return [part_to_json(part) for part in message.parts]


def parts_from_json(value: Any) -> tuple[Part, ...]:
    """The parts that ``parts_to_json`` wrote. Raises ValueError with the reason."""
    if not isinstance(value, list):
        raise ValueError(f"parts must be a list, not {_kind(value)}")
    return tuple(part_from_json(item) for item in value)


def usage_to_json(usage: Usage) -> Json:
    """Usage, without what is unknown."""
    return {name: number for name, number in asdict(usage).items() if number is not None}


def usage_from_json(value: Any) -> Usage:
    """The usage that ``usage_to_json`` wrote; unknown fields are ignored. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"usage must be an object, not {_kind(value)}")
    known = {field.name: value[field.name] for field in fields(Usage) if field.name in value}
    for name, number in known.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise ValueError(f"usage.{name} must be a number, not {_kind(number)}")
    return Usage(**known)


def repaired_json(value: Any) -> Any:
    """JSON from outside with every text in it made valid, names of members too."""
    match value:
        case str():
            return repaired_text(value)
        case list():
            return [repaired_json(item) for item in value]
        case dict():
            return {repaired_text(name): repaired_json(item) for name, item in value.items()}
        case _:
            return value


def _string(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise ValueError(f"{name!r} must be a string, not {_kind(text)}")
    return repaired_text(text)


def _object(value: Mapping[str, Any], name: str) -> Json:
    found = value.get(name, {})
    if not isinstance(found, dict):
        raise ValueError(f"{name!r} must be an object, not {_kind(found)}")
    return found


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
