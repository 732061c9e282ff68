"""Answers as careless services send them: calls, bills, errors and framing in every shape that reports name."""

import base64
import json
from typing import Any

import pytest
from tests.doubles.dialects import WHO, answer, decoded
from tests.doubles.loopback import Loopback, head, http

from anaphora import AsyncChatbot
from anaphora.errors import AnaphoraError, PromptTooLong, ProviderError
from anaphora.providers.http.service import service_url
from anaphora.providers.models.card import ModelCard
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.retry import Retries
from anaphora.providers.wires.anthropic import AnthropicWire
from anaphora.providers.wires.failures import Answerer, from_error_object, from_response
from anaphora.providers.wires.gemini import GeminiWire
from anaphora.providers.wires.openai import OpenAIWire
from anaphora.values.address import is_near
from anaphora.values.message import Image, ToolCall, Usage

KEY = "sk-AbC/dEf+0123456789/canary"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 200).decode()
URL = f"data:image/png;base64,{PNG}"


def stream(*choices: Any, vendor: str = "openai-compatible", usage: Any = None) -> Any:
    """The message and the end of an answer whose chunks have these lists of choices."""
    chunks: list[dict[str, Any]] = [{"model": "m", "choices": one if isinstance(one, list) else [one]} for one in choices]
    chunks.append({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage})
    data = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    return answer(decoded(OpenAIWire(WHO, VENDORS[vendor]), data))


def calls(*pieces: Any) -> list[tuple[str, str]]:
    """The names and arguments of the calls that pieces make; each piece is one chunk."""
    message, _ = stream(*({"index": 0, "delta": {"tool_calls": [piece]}} for piece in pieces))
    return [(call.name, call.arguments) for call in message.tool_calls]


def piece(name: str | None = None, arguments: Any = "", **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


BOTH = [("look", '{"at": 1}'), ("look", '{"at": 2}')]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([piece("look", '{"at": 1}', index=0, id="a"), piece("look", '{"at": 2}', index=1, id="b")], id="right"),
        pytest.param([piece("look", '{"at": 1}', index=0, id="a"), piece("look", '{"at": 2}', index=0, id="b")], id="one index"),
        pytest.param([piece("look", '{"at": 1}', id="a"), piece("look", '{"at": 2}', id="b")], id="no index"),
        pytest.param([piece("look", '{"at": 1}', index=0), piece("look", '{"at": 2}', index=0)], id="neither"),
        pytest.param([piece("look", '{"at": 1}', index="0"), piece("look", '{"at": 2}', index="1")], id="index as text"),
        pytest.param([piece("look", {"at": 1}, index=0), piece("look", {"at": 2}, index=1)], id="objects"),
        pytest.param(
            [
                piece("look", "", index=0, id="a"),
                piece(None, '{"at"', index=0, id="other"),
                piece(None, ": 1}", index=0, id="third"),
                piece("look", '{"at": 2}', index=1, id="b"),
            ],
            id="an id of its own for each piece",
        ),
        pytest.param(
            [
                piece("look", '{"at"', index=0, id="a"),
                piece("look", ": 1}", index=0, id="a"),
                piece("look", '{"at": 2}', index=0, id="b"),
            ],
            id="the name in each piece",
        ),
        pytest.param([piece("look", '{"at": 1}', index=0, id=1), piece("look", '{"at": 2}', index=0, id=2)], id="numbers as ids"),
    ],
)
def test_parallel_calls_are_put_together(pieces: list[Any]):
    assert calls(*pieces) == BOTH


def test_calls_in_several_choices_are_one_answer():
    first = {"index": 0, "message": {"content": "Looking."}, "finish_reason": "stop"}
    second = {"index": 1, "message": {"tool_calls": [piece("look", '{"at": 1}', id="a")]}, "finish_reason": "tool_calls"}
    third = {"index": 2, "message": {"tool_calls": [piece("look", '{"at": 2}', id="b")]}, "finish_reason": "tool_calls"}
    message, ended = stream([first, second, third])
    assert message.text == "Looking."
    assert [(call.name, call.arguments) for call in message.tool_calls] == BOTH
    assert ended.finish == "tool_calls"


