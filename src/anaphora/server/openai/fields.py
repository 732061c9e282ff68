"""Reads the fields of a request's JSON, each with a sentence about what is wrong with it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from anaphora.schema.shape import Shape, shape_of
from anaphora.server.error_bodies import ApiError
from anaphora.tools.base import Caller, Tool, ToolFailed
from anaphora.values.codec import Json
from anaphora.values.message import Image, Part, Text, ToolResult, repaired_text, valid_text

_MOST_PAIRS, _LONGEST_NAME, _LONGEST_VALUE = 16, 64, 512
_TEXTS = {"input_text", "output_text", "text", "refusal"}
MOST_TOOLS = 512


def wrong(param: str, told: str, code: str | None = None) -> ApiError:
    """Gives the error for a field of a request."""
    return ApiError(f"{param}: {told}", param=param, code=code)


def field(body: Mapping[str, Any], name: str, kind: type | tuple[type, ...], told: str) -> Any:
    """Gives a field, or None if it is not set. Raises ApiError for a value of another kind."""
    value = body.get(name)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if value is None or (isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))):
        return value
    raise wrong(name, f"must be {told}, not {_shown(value)}.", "invalid_type")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"


def text_field(body: Mapping[str, Any], name: str) -> str | None:
    """Gives a text. Raises ApiError."""
    value = field(body, name, str, "a text")
    return None if value is None else _valid(value, name)


def _valid(text: str, name: str) -> str:
    return valid_text(text, name)


def metadata_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Gives the client's own pairs: at most 16 texts. Raises ApiError."""
    pairs: dict[str, Any] = field(body, "metadata", dict, "an object of texts") or {}
    if len(pairs) > _MOST_PAIRS:
        raise wrong("metadata", f"has {len(pairs)} pairs, and at most {_MOST_PAIRS} fit.")
    for name, value in pairs.items():
        if not isinstance(value, str) or len(name) > _LONGEST_NAME or len(value) > _LONGEST_VALUE:
            told = f"names have at most {_LONGEST_NAME} characters, values are texts of at most {_LONGEST_VALUE}"
            raise wrong("metadata", f"{told}: {_shown({name: value})} is none.")
    return {repaired_text(name): repaired_text(value) for name, value in pairs.items()}


def parts_of(content: Any, where: str) -> tuple[Part, ...]:
    """Gives the parts of a content: a text, or a list of text and picture parts. Raises ApiError."""
    if isinstance(content, str):
        return (Text(_valid(content, where)),) if content else ()
    if content is None:
        return ()
    if not isinstance(content, Sequence):
        raise wrong(where, f"must be a text or a list of parts, not {_shown(content)}.", "invalid_type")
    return tuple(_part(part, f"{where}[{place}]") for place, part in enumerate(content))


def _part(part: Any, where: str) -> Part:
    if not isinstance(part, Mapping):
        raise wrong(where, "must be an object with a type.", "invalid_type")
    kind = part.get("type")
    if kind in _TEXTS:
        text = part.get("text") if kind != "refusal" else part.get("refusal")
        if not isinstance(text, str):
            raise wrong(f"{where}.text", "must be a text.", "invalid_type")
        return Text(_valid(text, where))
    if kind in {"input_image", "image_url"}:
        return _picture(part, where)
    if kind in {"input_file", "file", "input_audio", "audio"}:
        told = f"parts of type {kind} are not read here. Send the file's text, or a picture as a data: URL"
        raise wrong(where, f"{told}.", "unsupported_part")
    raise wrong(where, f"unknown type {_shown(kind)}: use input_text or input_image.", "unsupported_part")


