"""What every service must do, over a real socket, in whatever dialect."""

import json
from collections.abc import AsyncGenerator

import pytest
from tests.doubles.dialects import ANSWERS, DATA, KINDS, streamed
from tests.doubles.loopback import Loopback, http

from anaphora.errors import (
    AuthenticationFailed,
    ModelNotFound,
    ProviderError,
    RateLimited,
    RequestRejected,
    ServerFailed,
    StreamInterrupted,
    UnreadableAnswer,
)
from anaphora.providers.base import ModelRef, ProviderOptions, Request
from anaphora.providers.http.service import Service, open_provider
from anaphora.providers.models.card import ModelCard, Prices
from anaphora.values.draft import AnswerDraft
from anaphora.values.events import Ended
from anaphora.values.message import Usage, text_message

pytestmark = pytest.mark.anyio
REQUEST = Request("m", (text_message("user", "hi"),))


@pytest.fixture(params=ANSWERS)
async def service(request: pytest.FixtureRequest, loopback: Loopback) -> AsyncGenerator[Service, None]:
    loopback.about["/api/show"] = http(b"{}", status=404)
    loopback.about["/api/tags"] = http(b'{"models": [{"name": "m-1"}]}')
    name = str(request.param)
    provider = open_provider(ModelRef(name, "m"), ProviderOptions(base_url=loopback.url, api_key="sk-canary"))
    yield provider
    await provider.aclose()


async def said(service: Service) -> tuple[str, Ended | None, ProviderError | None]:
    draft, ended, error = AnswerDraft(), None, None
    try:
        async for event in service.stream(REQUEST):
            if isinstance(event, Ended):
                ended = event
            else:
                draft.add(event)
    except ProviderError as caught:
        error = caught
    return draft.message().text, ended, error


async def test_an_answer_is_read_to_its_end(loopback: Loopback, service: Service):
    loopback.answer(streamed(service.name, "Grüße aus Köln"))
    text, ended, error = await said(service)
    assert (text, error) == ("Grüße aus Köln", None)
    assert ended is not None
    assert (ended.finish, ended.model, ended.usage) == ("stop", "m", Usage(10, 0, 5))


async def test_the_key_goes_where_the_dialect_wants_it_and_nowhere_else(loopback: Loopback, service: Service):
    loopback.answer(streamed(service.name, "ok"))
    await said(service)
    (seen,) = loopback.seen
    shown = {name for name, value in seen.headers.items() if "sk-canary" in value}
    assert shown == {{"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(service.name, "authorization")}
    assert "sk-canary" not in seen.line + seen.body.decode()


async def test_a_stream_cut_at_any_byte_is_an_error_and_keeps_what_came(loopback: Loopback, service: Service):
    whole = streamed(service.name, "Paris.")
    start = whole.index(b"\r\n\r\n") + 4
    for place in range(start, len(whole) - 1, 29):
        loopback.answer(whole[:place])
        text, ended, error = await said(service)
        assert text in {"", "Paris."}
        if ended is None:
            assert isinstance(error, StreamInterrupted | UnreadableAnswer)
        else:
            # Only what follows the end is missing.
            assert text == "Paris."


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RequestRejected), (401, AuthenticationFailed), (404, ModelNotFound), (429, RateLimited), (503, ServerFailed)],
)
async def test_every_refusal_is_a_typed_error_without_the_key(
    loopback: Loopback, service: Service, status: int, kind: type[ProviderError]
):
    loopback.answer(http(json.dumps({"error": {"message": "no: sk-canary", "type": "x"}}).encode(), status=status))
    _, _, error = await said(service)
    assert type(error) is kind
    assert "sk-canary" not in str(error)


@pytest.mark.parametrize("body", [b"<html><title>Sign in</title></html>", b"", b"[", b'"text"', b'{"what": "ever"}'])
async def test_what_is_no_answer_is_no_crash(loopback: Loopback, service: Service, body: bytes):
    loopback.answer(http(body, kind="text/html" if body.startswith(b"<") else "application/json"))
    _, ended, error = await said(service)
    assert ended is None
    assert isinstance(error, UnreadableAnswer | StreamInterrupted)


async def test_the_window_of_a_model_that_nobody_knows_is_asked_for(loopback: Loopback, service: Service):
    answers = {
        "openai": ("/models", {"data": [{"id": "m", "context_length": 4_096}]}),
        "anthropic": ("/models", {"id": "m", "max_input_tokens": 4_096}),
        "gemini": ("/models", {"name": "models/m", "inputTokenLimit": 4_096}),
        "ollama": ("/api/show", {"model_info": {"llama.context_length": 4_096}}),
    }
    path, value = answers[service.name]
    loopback.about[path] = http(json.dumps(value).encode())
    assert (await service.prepare("m")).context_window == 4_096
    loopback.about[path] = http(b"[]", status=500)
    assert (await service.prepare("m")).context_window == 4_096
    assert (await service.prepare("unheard-of")).context_window is None


async def test_what_the_user_knows_of_a_model_goes_before_all(loopback: Loopback, service: Service):
    own = {f"{service.name}:m": ModelCard(context_window=777, prices=Prices(1, 2))}
    provider = open_provider(ModelRef(service.name, "m"), ProviderOptions(base_url=loopback.url, api_key="k", cards=own))
    info = await provider.prepare("m")
    assert (info.context_window, info.card.prices) == (777, Prices(1, 2))
    await provider.aclose()


async def test_the_models_on_offer_are_listed(loopback: Loopback, service: Service):
    loopback.about["/models"] = http(
        json.dumps({"data": [{"id": "m-1"}], "models": [{"name": "models/m-1", "inputTokenLimit": 9}]}).encode()
    )
    assert list(await service.models()) == ["m-1"]


async def test_google_says_how_long_to_wait_in_the_body(loopback: Loopback):
    provider = open_provider(ModelRef("gemini", "m"), ProviderOptions(base_url=loopback.url, api_key="k"))
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
    body = [{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}}]
    loopback.answer(http(json.dumps(body).encode(), status=429))
    _, _, error = await said(provider)
    assert isinstance(error, RateLimited)
    assert (error.retry_after, error.retryable) == (7.0, True)
    await provider.aclose()


async def test_a_spend_limit_is_not_asked_again(loopback: Loopback):
    provider = open_provider(ModelRef("anthropic", "m"), ProviderOptions(base_url=loopback.url, api_key="k"))
    error = {"type": "rate_limit_error", "message": "spend", "details": {"error_code": "enforced_spend_limit_reached"}}
    loopback.answer(http(json.dumps({"type": "error", "error": error}).encode(), status=429, request_id="req_1"))
    _, _, caught = await said(provider)
    assert isinstance(caught, RateLimited)
    assert (caught.retryable, caught.request_id) == (False, "req_1")
    await provider.aclose()


async def test_what_was_recorded_is_read_over_a_socket_too(loopback: Loopback, service: Service):
    files = {"openai": "openai.sse", "ollama": "ollama/answer.jsonl"}
    data = (DATA / files.get(service.name, f"{service.name}/answer.sse")).read_bytes()
    head = http(b"", kind=KINDS.get(service.name, "text/event-stream")).replace(b"content-length: 0\r\n", b"")
    loopback.answer(head, *(data[place : place + 100] for place in range(0, len(data), 100)))
    text, ended, error = await said(service)
    assert (text, error) == ("Paris.", None)
    assert ended is not None