def test_the_text_of_a_second_choice_is_no_part_of_the_answer():
    message, _ = stream([{"index": 0, "delta": {"content": "one"}}, {"index": 1, "delta": {"content": "two"}}])
    assert message.text == "one"


def test_the_old_form_of_a_call_is_a_call():
    message, _ = stream({"index": 0, "delta": {"function_call": {"name": "look", "arguments": '{"at": 1}'}}})
    assert [(call.name, call.arguments) for call in message.tool_calls] == BOTH[:1]


def test_what_a_call_carries_goes_back_with_it_to_its_own_service_only():
    extra = {"google": {"thought_signature": "c2ln"}}
    message, _ = stream({"index": 0, "delta": {"tool_calls": [piece("look", "{}", index=0, id="a", extra_content=extra)]}})
    (call,) = message.tool_calls
    own, other = OpenAIWire(WHO, VENDORS["groq"]), OpenAIWire(Answerer("other"), VENDORS["groq"])
    assert own._call(call)["extra_content"] == extra
    assert other._call(call) == {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("vendor", "usage", "counted"),
    [
        ("xai", {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1410}, Usage(1000, 0, 410, 400)),
        ("openai", {"prompt_tokens": 1000, "completion_tokens": 410, "total_tokens": 1410}, Usage(1000, 0, 410, 400)),
        ("xai", {"prompt_tokens": 1000, "completion_tokens": 10}, Usage(1000, 0, 410, 400)),
        ("openrouter", {"prompt_tokens": 9, "completion_tokens": 900, "cost": 0.0123}, Usage(9, 0, 900, 400, 0.0123)),
        ("xai", {"prompt_tokens": 9, "completion_tokens": 900, "cost_in_usd_ticks": 25_000_000}, Usage(9, 0, 900, 400, 0.0025)),
        ("openai", {"prompt_tokens": 9, "completion_tokens": 900, "cost": 0.0123}, Usage(9, 0, 900, 400)),
        ("openrouter", {"prompt_tokens": 9, "completion_tokens": 900, "cost": True}, Usage(9, 0, 900, 400)),
        ("openrouter", {"prompt_tokens": 9, "completion_tokens": 900, "cost": 10**400}, Usage(9, 0, 900, 400)),
        ("openai", {"prompt_tokens": 9.0, "completion_tokens": 10**30}, Usage(9, 0, 400, 400)),
        ("openai", {"prompt_tokens": True, "completion_tokens": "7"}, Usage(0, 0, 400, 400)),
    ],
)
def test_the_bill_is_what_the_service_states(vendor: str, usage: dict[str, Any], counted: Usage):
    usage = {**usage, "completion_tokens_details": {"reasoning_tokens": 400}}
    _, ended = stream({"index": 0, "delta": {"content": "Four."}}, vendor=vendor, usage=usage)
    assert ended.usage == counted


def events(*items: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in items)


