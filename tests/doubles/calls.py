"""What tests of turns with tools share: a scripted model's calls, a tool, and what came back."""

from typing import Any

from anaphora import ScriptedProvider
from anaphora.values.events import Ended, TextDelta, ToolCallDelta
from anaphora.values.message import ToolResult


def call(name: str, arguments: str = "{}", call_id: str = "", index: int = 0) -> ToolCallDelta:
    return ToolCallDelta(index, call_id or f"id_{name}_{index}", name, arguments)


def calling(*calls: ToolCallDelta, text: str = "") -> list[Any]:
    return [*([TextDelta(text)] if text else []), *calls, Ended("tool_calls")]


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def results(provider: ScriptedProvider, request: int = -1) -> list[ToolResult]:
    return [result for message in provider.requests[request].messages for result in message.tool_results]
