"""Forces a tool call from a model that was not trained for tools: llama.cpp's grammar allows no other answer. Pure.

Such a model cannot tell when to call a tool, so it calls tools only if the request demands it (``tool_choice``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from anaphora.providers.base import Request
from anaphora.tools.base import Tool
from anaphora.values.codec import Json
from anaphora.values.events import Ended, ToolCallDelta
from anaphora.values.message import Message, Text, Usage, text_message


def is_demanded(request: Request) -> bool:
    """True if the request demands a tool call."""
    return bool(request.tools) and request.options.tool_choice not in {"auto", "none"}


def call_request(request: Request) -> Request:
    """Gives the request whose answer is the call, as JSON by a schema."""
    named = [tool for tool in request.tools if tool.name == request.options.tool_choice]
    wanted = named or list(request.tools)
    schemas = [_call_schema(tool) for tool in wanted]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return replace(request, messages=_told(request.messages, wanted), tools=(), schema=schema)


def call_events(text: str, usage: Usage | None) -> tuple[ToolCallDelta, Ended] | None:
    """Reads the call that the model wrote; None if the text was cut."""
    try:
        value = json.loads(text)
        name, arguments = str(value["name"]), json.dumps(value["arguments"])
    except (ValueError, KeyError, TypeError):
        return None
    return ToolCallDelta(0, "", name, arguments), Ended("tool_calls", usage, "local")


def _told(messages: Sequence[Message], tools: Sequence[Tool]) -> tuple[Message, ...]:
    """Replaces the system prompt, which would mislead a small model, and puts the tools into the last message.

    The descriptions of tools may come from a foreign server, so they must not be in the system prompt.
    """
    lines = "\n".join(f"{tool.name}: {' '.join(tool.description.split())}" for tool in tools)
    *before, last = [message for message in messages if message.role != "system"]
    told = replace(last, parts=(Text(f"Call a tool.\n{lines}\n\n"), *last.parts))
    return (text_message("system", "Call a tool."), *before, told)


def _call_schema(tool: Tool) -> Json:
    parameters = {name: value for name, value in tool.parameters.items() if name != "$defs"}
    definitions = {"$defs": tool.parameters["$defs"]} if "$defs" in tool.parameters else {}
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, "arguments": parameters},
        "required": ["name", "arguments"],
        "additionalProperties": False,
        **definitions,
    }