def test_a_later_report_never_lowers_what_was_certain():
    usage = {"input_tokens": 15_000, "cache_read_input_tokens": 2_000, "output_tokens": 1}
    data = events(
        {"type": "message_start", "message": {"model": "m", "usage": usage}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi."}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 3},
        },
        {"type": "message_stop"},
    )
    assert answer(decoded(AnthropicWire(WHO, ModelCard()), data))[1].usage == Usage(17_000, 2_000, 3)
    counts = [{"promptTokenCount": 50, "candidatesTokenCount": 5}, {"promptTokenCount": 0, "candidatesTokenCount": 0}]
    parts = {"content": {"parts": [{"text": "Hi."}]}}
    data = events(
        {"candidates": [parts], "usageMetadata": counts[0], "modelVersion": "m"},
        {"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts[1], "modelVersion": "m"},
    )
    assert answer(decoded(GeminiWire(WHO, ModelCard()), data))[1].usage == Usage(50, 0, 5)
    early, late = {"prompt_tokens": 50, "completion_tokens": 5}, {"prompt_tokens": 0, "completion_tokens": 0}
    chunks = [
        {
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": "Hi."}}],
            "usage": early,
        },
        {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": late},
    ]
    assert answer(decoded(OpenAIWire(WHO, VENDORS["groq"]), events(*chunks)))[1].usage == Usage(50, 0, 5)


def test_pictures_in_an_answer_are_kept_in_their_place():
    image = Image(base64.b64decode(PNG), "image/png")
    parts = {"content": {"parts": [{"text": "An apple."}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]}}
    data = events({"candidates": [{**parts, "finishReason": "STOP"}], "modelVersion": "m"})
    message, _ = answer(decoded(GeminiWire(WHO, ModelCard()), data))
    assert (message.text, message.parts[1:]) == ("An apple.", (image,))
    shown = {"index": 0, "delta": {"content": "", "images": [{"type": "image_url", "image_url": {"url": URL}}]}}
    message, _ = stream({"index": 0, "delta": {"content": "An apple."}}, shown)
    assert (message.text, message.parts[1:]) == ("An apple.", (image,))
    message, _ = stream({"index": 0, "delta": {"content": f"An apple: ![it]({URL}) Nice."}})
    assert (message.text, message.parts[1]) == ("An apple:  Nice.", image)


def hidden(raw: Any, code: int) -> dict[str, Any]:
    return {"message": "Provider returned error", "code": code, "metadata": {"raw": raw, "provider_name": "Crucible"}}


@pytest.mark.parametrize(
    ("raw", "code", "told"),
    [
        (json.dumps({"error": {"message": "at most 1 image per prompt"}}), 400, "at most 1 image per prompt"),
        ("it is rate-limited upstream, add your own key", 429, "add your own key"),
        ({"message": "bad schema"}, 400, "bad schema"),
        (json.dumps({"error": "overloaded"}), 503, "overloaded"),
    ],
)
def test_the_reason_behind_a_router_is_told(raw: Any, code: int, told: str):
    error = hidden(raw, code)
    assert told in str(from_error_object(WHO, error))
    assert told in str(from_response(WHO, code, {}, json.dumps({"error": error}).encode()))


def test_a_prompt_too_long_is_known_behind_a_router():
    message = "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens."
    error = from_error_object(WHO, hidden(json.dumps({"error": {"message": message}}), 400))
    assert isinstance(error, PromptTooLong)
    assert (error.prompt_tokens, error.context_window) == (5_000, 4_096)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (502, "text/html", f"<html><body><h1>Error</h1>Authorization: Bearer {KEY}</body></html>"),
        (502, "text/html", f"<html><title>denied {KEY}</title></html>"),
        (200, "text/html", f"<html><body>Bearer {KEY}</body></html>"),
        (401, "application/json", json.dumps({"error": {"message": f"bad key {KEY}"}}).replace("/", "\\/")),
        (401, "application/json", json.dumps({"error": {"message": f"bad key {KEY}"}}).replace("+", "\\u002B")),
        (401, "application/json", json.dumps({"error": {"message": f"bad {KEY.replace('/', '%2F').replace('+', '%2b')}"}})),
        (401, "text/plain", f"{'x' * 285} {KEY}"),
        (400, "application/json", json.dumps({"error": hidden({"headers": {"authorization": KEY}}, 400)})),
        (200, "text/event-stream", f"data: {json.dumps({'error': {'message': KEY}})}\n\n"),
        (200, "text/event-stream", f"data: not JSON {KEY}\n\n"),
    ],
)
@pytest.mark.anyio
async def test_no_error_shows_the_key(loopback: Loopback, status: int, kind: str, body: str):
    loopback.answer(http(body.encode(), status=status, kind=kind, x_request_id=KEY))
    options: Any = {"base_url": loopback.url, "api_key": KEY, "context_window": 8_000, "retries": Retries(attempts=0)}
    async with AsyncChatbot("openai-compatible:m", **options) as bot:
        with pytest.raises(AnaphoraError) as caught:
            await bot.say("hi")
    error = caught.value
    told = f"{error!r} {error} {error.request_id if isinstance(error, ProviderError) else ''}"
    assert "canary" not in told
    assert "AbC" not in told


