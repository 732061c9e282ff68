"""Events as JSON values and back, with a version: for servers that store a turn's event log or send it on."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from anaphora import errors
from anaphora.errors import ProviderError
from anaphora.values.codec import Json, part_from_json, part_to_json, usage_from_json, usage_to_json
from anaphora.values.events import Event
from anaphora.values.message import Image, Text, Thinking, ToolCall, ToolResult, Usage

VERSION = 1
_KINDS = {kind.__name__: kind for kind in get_args(Event)}
_PARTS = (Text, Image, Thinking, ToolCall, ToolResult)
_TYPES = {Text: "text", Image: "image", Thinking: "thinking", ToolCall: "tool_call", ToolResult: "tool_result"}
_NUMBERS = ("status", "request_id", "retry_after", "retryable", "provider")


def event_to_json(event: Event) -> Json:
    """Gives an event as a JSON object: its kind under ``event``, the version of this form under ``v``."""
    return {"v": VERSION, "event": type(event).__name__, **_fields(event)}


def event_from_json(value: Any) -> Event:
    """Gives the event that ``event_to_json`` wrote. Raises ValueError with the reason."""
    if not isinstance(value, dict) or value.get("v") != VERSION:
        raise ValueError(f"an event must be an object of version {VERSION}")
    kind = _KINDS.get(str(value.get("event")))
    if kind is None:
        raise ValueError(f"unknown event: {value.get('event')!r}")
    try:
        event: Event = _made(kind, value)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"the event {kind.__name__} is not whole: {error}") from error
    return event


def _fields(value: Any) -> Json:
    return {one.name: _to_json(getattr(value, one.name)) for one in fields(value)}


def _to_json(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case ProviderError():
            known = {name: getattr(value, name) for name in _NUMBERS}
            return {"error": type(value).__name__, "message": str(value), **known}
        case Usage():
            return usage_to_json(value)
        case Text() | Image() | Thinking() | ToolCall() | ToolResult():
            return part_to_json(value)
        case Mapping():
            return {str(name): _to_json(one) for name, one in value.items()}
        case list() | tuple():
            return [_to_json(one) for one in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _fields(value)
        case _:
            # The value of an answer may be of any type; its text has it too.
            return str(value)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(kind: type, value: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    given = {one.name: _from_json(hints[one.name], value[one.name]) for one in fields(kind) if one.name in value}
    return kind(**given)


def _from_json(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if value is None or hint is Any or origin is Literal:
        return value
    if origin in {Union, types.UnionType}:
        return _from_union([one for one in get_args(hint) if one is not type(None)], value)
    if origin is tuple:
        return tuple(_from_json(get_args(hint)[0], one) for one in value)
    if origin is not None:
        return _from_json(origin, value) if is_dataclass(origin) else value
    if isinstance(hint, type) and issubclass(hint, ProviderError):
        return _error(value)
    if hint in _PARTS:
        return part_from_json({"type": _TYPES[hint], **value})
    if hint is Usage:
        return usage_from_json(value)
    return _made(hint, value) if is_dataclass(hint) and isinstance(hint, type) else value


def _from_union(hints: list[Any], value: Any) -> Any:
    """Reads a value of one of several types: parts carry their own kind, every other union here has one type beside None."""
    if set(hints) == set(_PARTS):
        return part_from_json(value)
    return _from_json(hints[0], value) if len(hints) == 1 else value


def _error(value: Mapping[str, Any]) -> ProviderError:
    kind = getattr(errors, str(value.get("error")), ProviderError)
    kind = kind if isinstance(kind, type) and issubclass(kind, ProviderError) else ProviderError
    numbers: dict[str, Any] = {name: value.get(name) for name in _NUMBERS}
    return kind(str(value.get("message")), **numbers)
