"""What holds for every dialect."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.dialects import DATA, WHO, answer, decoded

from anaphora.errors import ProviderError, RequestRejected, ServerFailed, StreamInterrupted, UnreadableAnswer
from anaphora.providers.base import Request
from anaphora.providers.models.card import ModelCard
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.wires.anthropic import AnthropicWire
from anaphora.providers.wires.base import Wire
from anaphora.providers.wires.failures import Answerer
from anaphora.providers.wires.gemini import GeminiWire
from anaphora.providers.wires.ollama import OllamaWire
from anaphora.providers.wires.openai import OpenAIWire
from anaphora.values.message import Image, Message, Options, Part, Text, Thinking, ToolCall, ToolResult, Usage, text_message

WIRES: dict[str, Callable[[], Wire]] = {
    "openai": lambda: OpenAIWire(WHO, VENDORS["groq"]),
    "anthropic": lambda: AnthropicWire(WHO, ModelCard()),
    "gemini": lambda: GeminiWire(WHO, ModelCard()),
    "ollama": lambda: OllamaWire(WHO, 8_192),
}
FILES = {
    "openai": "openai.sse",
    "anthropic": "anthropic/answer.sse",
    "gemini": "gemini/answer.sse",
    "ollama": "ollama/answer.jsonl",
}
LOOK = (ToolCall("{}", "look", '{"at": "map"}'), ToolCall("{}", "look", '{"at": "list"}'))
every_dialect = pytest.mark.parametrize("name", WIRES)


def body(wire: Wire, *messages: Message, stable: int | None = None, **options: Any) -> Any:
    return json.loads(wire.encode(Request("m", messages, Options(**options), stable=stable)).body)


@pytest.mark.parametrize(
    ("name", "parts", "usage"),
    [
        (
            "anthropic",
            (
                Thinking(
                    "They ask for a city.",
                    {"vendor": "anthropic", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk="},
                ),
                Thinking("", {"vendor": "anthropic", "redacted": "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw"}),
                Text("Paris."),
                ToolCall("toolu_01", "look", '{"at":"map"}'),
                ToolCall("toolu_02", "look", '{"at":"list"}'),
            ),
            Usage(1032, 1000, 95, 40, cache_write_tokens=20),
        ),
        (
            "gemini",
            (
                Thinking("They ask for a city."),
                Text("Paris."),
                Thinking("", {"vendor": "gemini", "signature": "CiQBVKhc7tYJ", "of": "next part"}),
                ToolCall("a", "look", '{"at": "map"}'),
                ToolCall("b", "look", '{"at": "list"}'),
            ),
            Usage(1032, 1000, 55, 40),
        ),
        (
            "ollama",
            (
                Thinking("They ask for a city."),
                Text("Paris."),
                ToolCall("call_0", "look", '{"at": "map"}'),
                ToolCall("call_1", "look", '{"at": "list"}'),
            ),
            Usage(21, 0, 30),
        ),
    ],
)
def test_the_answer_of_every_dialect_is_understood_however_its_bytes_arrive(name: str, parts: tuple[Part, ...], usage: Usage):
    data = (DATA / FILES[name]).read_bytes()
    for size in (None, 1, 7, 1000):
        message, end = answer(decoded(WIRES[name](), data, size=size))
        assert message.parts == parts
        assert (end.usage, end.finish) == (usage, "tool_calls")
        assert end.model


@every_dialect
def test_an_answer_cut_anywhere_before_its_end_is_an_error(name: str):
    data = (DATA / FILES[name]).read_bytes()
    whole = answer(decoded(WIRES[name](), data))
    for length in range(0, len(data) - 1, 11):
        try:
            message, end = answer(decoded(WIRES[name](), data[:length]))
        except (StreamInterrupted, UnreadableAnswer):
            continue
        # What is missing is after the end: usage, or an empty line.
        assert (message.parts, end.finish) == (whole[0].parts, whole[1].finish)


@pytest.mark.parametrize(("name", "file"), [("anthropic", "anthropic/refusal.sse"), ("gemini", "gemini/safety.sse")])
def test_a_refusal_keeps_what_was_said_and_says_so(name: str, file: str):
    message, end = answer(decoded(WIRES[name](), (DATA / file).read_bytes()))
    assert (message.text, end.finish) == ("I can", "content_filter")
    assert end.usage is not None
    assert end.usage.output_tokens == 3


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        (
            "anthropic",
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
            ServerFailed,
        ),
        ("gemini", b'data: {"error":{"code":503,"message":"high load","status":"UNAVAILABLE"}}\n\n', ServerFailed),
        ("gemini", b'data: {"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}}\n\n', RequestRejected),
        (
            "gemini",
            b'data: {"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","index":0}],"modelVersion":"g"}\n\n',
            ServerFailed,
        ),
        ("ollama", b'{"error":"an error was encountered while running the model"}\n', ServerFailed),
    ],
)
def test_an_error_inside_a_success_is_one_of_ours(name: str, data: bytes, kind: type[ProviderError]):
    with pytest.raises(kind, match="acme"):
        decoded(WIRES[name](), data)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        (
            "anthropic",
            {
                "type": "message",
                "model": "c",
                "content": [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1}}],
                "stop_reason": "tool_use",
                "usage": {"input_tokens": 5, "output_tokens": 2},
            },
        ),
        (
            "gemini",
            [
                {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}], "modelVersion": "g"},
                {
                    "candidates": [
                        {
                            "content": {"parts": [{"functionCall": {"id": "t", "name": "look", "args": {"a": 1}}}]},
                            "finishReason": "STOP",
                        }
                    ],
                    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2},
                },
            ],
        ),
        (
            "ollama",
            {
                "model": "o",
                "message": {"content": "Hi", "tool_calls": [{"id": "t", "function": {"name": "look", "arguments": {"a": 1}}}]},
                "done": True,
                "prompt_eval_count": 5,
                "eval_count": 2,
            },
        ),
    ],
)
def test_a_whole_answer_is_taken_where_a_stream_was_asked_for(name: str, whole: Any):
    decoder = WIRES[name]().decoder()
    message, end = answer([*decoder.feed(json.dumps(whole)), *decoder.end()])
    assert message.parts == (Text("Hi"), ToolCall("t", "look", '{"a": 1}'))
    assert (end.finish, end.usage) == ("tool_calls", Usage(5, 0, 2))


@every_dialect
def test_nothing_is_sent_that_the_user_did_not_set(name: str):
    text = json.dumps(body(WIRES[name](), text_message("user", "hi")))
    for field in ("temperature", "top_p", "top_k", "seed", "stop", "thinking"):
        assert field not in text
    assert ("max_tokens" in text) == (name == "anthropic")


@every_dialect
def test_what_the_user_sets_is_sent_as_the_dialect_writes_it(name: str):
    sent = body(
        WIRES[name](), text_message("user", "hi"), temperature=0.5, max_tokens=7, seed=3, stop=("END",), extra={"top_k": 4}
    )
    options = sent.get("generationConfig") or sent.get("options") or sent
    assert options["temperature"] == 0.5
    assert 7 in {options.get(field) for field in ("max_tokens", "maxOutputTokens", "num_predict")}
    assert ["END"] in [options.get(field) for field in ("stop", "stop_sequences", "stopSequences")]
    assert sent["top_k"] == 4
    if name != "anthropic":
        assert options["seed"] == 3


@every_dialect
def test_a_conversation_with_everything_in_it_is_written(name: str):
    sent = body(
        WIRES[name](),
        text_message("system", "Be brief."),
        Message("user", (Text("What is this?"), Image(b"PNG", "image/png"))),
        Message("assistant", (Thinking("hm"), Text("Let me see."), ToolCall("a", "look", '{"at":"map"}'))),
        Message("tool", (ToolResult("a", "Paris", "look"),)),
        text_message("assistant", "Paris."),
        text_message("user", "Thanks"),
    )
    text = json.dumps(sent)
    for said in ("Be brief.", "What is this?", "UE5H", "Let me see.", "look", "map", "Paris", "Thanks"):
        assert said in text
    assert '"hm"' not in text


def test_anthropic_gets_the_system_prompt_apart_and_tool_results_from_the_user():
    sent = body(
        WIRES["anthropic"](),
        text_message("system", "Be brief."),
        text_message("user", "Where?"),
        Message("assistant", (ToolCall("a", "look", "not json"),)),
        Message("tool", (ToolResult("a", "no such place", "look", failed=True),)),
        text_message("user", "Go on"),
        stable=4,
    )
    assert sent["system"][0]["text"] == "Be brief."
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    assert sent["messages"][1]["content"][0]["input"] == {"arguments": "not json"}
    result, more = sent["messages"][2]["content"]
    assert (result["type"], result["is_error"], result["tool_use_id"]) == ("tool_result", True, "a")
    assert more == {"type": "text", "text": "Go on"}


def test_anthropic_is_told_to_cache_what_the_next_prompt_begins_with_too():
    messages = (text_message("system", "s"), text_message("user", "a"), text_message("assistant", "b"), text_message("user", "c"))
    marked = [
        block["text"]
        for stable in (3, None)
        for message in body(WIRES["anthropic"](), *messages, stable=stable)["messages"]
        for block in message["content"]
        if "cache_control" in block
    ]
    assert marked == ["b", "c"]
    assert "cache_control" in body(WIRES["anthropic"](), *messages)["system"][0]


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_thinking_goes_back_byte_by_byte_to_the_vendor_that_thought_it_and_to_no_other(name: str):
    thought, _ = answer(decoded(WIRES[name](), (DATA / FILES[name]).read_bytes()))
    again = json.dumps(body(WIRES[name](), text_message("user", "q"), thought))
    for signature in ("EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk=", "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw"):
        assert (signature in again) == (name == "anthropic")
    assert ("CiQBVKhc7tYJ" in again) == (name == "gemini")
    for other in set(WIRES) - {name}:
        elsewhere = json.dumps(body(WIRES[other](), text_message("user", "q"), thought))
        assert "ask for a city" not in elsewhere
        assert "ignature" not in elsewhere


def test_geminis_signature_goes_back_with_the_part_it_came_with():
    thought, _ = answer(decoded(WIRES["gemini"](), (DATA / "gemini/answer.sse").read_bytes()))
    parts = body(WIRES["gemini"](), text_message("user", "q"), thought)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, "CiQBVKhc7tYJ", None]
    assert parts[1]["functionCall"] == {"name": "look", "args": {"at": "map"}}
    last = Message("assistant", (Text("Paris."), Thinking("", {"vendor": "gemini", "signature": "S", "of": "next part"})))
    parts = body(WIRES["gemini"](), text_message("user", "q"), last)["contents"][1]["parts"]
    assert parts == [{"text": "Paris."}, {"text": "", "thoughtSignature": "S"}]


def test_geminis_signature_is_kept_right_after_a_thought_too():
    thought = {"text": "hmm", "thought": True}
    call = {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "S"}
    chunk = {"candidates": [{"content": {"parts": [thought, call]}, "finishReason": "STOP"}], "modelVersion": "g"}
    decoder = WIRES["gemini"]().decoder()
    message, _ = answer([*decoder.feed(json.dumps(chunk)), *decoder.end()])
    assert message.thinking == "hmm"
    (part,) = body(WIRES["gemini"](), text_message("user", "q"), message)["contents"][1]["parts"]
    assert part == {"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "S"}


def test_anthropic_gets_no_message_of_thoughts_alone_and_no_blank_text():
    stopped = Message("assistant", (Thinking("t", {"vendor": "anthropic", "signature": "s"}), Text("\n\n")))
    sent = body(WIRES["anthropic"](), text_message("system", "  "), text_message("user", "a"), stopped, text_message("user", "b"))
    assert "system" not in sent
    assert [message["role"] for message in sent["messages"]] == ["user"]


def test_what_is_asked_only_once_is_not_written_to_the_cache():
    sent = body(WIRES["anthropic"](), text_message("system", "s"), text_message("user", "a"), stable=0)
    assert "cache_control" not in json.dumps(sent)


def test_gemini_is_asked_for_thoughts_where_the_model_has_some():
    wire = GeminiWire(WHO, ModelCard(thinking=True))
    assert body(wire, text_message("user", "hi"))["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}
    assert (
        wire.encode(Request("gemini-x", (text_message("user", "hi"),))).path == "/models/gemini-x:streamGenerateContent?alt=sse"
    )


def test_ollama_is_told_its_window_and_not_to_cut_off_in_silence():
    sent = body(WIRES["ollama"](), text_message("user", "hi"))
    assert sent["options"] == {"num_ctx": 8_192}
    assert (sent["truncate"], sent["shift"]) == (False, False)


def test_anthropic_gets_no_longer_an_answer_than_the_model_can_give_and_its_window_holds():
    wire = AnthropicWire(WHO, ModelCard(max_output=64_000))
    request = Request("m", (text_message("user", "hi"),), room=9_000)
    assert json.loads(wire.encode(request).body)["max_tokens"] == 9_000
    assert body(AnthropicWire(WHO, ModelCard(max_output=64_000)), text_message("user", "hi"))["max_tokens"] == 64_000


@pytest.mark.parametrize(
    ("name", "answer_to", "window"),
    [
        ("openai", {"data": [{"id": "m", "max_model_len": 4_096}]}, 4_096),
        ("openai", {"data": [{"id": "other", "context_length": 4_096}]}, None),
        ("openai", {"default_generation_settings": {"n_ctx": 2_048}}, 2_048),
        ("anthropic", {"id": "m", "max_input_tokens": 200_000}, 200_000),
        ("anthropic", {"id": "m"}, None),
        ("gemini", {"name": "models/m", "inputTokenLimit": 1_048_576}, 1_048_576),
        ("ollama", {"parameters": "stop x\nnum_ctx    8192\n", "model_info": {"llama.context_length": 131_072}}, 8_192),
        ("ollama", {"model_info": {"qwen3.context_length": 40_960}}, 16_384),
        ("ollama", {"model_info": {"llama.context_length": 4_096}}, 4_096),
        ("ollama", {}, None),
    ],
)
def test_the_context_window_is_read_from_what_the_service_says(name: str, answer_to: Any, window: int | None):
    assert WIRES[name]().window("m", answer_to) == window


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
arguments = st.dictionaries(texts, st.integers() | texts, max_size=3).map(json.dumps)
parts = st.lists(
    st.one_of(
        st.builds(Text, texts),
        st.builds(ToolCall, st.uuids().map(str), texts, arguments | texts),
        st.builds(Thinking, texts, st.sampled_from([{}, {"vendor": "anthropic", "signature": "s"}])),
    ),
    max_size=4,
).map(tuple)
messages = st.lists(
    st.one_of(
        st.builds(Message, st.just("user"), st.builds(Text, texts).map(lambda part: (part,))),
        st.builds(Message, st.just("assistant"), parts),
        st.builds(
            Message,
            st.just("tool"),
            st.lists(st.builds(ToolResult, st.uuids().map(str), texts, texts, st.booleans()), max_size=2).map(tuple),
        ),
    ),
    max_size=6,
)


@every_dialect
@given(said=messages)
def test_every_text_that_was_said_is_in_what_is_sent(name: str, said: list[Message]):
    sent = json.dumps(body(WIRES[name](), *said))
    for message in said:
        for part in message.parts:
            if isinstance(part, Text) and part.text.strip():
                assert json.dumps(part.text)[1:-1] in sent
            if isinstance(part, ToolResult):
                assert json.dumps(part.text)[1:-1] in sent


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
@given(said=messages)
def test_speakers_take_turns_where_the_dialect_wants_it(name: str, said: list[Message]):
    sent = body(WIRES[name](), *said)
    roles = [message["role"] for message in sent.get("messages", sent.get("contents"))]
    assert all(one != other for one, other in pairwise(roles))
    for message in sent.get("messages", ()):
        assert message["content"]
        assert all(block.get("text", "x").strip() for block in message["content"])


@pytest.mark.parametrize(("name", "signature"), [("anthropic", b"EqQBCgIYAhIM1gbc"), ("gemini", b"CiQBVKhc7tYJ")])
def test_what_one_address_signed_goes_to_no_other(name: str, signature: bytes):
    make: dict[str, Callable[[Answerer], Wire]] = {
        "anthropic": lambda who: AnthropicWire(who, ModelCard()),
        "gemini": lambda who: GeminiWire(who, ModelCard()),
    }
    here, there = (make[name](replace(WHO, address=f"http://{place}.example")) for place in ("here", "there"))
    signed = answer(decoded(here, (DATA / FILES[name]).read_bytes()))[0]
    request = Request("m", (text_message("user", "hi"), signed, text_message("user", "and?")))
    assert signature in here.encode(request).body
    assert signature not in there.encode(request).body
