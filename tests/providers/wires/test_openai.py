import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles import dialects
from tests.doubles.dialects import DATA, WHO, answer

from anaphora.errors import PromptTooLong, ProviderError, RateLimited, ServerFailed, StreamInterrupted, UnreadableAnswer
from anaphora.providers.base import Request
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.wires.openai import OpenAIWire
from anaphora.providers.wires.openai_decoder import OpenAIDecoder
from anaphora.values.events import ProviderEvent, TextDelta
from anaphora.values.message import Image, Message, Options, Text, Thinking, ToolCall, ToolResult, Usage, text_message

LOOK = (ToolCall("a", "look", '{"at":"map"}'), ToolCall("b", "look", '{"at":"list"}'))


def decoded(data: bytes, *, size: int | None = None) -> list[ProviderEvent]:
    return dialects.decoded(OpenAIWire(WHO, VENDORS["groq"]), data, size=size)


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()) + b"\n\n" for chunk in chunks)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


ROUTED = {"details": [{"type": "reasoning.text", "text": "A city.", "format": "unknown", "index": 0}]}


def thought(text: str, name: str, **more: Any) -> Thinking:
    """Thinking that goes back to its service under the same name."""
    return Thinking(text, {"vendor": WHO.service, "field": name, **more})


@pytest.mark.parametrize(
    ("name", "message", "usage", "finish"),
    [
        ("openai", (Text("Paris."),), Usage(1310, 1280, 3), "stop"),
        ("azure", (Text("Paris."),), Usage(14, 0, 3), "stop"),
        ("groq", (thought("Easy.", "reasoning"), Text("Paris.")), Usage(40, 0, 5), "stop"),
        ("together", (Text("Paris."),), Usage(42, 0, 3), "stop"),
        (
            "ollama",
            (
                thought("They ask for a city.", "reasoning"),
                Text("Paris."),
                *(replace(call, id=f"call_{call.id}") for call in LOOK),
            ),
            Usage(21, 0, 30),
            "tool_calls",
        ),
        ("vllm", (thought("A city.", "reasoning_content"), Text("Paris.")), Usage(15, 0, 6), "stop"),
        ("llamacpp", (Text("The capital of France is Paris."),), Usage(32, 0, 8), "stop"),
        ("openrouter", (thought("A city.", "reasoning", **ROUTED), Text("Paris.")), Usage(12, 0, 7, 3), "stop"),
        ("litellm", (Text("Paris."),), None, "stop"),
        ("cumulative", (Text("The capital is Paris."),), None, "stop"),
        ("gemini-tools", LOOK, None, "tool_calls"),
    ],
)
def test_the_recorded_answer_of_every_service_is_understood(name: str, message: Any, usage: Usage | None, finish: str):
    data = (DATA / f"{name}.sse").read_bytes()
    for size in (None, 1, 7, 1000):
        got, end = answer(decoded(data, size=size))
        assert got.parts == message
        assert (end.usage, end.finish) == (usage, finish)
        assert end.model


def test_llamacpps_timings_are_kept_as_details():
    _, end = answer(decoded((DATA / "llamacpp.sse").read_bytes()))
    assert end.details["timings"]["prompt_n"] == 32


@pytest.mark.parametrize("name", [path.stem for path in sorted(DATA.glob("*.sse"))])
def test_a_recorded_answer_cut_at_any_byte_is_never_taken_for_whole(name: str):
    data = (DATA / f"{name}.sse").read_bytes()
    whole, _ = answer(decoded(data))
    finish_seen = max(data.find(b'"finish_reason":"' + word) for word in (b"stop", b"tool_calls", b"eos"))
    for place in range(0, len(data), 3):
        try:
            got, _ = answer(decoded(data[:place]))
        except StreamInterrupted:
            assert place < len(data)
        else:
            assert place > finish_seen
            assert got == whole


def test_done_alone_is_a_cut():
    with pytest.raises(StreamInterrupted, match="broke off"):
        decoded(sse(chunk(content="Par"), b"[DONE]"))


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ({"error": {"message": "slow", "code": 429}}, RateLimited),
        ({"error": "gone"}, ServerFailed),
        ({"object": "error", "message": "old vLLM", "code": 500}, ServerFailed),
        (
            {
                "model": "m",
                "choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"message": "x", "code": 502}}],
            },
            ServerFailed,
        ),
        (
            {"error": {"message": "big", "type": "exceed_context_size_error", "code": 400, "n_prompt_tokens": 9, "n_ctx": 5}},
            PromptTooLong,
        ),
        ({"model": "m", "choices": [], "x_groq": {"error": "Internal"}}, ServerFailed),
    ],
)
def test_an_error_in_the_middle_of_a_success_is_raised(bad: dict[str, Any], kind: type[ProviderError]):
    with pytest.raises(kind):
        decoded(sse(chunk(content="Par"), bad))


@pytest.mark.parametrize("bad", [b"{", b"nonsense", b'{"choices": [{"delta": {"content": "Pa', b"[" * 100_000])
def test_broken_json_in_the_middle_is_an_interruption(bad: bytes):
    with pytest.raises(StreamInterrupted):
        decoded(sse(chunk(content="Par"), bad))


@pytest.mark.parametrize("bad", [b"<html>", b"[]", b"3", b'"x"'])
def test_an_answer_that_begins_with_something_else_is_unreadable(bad: bytes):
    with pytest.raises(UnreadableAnswer):
        decoded(sse(bad))


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": None}}]},
        {"x": 1},
        {},
    ],
)
def test_odd_chunks_are_passed_over(odd: dict[str, Any]):
    message, _ = answer(decoded(sse(chunk(content="Par"), odd, chunk(content="is"), chunk("stop"))))
    assert message.text == "Paris"


