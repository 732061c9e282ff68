import json

import pytest

from anaphora.errors import (
    AuthenticationFailed,
    ModelNotFound,
    PromptTooLong,
    ProviderError,
    RateLimited,
    RequestRejected,
    ServerFailed,
)
from anaphora.providers.wires.failures import Answerer, from_error_object, from_response, unreadable

WHO = Answerer("acme", "ACME_API_KEY", "acme-1")


def failed(status: int, body: object = None, **headers: str) -> ProviderError:
    data = body if isinstance(body, bytes) else json.dumps(body if body is not None else {"error": {"message": "why"}}).encode()
    return from_response(WHO, status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AuthenticationFailed, "ACME_API_KEY"),
        (403, AuthenticationFailed, "not allowed"),
        (404, ModelNotFound, "'acme-1'"),
        (400, RequestRejected, "refused"),
        (422, RequestRejected, "refused"),
        (302, RequestRejected, "base URL"),
        (429, RateLimited, "wait a moment"),
        (500, ServerFailed, "not your fault"),
        (503, ServerFailed, "not your fault"),
        (529, ServerFailed, "overloaded"),
    ],
)
def test_every_status_reads_as_a_sentence_that_says_what_to_do(status: int, kind: type[ProviderError], words: str):
    error = failed(status)
    assert type(error) is kind
    assert words in str(error)
    assert str(error).startswith("acme: ")
    assert "why" in str(error)
    assert error.status == status


def test_the_wait_and_the_request_id_are_kept():
    error = failed(429, retry_after="3", x_request_id="req_1")
    assert (error.retry_after, error.request_id, error.retryable) == (3.0, "req_1", True)
    assert "wait 3 seconds" in str(error)


@pytest.mark.parametrize("body", [b"Invalid key: Bearer sk-secret-123", b'{"error": {"message": "bad key sk-secret-123"}}'])
def test_a_key_that_a_server_echoes_is_masked(body: bytes):
    who = Answerer("p", "P_API_KEY", "m", ("sk-secret-123",))
    for error in (from_response(who, 401, {}, body), unreadable(who, "text/plain", body), from_error_object(who, body.decode())):
        assert "secret" not in str(error)
        assert "***" in str(error)
    assert "secret" not in repr(who)


def test_a_used_up_quota_is_told_apart_from_haste():
    assert "billing" in str(failed(429, {"error": {"message": "x", "code": "insufficient_quota"}}))


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "the reason"}},
        {"error": "the reason"},
        {"message": "the reason"},
        {"detail": "the reason"},
        [{"error": {"message": "the reason"}}],
        b"the reason",
    ],
)
def test_the_reason_is_found_in_every_shape(body: object):
    assert "the reason" in str(failed(500, body))


def test_a_web_page_is_named_by_its_title_not_quoted():
    error = failed(
        502, b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>long</body></html>", content_type="text/html"
    )
    assert "web page" in str(error)
    assert "502 Bad Gateway" in str(error)
    assert "<" not in str(error)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[" * 100_000, b'{"error": NaN}', b'{"error": {"message": {"deep": 1}}}', b"null", b"[]"]
)
def test_no_body_breaks_it(body: bytes):
    assert isinstance(failed(500, body), ServerFailed)


def test_llamacpps_numbers_are_read_from_its_fields():
    body = {
        "error": {"code": 400, "message": "too big", "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}
    }
    error = failed(400, body)
    assert isinstance(error, PromptTooLong)
    assert (error.prompt_tokens, error.context_window) == (5000, 4096)


def test_openais_numbers_are_read_from_its_sentence():
    message = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."
    error = failed(400, {"error": {"message": message, "code": "context_length_exceeded"}})
    assert isinstance(error, PromptTooLong)
    assert (error.prompt_tokens, error.context_window) == (9001, 8192)


def test_too_long_without_numbers_is_still_too_long():
    error = failed(400, {"error": {"message": "inputs tokens + max_new_tokens must be <= 4097"}})
    assert isinstance(error, PromptTooLong)
    assert error.prompt_tokens is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"message": "x", "code": 429}, RateLimited),
        ({"message": "x", "code": "429"}, RateLimited),
        ({"message": "x", "type": "overloaded_error"}, ServerFailed),
        ({"message": "x", "code": "rate_limit_exceeded"}, RateLimited),
        ({"message": "x", "type": "invalid_request_error"}, RequestRejected),
        ({"object": "error", "message": "x", "type": "BadRequestError"}, RequestRejected),
        ({"message": "context length", "code": 400}, PromptTooLong),
        ("just words", ServerFailed),
        ({}, ServerFailed),
    ],
)
def test_an_error_inside_an_answer_has_its_type(value: object, kind: type[ProviderError]):
    assert type(from_error_object(WHO, value)) is kind


def test_something_else_than_an_answer_is_shown_shortly():
    assert "base URL" in str(unreadable(WHO, "text/html", b"<html><title>Log in</title>"))
    assert len(str(unreadable(WHO, "text/plain", b"x" * 100_000))) < 600


@pytest.mark.parametrize(
    ("message", "prompt", "window"),
    [
        ("prompt is too long: 208310 tokens > 200000 maximum", 208_310, 200_000),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length", 190_000, 200_000),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048575).",
            1_200_000,
            1_048_575,
        ),
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_every_vendors_words(message: str, prompt: int, window: int):
    error = failed(400, {"error": {"message": message}})
    assert isinstance(error, PromptTooLong)
    assert (error.prompt_tokens, error.context_window) == (prompt, window)
