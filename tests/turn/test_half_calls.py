"""Nothing acts on half a call: calls of an answer that did not end as a whole answer ends are not run."""

import json
from typing import Any

import pytest
from tests.doubles.dialects import KINDS
from tests.doubles.loopback import Loopback, head

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.providers.scripted import Step
from anaphora.values.events import Ended, TextDelta, ToolCallDelta
from anaphora.values.message import Finish

pytestmark = pytest.mark.anyio

CALL = {"index": 0, "id": "call_a1", "function": {"name": "wipe", "arguments": ""}}
BLOCK = {"type": "tool_use", "id": "toolu_1", "name": "wipe", "input": {}}


def events(*items: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in items)


def openai(finish: str, arguments: str = "") -> bytes:
    call = {**CALL, "function": {"name": "wipe", "arguments": arguments}}
    return events({"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": finish}]})


def anthropic(reason: str, arguments: str = "") -> bytes:
    piece = {"type": "input_json_delta", "partial_json": arguments}
    return events(
        {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 5}}},
        {"type": "content_block_start", "index": 0, "content_block": BLOCK},
        {"type": "content_block_delta", "index": 0, "delta": piece},
        {"type": "message_delta", "delta": {"stop_reason": reason}},
        {"type": "message_stop"},
    )


def gemini(reason: str) -> bytes:
    parts = [{"functionCall": {"name": "wipe", "args": {}}}]
    return events({"candidates": [{"content": {"parts": parts}, "finishReason": reason}], "modelVersion": "m"})


def ollama(reason: str) -> bytes:
    message = {"content": "", "tool_calls": [{"function": {"name": "wipe", "arguments": {}}}]}
    return json.dumps({"model": "m", "message": message, "done": True, "done_reason": reason}).encode() + b"\n"


FINE = {
    "openai-compatible": events({"model": "m", "choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}),
    "anthropic": events(
        {"type": "message_start", "message": {"model": "m"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ok"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ),
    "gemini": events({"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}], "modelVersion": "m"}),
    "ollama": b'{"model": "m", "message": {"content": "ok"}, "done": true}\n',
}


@pytest.mark.parametrize(
    ("service", "first"),
    [
        ("openai-compatible", openai("length")),
        ("openai-compatible", openai("length", '{"folder": "/home/a"}')),
        ("openai-compatible", openai("content_filter")),
        ("openai-compatible", openai("insufficient_system_resource")),
        ("anthropic", anthropic("max_tokens")),
        ("anthropic", anthropic("max_tokens", '{"folder": "/home')),
        ("anthropic", anthropic("refusal")),
        ("anthropic", anthropic("pause_turn")),
        ("gemini", gemini("MAX_TOKENS")),
        ("gemini", gemini("OTHER")),
        ("ollama", ollama("length")),
        ("ollama", ollama("load")),
    ],
)
async def test_a_call_in_a_cut_answer_is_not_run_and_the_model_is_told(loopback: Loopback, service: str, first: bytes):
    ran: list[str] = []

    def wipe(folder: str = ".") -> str:
        """Delete everything in a folder."""
        ran.append(folder)
        return "gone"

    start = head(kind=KINDS.get(service, "text/event-stream"))
    loopback.answer(start + first)
    loopback.answer(start + FINE[service])
    async with AsyncChatbot(
        f"{service}:m", base_url=loopback.url, api_key="sk-key-0123", tools=[wipe], context_window=9_000
    ) as bot:
        answer = await bot.say("Clean up")
    assert ran == []
    assert answer.text == "ok"
    assert b"cut before it was whole" in loopback.seen[-1].body


@pytest.mark.parametrize("finish", ["content_filter", "unknown"])
async def test_an_answer_that_was_halted_does_not_pass_as_whole_without_a_word(finish: Finish):
    async with AsyncChatbot(ScriptedProvider([TextDelta("The first half of"), Ended(finish, raw_finish="OTHER")])) as bot:
        answer = await bot.say("hi")
    assert (answer.text, answer.status, answer.finish) == ("The first half of", "complete", finish)
    assert any("may not be whole" in warning for warning in answer.warnings)


async def test_an_empty_answer_carries_a_warning():
    async with AsyncChatbot(ScriptedProvider([Ended("stop")], "words")) as bot:
        assert (await bot.say("hi")).warnings == ("scripted gave an empty answer: ask again, or in another way",)
        assert (await bot.say("hi")).warnings == ()


async def test_a_model_that_only_ever_makes_half_calls_is_made_to_answer():
    half: list[Step] = [ToolCallDelta(0, "call_x1", "wipe", "{"), Ended("length")]
    provider = ScriptedProvider(half, half, half, [TextDelta("I cannot."), Ended("stop")])

    def wipe() -> str:
        """Delete everything."""
        raise AssertionError("it must not run")

    async with AsyncChatbot(provider, tools=[wipe]) as bot:
        assert (await bot.say("Clean up")).text == "I cannot."
    assert [request.options.tool_choice for request in provider.requests] == ["auto", "auto", "auto", "none"]