def _picture(part: Mapping[str, Any], where: str) -> Image:
    url = part.get("image_url")
    url = url.get("url") if isinstance(url, Mapping) else url
    if not isinstance(url, str) or not url.startswith("data:"):
        told = "send the picture itself as a data: URL (data:image/png;base64,…); this server fetches nothing and has no files"
        raise wrong(f"{where}.image_url", f"{told}.", "unsupported_part")
    head, comma, data = url.partition(",")
    media_type = head.removeprefix("data:").partition(";")[0]
    try:
        if not comma or "base64" not in head or not media_type.startswith("image/"):
            raise ValueError("it is no picture in base64")
        return Image(base64.b64decode(data, validate=True), media_type)
    except (ValueError, binascii.Error) as error:
        raise wrong(f"{where}.image_url", f"the data: URL cannot be read: {error}.", "invalid_image") from None


def joined_text(parts: Sequence[Part]) -> str:
    """Gives the texts of parts, each on lines of its own."""
    return "\n\n".join(part.text for part in parts if isinstance(part, Text) and part.text)


async def _never(_arguments: Json, _caller: Caller) -> str:
    raise ToolFailed("the client runs this tool.")


def tools_of(body: Mapping[str, Any], *, nested: bool) -> tuple[Tool, ...]:
    """Gives the functions that the client runs. ``nested``: as Chat Completions write them. Raises ApiError."""
    given: list[Any] = field(body, "tools", list, "a list of tools") or []
    if len(given) > MOST_TOOLS:
        raise wrong("tools", f"has {len(given)} tools, and at most {MOST_TOOLS} are read.")
    return tuple(_tool(one, f"tools[{place}]", nested=nested) for place, one in enumerate(given))


def _tool(value: Any, where: str, *, nested: bool) -> Tool:
    if not isinstance(value, Mapping) or value.get("type") != "function":
        kind = value.get("type") if isinstance(value, Mapping) else value
        raise wrong(where, f"only tools of type function can be given, not {_shown(kind)}. The server has tools of its own.")
    about = value.get("function") if nested else value
    name = about.get("name") if isinstance(about, Mapping) else None
    if not isinstance(about, Mapping) or not isinstance(name, str) or not name:
        raise wrong(f"{where}.name", "the function needs a name.")
    schema = about.get("parameters")
    if schema is not None and not isinstance(schema, dict):
        raise wrong(f"{where}.parameters", "must be a JSON schema.", "invalid_type")
    description = about.get("description")
    schema = schema or {"type": "object", "properties": {}}
    return Tool(name, description if isinstance(description, str) else "", schema, _never, outside=True)


def tool_choice_of(body: Mapping[str, Any]) -> str:
    """Gives the choice of a tool: auto, none, required, or a name. Raises ApiError."""
    choice = body.get("tool_choice")
    if choice is None:
        return "auto"
    if choice in ("auto", "none", "required"):
        return str(choice)
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        inside = choice.get("function")
        name = inside.get("name") if isinstance(inside, Mapping) else choice.get("name")
        if isinstance(name, str) and name:
            return name
    raise wrong("tool_choice", f"must be auto, none, required or a function, not {_shown(choice)}.")


def shape_of_format(value: Any, where: str) -> Shape | None:
    """Gives the shape of an answer's format, as both APIs write it. Raises ApiError."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise wrong(where, f"must be an object with a type, not {_shown(value)}.", "invalid_type")
    kind = value.get("type")
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return shape_of({"type": "object"})
    inside = value.get("json_schema", value)
    schema = inside.get("schema") if isinstance(inside, Mapping) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise wrong(where, "must be text, json_object, or json_schema with a schema.")
    return shape_of(schema)


def result_of(item: Mapping[str, Any], where: str) -> ToolResult:
    """Gives the result of a tool that the client ran: a text, or a list of text parts. Raises ApiError."""
    call = item.get("call_id") or item.get("tool_call_id")
    if not isinstance(call, str) or not call:
        raise wrong(f"{where}.call_id", "must be the id of the call that this is the result of.")
    call, output = valid_text(call, where), item.get("output", item.get("content"))
    if isinstance(output, Mapping):
        return ToolResult(call, json.dumps(output, ensure_ascii=False))
    return ToolResult(call, joined_text(parts_of(output, where)))
