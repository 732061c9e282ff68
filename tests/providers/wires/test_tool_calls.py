"""Tools and schemas in every dialect: how they are offered, called in parallel over a real socket, and given back."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.doubles.dialects import ANSWERS, WHO, streamed, streamed_calls
from tests.doubles.loopback import Loopback, http

from anaphora import Chatbot
from anaphora.providers.base import Request
from anaphora.providers.models.card import ModelCard
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.wires.anthropic import AnthropicWire
from anaphora.providers.wires.base import Wire
from anaphora.providers.wires.gemini import GeminiWire
from anaphora.providers.wires.ollama import OllamaWire
from anaphora.providers.wires.openai import OpenAIWire
from anaphora.tools import tool
from anaphora.values.message import Message, Options, ToolCall, ToolResult, text_message


@tool
def look(at: str, *, twice: bool = False) -> str:
    """Look at something.

    Args:
        at: what to look at
    """
    return f"seen: {at}{' twice' if twice else ''}"


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
WIRES: dict[str, Callable[[], Wire]] = {
    "openai": lambda: OpenAIWire(WHO, VENDORS["openai"]),
    "groq": lambda: OpenAIWire(WHO, VENDORS["groq"]),
    "anthropic": lambda: AnthropicWire(WHO, ModelCard()),
    "gemini": lambda: GeminiWire(WHO, ModelCard()),
    "ollama": lambda: OllamaWire(WHO, 4_096),
}


def body(dialect: str, choice: str = "auto", schema: Any = None) -> dict[str, Any]:
    request = Request("m", (text_message("user", "hi"),), Options(tool_choice=choice), tools=(look,), schema=schema)
    found: dict[str, Any] = json.loads(WIRES[dialect]().encode(request).body)
    return found


def test_tools_are_offered_as_each_dialect_wants_them():
    assert body("groq")["tools"] == [
        {"type": "function", "function": {"name": "look", "description": "Look at something.", "parameters": look.parameters}}
    ]
    strict = body("openai")["tools"][0]["function"]
    assert strict["strict"] is True
    assert strict["parameters"]["required"] == ["at", "twice"]
    assert strict["parameters"]["properties"]["twice"] == {"anyOf": [{"type": "boolean"}, {"type": "null"}]}
    assert body("anthropic")["tools"] == [{"name": "look", "description": "Look at something.", "input_schema": look.parameters}]
    assert body("gemini")["tools"] == [
        {"functionDeclarations": [{"name": "look", "description": "Look at something.", "parametersJsonSchema": look.parameters}]}
    ]
    assert body("ollama")["tools"] == body("groq")["tools"]


@pytest.mark.parametrize(
    ("dialect", "choice", "sent"),
    [
        ("groq", "auto", {}),
        ("groq", "none", {"tool_choice": "none"}),
        ("groq", "required", {"tool_choice": "required"}),
        ("groq", "look", {"tool_choice": {"type": "function", "function": {"name": "look"}}}),
        ("anthropic", "auto", {}),
        ("anthropic", "none", {"tool_choice": {"type": "none"}}),
        ("anthropic", "required", {"tool_choice": {"type": "any"}}),
        ("anthropic", "look", {"tool_choice": {"type": "tool", "name": "look"}}),
        ("gemini", "auto", {}),
        ("gemini", "none", {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}),
        ("gemini", "required", {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
        ("gemini", "look", {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}}}),
    ],
)
def test_a_choice_of_tools_is_said_as_each_dialect_says_it(dialect: str, choice: str, sent: dict[str, Any]):
    said = body(dialect, choice)
    assert {name: value for name, value in said.items() if name in {"tool_choice", "toolConfig"}} == sent


def test_ollama_is_told_of_no_tools_where_none_may_be_called():
    assert "tools" not in body("ollama", "none")


def test_a_schema_is_sent_as_each_dialect_wants_it():
    assert body("groq", schema=SCHEMA)["response_format"]["json_schema"] == {"name": "answer", "schema": SCHEMA}
    assert body("openai", schema=SCHEMA)["response_format"]["json_schema"]["strict"] is True
    assert body("anthropic", schema=SCHEMA)["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert body("gemini", schema=SCHEMA)["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }
    assert body("ollama", schema=SCHEMA)["format"] == SCHEMA


@pytest.mark.parametrize("name", ["openai", "groq", "mistral", "anthropic", "gemini", "ollama"])
def test_parallel_calls_go_out_and_their_results_come_back(loopback: Loopback, name: str):
    loopback.about["/api/show"] = http(b"{}", status=404)
    loopback.answer(streamed_calls(name, [("look", {"at": "map"}), ("look", {"at": "list", "twice": None})]))
    loopback.answer(streamed(name if name in ANSWERS else "openai", "I saw both."))
    with Chatbot(f"{name}:m", base_url=loopback.url, api_key="k", tools=[look], recall=False) as bot:
        answer = bot.say("Look around")
    assert answer.text == "I saw both."
    calls, results = answer.steps
    assert [json.loads(call.arguments)["at"] for call in calls.tool_calls] == ["map", "list"]
    assert [result.text for result in results.tool_results] == ["seen: map", "seen: list"]
    assert len({call.id for call in calls.tool_calls}) == 2
    sent = json.dumps(loopback.seen[1].json)
    assert "seen: map" in sent
    assert "seen: list" in sent


def test_ids_are_written_as_the_service_takes_them():
    messages = (
        Message("user", text_message("user", "x").parts),
        Message("assistant", (ToolCall("functions.look:0", "look", "{}"),)),
        Message("tool", (ToolResult("functions.look:0", "", "look"),)),
    )
    anthropic = json.loads(AnthropicWire(WHO, ModelCard()).encode(Request("m", messages)).body)["messages"]
    assert anthropic[1]["content"][0]["id"] == anthropic[2]["content"][0]["tool_use_id"] == "functions_look_0"
    mistral = json.loads(OpenAIWire(WHO, VENDORS["mistral"]).encode(Request("m", messages)).body)["messages"]
    assert mistral[1]["tool_calls"][0]["id"] == mistral[2]["tool_call_id"]
    assert len(mistral[2]["tool_call_id"]) == 9