def test_a_whole_answer_instead_of_a_stream_is_taken():
    body = {
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    decoder = OpenAIDecoder(WHO, VENDORS["openai-compatible"])
    message, end = answer([*decoder.feed(json.dumps(body)), *decoder.end()])
    assert (message.text, end.usage) == ("Paris.", Usage(3, 0, 2))


def test_usage_of_zero_is_no_usage():
    _, end = answer(
        decoded(
            sse(
                chunk(content="x"),
                chunk("stop"),
                {"model": "m", "choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
            )
        )
    )
    assert end.usage is None


def test_two_deltas_that_repeat_once_are_words_not_accumulation():
    message, _ = answer(decoded(sse(chunk(content="ha"), chunk(content="haha"), chunk(content="!"), chunk("stop"))))
    assert message.text == "hahaha!"
    message, _ = answer(decoded(sse(chunk(content="no"), chunk(content="no no"), chunk("stop"))))
    assert message.text == "nono no"


def test_blanks_around_json_do_no_harm():
    padded = b"data:   \t" + json.dumps(chunk("stop", content="Paris.")).encode() + b" \n\n"
    assert answer(decoded(padded))[0].text == "Paris."


def test_an_empty_finish_reason_is_none():
    with pytest.raises(StreamInterrupted):
        decoded(sse(chunk("", content="Par")))


def test_an_index_that_is_not_said_is_the_first():
    odd = chunk("stop", content="Paris.")
    odd["choices"][0]["index"] = None
    assert answer(decoded(sse(odd)))[0].text == "Paris."


def test_a_refusal_is_the_answers_text():
    message, _ = answer(decoded(sse(chunk(refusal="I cannot."), chunk("stop"))))
    assert message.text == "I cannot."


@pytest.mark.parametrize(
    "pieces",
    [
        # OpenAI: index and id once, then pieces by index.
        [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
            {"index": 0, "function": {"arguments": '{"x":'}},
            {"index": 0, "function": {"arguments": "1}"}},
        ],
        # The id is repeated in every piece.
        [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":'}},
            {"index": 0, "id": "a", "function": {"arguments": "1}"}},
        ],
        # No index at all, pieces without id.
        [{"id": "a", "function": {"name": "f", "arguments": '{"x":'}}, {"function": {"arguments": "1}"}}],
        # No index, the id repeated.
        [{"id": "a", "function": {"name": "f", "arguments": '{"x":'}}, {"id": "a", "function": {"arguments": "1}"}}],
        # The id comes late.
        [{"index": 0, "function": {"name": "f", "arguments": '{"x":'}}, {"index": 0, "id": "a", "function": {"arguments": "1}"}}],
        # Arguments as an object.
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}],
    ],
)
def test_one_tool_call_in_every_way_it_is_sent(pieces: list[dict[str, Any]]):
    message, _ = answer(decoded(sse(*(chunk(tool_calls=[piece]) for piece in pieces), chunk("tool_calls"))))
    (call,) = message.tool_calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("a", "f", {"x": 1})


def test_two_calls_with_the_same_index_but_other_ids_are_two():
    pieces = [{"index": 0, "id": name, "function": {"name": "f", "arguments": "{}"}} for name in "ab"]
    message, _ = answer(decoded(sse(chunk(tool_calls=pieces), chunk("tool_calls"))))
    assert [call.id for call in message.tool_calls] == ["a", "b"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "content",
                        "tool_calls",
                        "function",
                        "index",
                        "usage",
                        "error",
                        "finish_reason",
                        "x_groq",
                        "model",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_no_json_at_all_breaks_the_decoder(value: Any):
    decoder = OpenAIDecoder(WHO, VENDORS["openai-compatible"])
    try:
        decoder.feed(json.dumps(chunk(content="x")))
        decoder.feed(json.dumps(value))
        decoder.end()
    except ProviderError:
        pass


def test_nothing_is_sent_that_the_user_did_not_set():
    body = json.loads(OpenAIWire(WHO, VENDORS["groq"]).encode(Request("m", (text_message("user", "hi"),))).body)
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_the_user_set_is_sent_under_the_services_own_names():
    options = Options(temperature=0.0, max_tokens=5, seed=1, stop=("x",), extra={"top_k": 3, "stream_options": None})
    body = json.loads(OpenAIWire(WHO, VENDORS["openai"]).encode(Request("m", (), options)).body)
    assert (body["temperature"], body["max_completion_tokens"], body["seed"], body["stop"], body["top_k"]) == (
        0.0,
        5,
        1,
        ["x"],
        3,
    )
    assert body["stream_options"] is None
    assert "max_tokens" not in body


def test_every_part_is_encoded_as_the_dialect_wants_it():
    messages = (
        text_message("system", "S"),
        Message("user", (Text("what?"), Image(b"\x89PNG", "image/png"))),
        Message("assistant", (Thinking("hm"), ToolCall("a", "f", '{"x":1}'))),
        Message("tool", (ToolResult("a", "one"), ToolResult("b", "two"))),
    )
    body = json.loads(OpenAIWire(WHO, VENDORS["groq"]).encode(Request("m", messages)).body)
    system, user, assistant, first, second = body["messages"]
    assert system == {"role": "system", "content": "S"}
    assert user["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert assistant == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
    }
    assert (first, second["tool_call_id"]) == ({"role": "tool", "tool_call_id": "a", "content": "one"}, "b")


def test_text_deltas_of_one_event_are_delivered_as_they_are():
    decoder = OpenAIDecoder(WHO, VENDORS["openai-compatible"])
    decoder.feed(json.dumps(chunk(content="a")))
    assert [*decoder.feed(json.dumps(chunk(content="b")))] == [TextDelta("b")]
