"""Tools and tool calls in the form that strict services take. Pure.

A model may call a tool by any name and with any text as arguments, and a tool of a foreign server may have any schema. One
refused tool or call would end the whole conversation, so all are fitted; the transcript keeps them as they came.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from anaphora.tools.base import Tool
from anaphora.values.codec import Json, repaired_json

_NAME_LENGTH = 64
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")
# OpenAI and Anthropic refuse these at the top of a tool's schema.
_NOT_AT_TOP = ("anyOf", "oneOf", "allOf", "enum", "const", "not", "if", "then", "else", "$ref")
_PLACES = (
    re.compile(r"function_?declarations\W{1,2}(\d{1,4})\b", re.IGNORECASE),
    re.compile(r"\btools?\W{1,2}(\d{1,4})\b"),
)


def fitted_tools(tools: Sequence[Tool], *, most: int | None = None, longest: int | None = None) -> tuple[tuple[Tool, ...], str]:
    """Fits tools to a service that takes at most so many, with descriptions of at most ``longest`` characters.

    Gives them, and a sentence about those that are left out (empty if none is).
    """
    found = tuple(_fitted(tool, longest) for tool in tools[:most])
    left = len(tools) - len(found)
    return found, f"{left} tools are left out: this service takes at most {most}" if left else ""


def refused_tool(message: str, tools: Sequence[Tool]) -> Tool | None:
    """Finds the tool that an error refuses by its place (``tools[3]``) or its quoted name; None if it names none."""
    place = next((found for pattern in _PLACES if (found := pattern.search(message))), None)
    number = int(place[1]) if place else -1
    if 0 <= number < len(tools):
        return tools[number]
    named = [tool for tool in tools if re.search(rf"""['"`]{re.escape(tool.name)}['"`]""", message)]
    return named[0] if len(named) == 1 else None


def call_name(name: str) -> str:
    """Gives the name of a called tool as all services take it."""
    return _NO_NAME.sub("_", name)[:_NAME_LENGTH] or "unknown"


def arguments_object(text: str) -> Json:
    """Parses a model's text as a JSON object; puts any other value into one."""
    try:
        value = json.loads(text or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        value = text
    found: Json = repaired_json(value if isinstance(value, dict) else {"arguments": value})
    return found


def arguments_text(text: str) -> str:
    """Gives arguments as the text of a JSON object: the model's own text if it is one."""
    value = arguments_object(text)
    try:
        if json.loads(text) == value:
            return text
    except (ValueError, RecursionError):
        pass
    return json.dumps(value)


def function_tool(tool: Tool, parameters: Json | None = None, **more: Any) -> Json:
    """Gives a tool as OpenAI and Ollama write it."""
    function = {"name": tool.name, "description": tool.description, "parameters": parameters or tool.parameters, **more}
    return {"type": "function", "function": function}


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _fitted(tool: Tool, longest: int | None) -> Tool:
    parameters, either = _flat(_finite(_mapping(tool.parameters)))
    given: object = tool.description
    about = given if isinstance(given, str) else ""
    description = f"{about} {either}".strip() if either else about
    if longest is not None and len(description) > longest:
        description = f"{description[: longest - 1]}…"
    if parameters == tool.parameters and description == tool.description:
        return tool
    return replace(tool, parameters=parameters, description=description)


def _finite(value: Any) -> Any:
    """A schema without the numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items() if not _is_infinite(one)}
    return [_finite(one) for one in value if not _is_infinite(one)] if isinstance(value, list) else value


def _is_infinite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _flat(schema: Json) -> tuple[Json, str]:
    """Gives a schema without choices at its top, and a sentence that says them."""
    if schema.get("type") == "object" and not any(key in schema for key in _NOT_AT_TOP):
        return schema, ""
    definitions = {**_mapping(schema.get("definitions")), **_mapping(schema.get("$defs"))}
    whole = {**_mapping(definitions.get(str(schema.get("$ref", "")).rpartition("/")[2])), **schema}
    flat = {name: value for name, value in whole.items() if name not in _NOT_AT_TOP}
    properties, required = dict(_mapping(flat.get("properties"))), list(_texts(flat.get("required")))
    choices: list[str] = []
    for word in ("allOf", "anyOf", "oneOf"):
        given = whole.get(word)
        parts = [_mapping(part) for part in given if isinstance(part, Mapping)] if isinstance(given, list) else []
        parts = [_mapping(definitions.get(str(part.get("$ref", "")).rpartition("/")[2])) or part for part in parts]
        for part in parts:
            properties = {**_mapping(part.get("properties")), **properties}
        demanded = [_texts(part.get("required")) for part in parts]
        if word == "allOf":
            required += [name for names in demanded for name in names if name not in required]
        elif any(demanded):
            choices.append(" or ".join(" and ".join(names) or "none of these" for names in demanded))
    required = [name for name in required if name in properties]
    flat = {**flat, "type": "object", "properties": properties, **({"required": required} if required else {})}
    return flat, "".join(f"Give {choice}." for choice in choices)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