@pytest.mark.parametrize(
    ("key", "text", "masked"),
    [
        ("k", "the key k is known", "the key *** is known"),
        ("secret", "a secretary keeps the secret", "a secretary keeps the ***"),
        ("sk-longer-key", "xsk-longer-keyx SK-LONGER-KEY", "x***x ***"),
    ],
)
def test_keys_of_any_length_are_masked(key: str, text: str, masked: str):
    assert Answerer("p", secrets=(key,)).masked(text) == masked


TEXT = b'{"model": "m", "choices": [{"index": 0, "delta": {"content": "Paris."}, "finish_reason": "stop"}]}'
USAGE = b'{"model": "m", "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"data: " + TEXT, id="the last event without its blank line"),
        pytest.param(b"data: " + TEXT + b"\n\ndata: [DONE]", id="the end without its blank line"),
        pytest.param(b"data: " + TEXT + b"\ndata: " + USAGE + b"\n\n", id="no blank line between"),
        pytest.param(TEXT + b"\n" + USAGE + b"\n", id="lines of JSON"),
        pytest.param(b"data: " + TEXT + b'\n\ndata: {"cut": ', id="a cut event after the end"),
        pytest.param(b"\xef\xbb\xbfdata: " + TEXT + b"\r\n\r\n", id="a byte order mark"),
    ],
)
@pytest.mark.anyio
async def test_an_answer_counts_however_it_is_framed(loopback: Loopback, body: bytes):
    loopback.answer(head() + body)
    async with AsyncChatbot("openai-compatible:m", base_url=loopback.url, context_window=8_000) as bot:
        assert (await bot.say("hi")).text == "Paris."


@pytest.mark.parametrize(
    ("pasted", "used"),
    [
        (" https://h/v1 \n", "https://h/v1"),
        ("https://h/v1/chat/completions", "https://h/v1"),
        ("https://h/v1/", "https://h/v1"),
        ("https://h/openai/deployments/d/chat/completions?api-version=1", "https://h/openai/deployments/d?api-version=1"),
        ("https://h/v1/messages#frag", "https://h/v1"),
        ("http://h:11434/api/chat", "http://h:11434"),
        ("https://h/v1beta/models/gemini-x:streamGenerateContent?key=1", "https://h/v1beta?key=1"),
        ("https://h/v1/models", "https://h/v1"),
        ("https://h/models-of-ours/v1", "https://h/models-of-ours/v1"),
    ],
)
def test_a_base_url_works_as_people_paste_it(pasted: str, used: str):
    assert service_url(pasted) == used


@pytest.mark.anyio
async def test_the_query_of_a_base_url_goes_with_every_call(loopback: Loopback):
    loopback.answer(head() + b"data: " + TEXT + b"\n\n")
    async with AsyncChatbot("openai-compatible:m", base_url=f" {loopback.url}?api-version=7 ", context_window=8_000) as bot:
        await bot.say("hi")
    assert loopback.seen[0].line.split(" ")[1] == "/v1/chat/completions?api-version=7"


@pytest.mark.parametrize(
    ("url", "near"),
    [
        ("http://127.0.0.1:8080/v1", True),
        ("http://localhost/v1", True),
        ("http://192.168.1.5/v1", True),
        ("http://box:8080/v1", True),
        ("http://box.local/v1", True),
        ("http://[::1]/v1", True),
        ("https://api.example.com/v1", False),
        ("https://8.8.8.8/v1", False),
    ],
)
def test_only_a_machine_near_by_may_load_for_minutes(url: str, near: bool):
    assert is_near(url) is near


def test_a_call_is_equal_to_itself_after_it_was_stored():
    call = ToolCall("a", "look", "{}", {"vendor": "x", "extras": {"e": 1}})
    assert hash(call) == hash(ToolCall("a", "look", "{}"))
