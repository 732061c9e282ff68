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


def openai_ends(*reasons: str) -> bytes:
    """A call, and several endings one after the other."""
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "wipe", "arguments": ""}}
    chunks = [{"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}]
    ends = [{"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]} for reason in reasons]
    return events(*chunks, *ends)


def anthropic_ends(*reasons: str) -> bytes:
    return events(
        {"type": "message_start", "message": {"model": "m"}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "a", "name": "wipe", "input": {}},
        },
        *({"type": "message_delta", "delta": {"stop_reason": reason}} for reason in reasons),
        {"type": "message_stop"},
    )


def gemini_ends(*reasons: str, **more: Any) -> bytes:
    parts = [{"functionCall": {"name": "wipe", "args": {}, **more}}]
    chunks = [{"candidates": [{"content": {"parts": parts}}], "modelVersion": "m"}]
    return events(*chunks, *({"candidates": [{"finishReason": reason}], "modelVersion": "m"} for reason in reasons))


def ollama_ends(*reasons: str) -> bytes:
    message = {"content": "", "tool_calls": [{"function": {"name": "wipe", "arguments": {}}}]}
    lines = [{"model": "m", "message": message}, *({"model": "m", "done": True, "done_reason": reason} for reason in reasons)]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


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
        # A later, better ending does not undo a cut.
        ("openai-compatible", openai_ends("length", "stop")),
        ("openai-compatible", openai_ends("tool_calls", "length")),
        ("openai-compatible", openai_ends("tool_calls", "content_filter", "stop")),
        ("anthropic", anthropic_ends("max_tokens", "end_turn")),
        ("anthropic", anthropic_ends("refusal", "tool_use")),
        ("gemini", gemini_ends("MAX_TOKENS", "STOP")),
        ("gemini", gemini_ends("SAFETY", "STOP")),
        ("gemini", gemini_ends("STOP", willContinue=True)),
        ("ollama", ollama_ends("length", "stop")),
    ],
)
async def test_a_call_in_a_cut_answer_is_not_run_and_the_model_is_told(loopback: Loopback, service: str, first: bytes):
    assert await run_of(service, first, loopback) == []
    assert b"cut before it was whole" in loopback.seen[-1].body


async def test_a_refusal_with_calls_runs_none_of_them(loopback: Loopback):
    call = {"index": 0, "id": "a", "function": {"name": "wipe", "arguments": "{}"}}
    delta = {"refusal": "No.", "tool_calls": [call]}
    first = events({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]})
    assert await run_of("openai-compatible", first, loopback) == []


@pytest.mark.parametrize(
    "pieces",
    [
        [{"id": "a", "name": "wipe", "arguments": ""}, {"name": "wipe", "arguments": '{"folder": "/x"}'}],
        [
            {"index": None, "id": "a", "name": "wipe", "arguments": ""},
            {"index": None, "name": "wipe", "arguments": '{"folder": "/x"}'},
        ],
        [
            {"index": 0, "id": "a", "name": "wipe", "arguments": ""},
            {"index": 0, "id": "b", "name": "wipe", "arguments": '{"folder": "/x"}'},
        ],
        [
            {"index": 0, "id": "a", "name": "wipe", "arguments": '{"folder": "/x"}'},
            {"index": 0, "id": "a", "name": "wipe", "arguments": '{"folder": "/x"}'},
        ],
    ],
)
async def test_a_call_that_comes_in_repeated_pieces_is_run_once_with_its_arguments(
    loopback: Loopback, pieces: list[dict[str, Any]]
):
    calls = [
        {key: one[key] for key in ("index", "id") if key in one} | {"function": {key: one[key] for key in ("name", "arguments")}}
        for one in pieces
    ]
    deltas = [{"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]} for call in calls]
    end = {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    assert await run_of("openai-compatible", events(*deltas, end), loopback) == ["/x"]


async def test_arguments_that_come_with_the_beginning_of_a_call_are_taken(loopback: Loopback):
    first = events(
        {"type": "message_start", "message": {"model": "m"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "s", "name": "web"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"folder": "/srv"}'}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "a", "name": "wipe", "input": {"folder": "/x"}},
        },
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    )
    assert await run_of("anthropic", first, loopback) == ["/x"]


@pytest.mark.parametrize(("given", "ran"), [('{"folder": "/x"}', ["/x"]), ("", []), ({"folder": "/x"}, ["/x"]), (None, ["."])])
async def test_arguments_of_ollama_may_be_text(loopback: Loopback, given: Any, ran: list[str]):
    message = {"content": "", "tool_calls": [{"function": {"name": "wipe", "arguments": given}}]}
    first = json.dumps({"model": "m", "message": message, "done": True, "done_reason": "stop"}).encode() + b"\n"
    assert await run_of("ollama", first, loopback) == ran


async def run_of(service: str, first: bytes, loopback: Loopback) -> list[str]:
    """Gives the folders for which a tool ran when this was the first answer."""
    ran: list[str] = []

    def wipe(folder: str = ".") -> str:
        """Delete everything in a folder."""
        ran.append(folder)
        return "gone"

    start = head(kind=KINDS.get(service, "text/event-stream"))
    loopback.answer(start + first)
    loopback.answer(start + FINE[service])
    async with AsyncChatbot(f"{service}:m", base_url=loopback.url, api_key="k", tools=[wipe], context_window=9_000) as bot:
        assert (await bot.say("Clean up")).text == "ok"
    return ran


async def test_a_reason_that_is_not_known_is_told_also_of_an_answer_with_calls(loopback: Loopback):
    start = head(kind="text/event-stream")
    loopback.answer(start + openai("insufficient_system_resource"))
    loopback.answer(start + FINE["openai-compatible"])

    def wipe(folder: str = ".") -> str:
        """Delete everything in a folder."""
        return "gone"

    async with AsyncChatbot("openai-compatible:m", base_url=loopback.url, tools=[wipe], context_window=9_000) as bot:
        answer = await bot.say("Clean up")
    assert any("insufficient_system_resource" in warning for warning in answer.warnings)


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
