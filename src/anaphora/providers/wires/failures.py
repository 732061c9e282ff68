"""Turns a provider's report of a failure (status, body, error object) into one of our errors, with a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from anaphora.errors import (
    AuthenticationFailed,
    ModelNotFound,
    PromptTooLong,
    ProviderError,
    RateLimited,
    RequestRejected,
    ServerFailed,
    UnreadableAnswer,
)
from anaphora.providers.retry import retry_after, should_retry
from anaphora.providers.wires.secrets import masked

_TOO_LONG = re.compile(
    r"context[_ ](length|size|window)|exceed_context|maximum context|too many tokens|prompt is too long"
    r"|max_new_tokens must be <=|reduce the length|input token count .*exceeds the maximum|exceed(s)? (the )?context limit",
    re.IGNORECASE,
)
_TOO_LONG_NUMBERS = (
    # Anthropic, in two forms.
    re.compile(r"too long: (?P<prompt>\d+) tokens > (?P<window>\d+)"),
    re.compile(r"context limit: (?P<prompt>\d+) \+ \d+ > (?P<window>\d+)"),
    # Google.
    re.compile(r"token count \(?(?P<prompt>\d+)\)? exceeds the maximum number of tokens allowed \(?(?P<window>\d+)"),
    # OpenAI, vLLM: "maximum context length is 4096 tokens. However, you requested 5000 tokens"
    re.compile(
        r"maximum context length is (?P<window>\d+).*?(?:requested|resulted in|has) (?:about )?(?P<prompt>\d+)", re.DOTALL
    ),
    # llama.cpp without the fields: "request (5000 tokens) exceeds the available context size (4096 tokens)"
    re.compile(r"\((?P<prompt>\d+) tokens\).*?\((?P<window>\d+) tokens\)", re.DOTALL),
)
_EXCERPT = 300
# A message of a router with the reason of the service behind it.
_MOST_REASON = 2 * _EXCERPT
# More of a body is not looked at, in bytes.
_MOST_READ = 100_000


@dataclass(frozen=True, slots=True)
class Answerer:
    """The service in an error: the provider's name, the variable that holds its key (if any), the requested model.

    ``secrets`` are the key and the values of the user's own headers, so that they can be masked in a server's text. ``address``
    tells apart the services of one provider's name.
    """

    provider: str
    key_variable: str | None = None
    model: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    address: str = ""
    has_key: bool = True

    @property
    def service(self) -> str:
        """The service whose opaque values go back to it alone."""
        return f"{self.provider}#{sha256(self.address.encode()).hexdigest()[:8]}" if self.address else self.provider

    def tag(self, vendor: str) -> str:
        """Gives the name under which a vendor's opaque values are kept; another address has another one."""
        return f"{vendor}{self.service.removeprefix(self.provider)}"

    def masked(self, text: str) -> str:
        """Gives the text with the secrets masked."""
        return masked(text, self.secrets)


def from_response(who: Answerer, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """Gives the error for a response that is not a success. ``headers`` are in lower case."""
    error, message = _error_object(who, body)
    if not message and _is_html(headers, body):
        message = f"it answered with a web page instead of JSON ({_title(who.masked(_decoded(body)).encode())})"
    message = who.masked(message)[:_MOST_REASON]
    error_class, advice = _by_status(status, who, message, f"{error.get('code')} {error.get('type')}")
    sentence = f"{who.provider}: {advice}" + (f" It says: {message}" if message else "")
    wait = retry_after(headers)
    if wait is None:
        wait = _wait_in(error)
    if wait is not None and error_class is RateLimited:
        sentence += f" It asks to wait {wait:g} seconds."
    result = error_class(
        sentence,
        provider=who.provider,
        status=status,
        request_id=headers.get("x-request-id") or headers.get("request-id"),
        retry_after=wait,
        retryable=should_retry(status, headers) and "spend_limit" not in str(error.get("details")),
    )
    _add_numbers(result, error, message)
    return result


def from_error_object(who: Answerer, value: Any) -> ProviderError:
    """Gives the error for an error object inside an answer that began as a success."""
    error = value if isinstance(value, dict) else {"message": str(value)}
    message = who.masked(_reason(error) or "no reason given")[:_MOST_REASON]
    code = error.get("code")
    digits = str(code)
    status = int(digits) if re.fullmatch("[45][0-9][0-9]", digits) else None
    kind = f"{code} {error.get('type')}"
    if status is None:
        status = next((number for word, number in _STATUS_OF_KIND.items() if word in kind), 500)
    error_class, advice = _by_status(status, who, message, kind)
    result = error_class(
        f"{who.provider}: {advice} It says: {message}", provider=who.provider, status=status, retryable=should_retry(status, {})
    )
    _add_numbers(result, error, message)
    return result


def unreadable(who: Answerer, content_type: str, body: bytes) -> UnreadableAnswer:
    """Gives the error for a success whose body breaks the protocol."""
    body = who.masked(_decoded(body)).encode("utf-8", "replace")
    if _is_html({"content-type": content_type}, body):
        seen = f"a web page ({_title(body)})"
    else:
        seen = f"something that is not a chat answer: {_excerpt(body)!r}"
    return UnreadableAnswer(
        f"{who.provider}: the address answered with {seen}. Check the base URL: it usually ends in /v1.", provider=who.provider
    )


_STATUS_OF_KIND = {
    "rate_limit": 429,
    "quota": 429,
    "overloaded": 529,
    "authentication": 401,
    "invalid_api_key": 401,
    "permission": 403,
    "not_found": 404,
    "invalid_request": 400,
    "context_length": 400,
    "exceed_context": 400,
    "BadRequest": 400,
}


def _by_status(status: int, who: Answerer, message: str, kind: str) -> tuple[type[ProviderError], str]:
    if status in {400, 413, 422} and _TOO_LONG.search(f"{kind} {message}"):
        return PromptTooLong, "the conversation is longer than the model's context window."
    if status == 429 and "quota" in kind:
        return RateLimited, "the quota is used up: check your plan and billing."
    match status:
        case 401:
            return AuthenticationFailed, f"the API key was not accepted. {_key_advice(who)}"
        case 403:
            return AuthenticationFailed, f"this key is not allowed to do that. {_key_advice(who)}"
        case 404:
            return ModelNotFound, f"there is no model {who.model!r} here, or the base URL is wrong."
        case 429:
            return RateLimited, "too many requests: wait a moment and try again."
        case 408 | 529:
            return ServerFailed, "the service is overloaded: try again in a moment."
        case _ if status >= 500:
            return ServerFailed, f"the service failed (HTTP {status}): this is not your fault, try again in a moment."
        case _ if 300 <= status < 400:
            return RequestRejected, f"the address redirects elsewhere (HTTP {status}): put the final address into the base URL."
        case _:
            return RequestRejected, f"the request was refused (HTTP {status})."


def _key_advice(who: Answerer) -> str:
    if not who.has_key:
        return "No key was sent: set ANAPHORA_API_KEY, or name its variable (--key-env NAME, key_env= in Python)."
    return f"Check the variable {who.key_variable}." if who.key_variable else "Check the API key."


def _error_object(who: Answerer, body: bytes) -> tuple[dict[str, Any], str]:
    """Finds the error and its message in the usual shapes: {"error": {…}}, {"error": "…"}, {"message": …}, {"detail": …}."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}, "" if _is_html({}, body) else _excerpt(who.masked(_decoded(body)).encode())
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return {}, _excerpt(who.masked(_decoded(body)).encode())
    error = value.get("error", value)
    if not isinstance(error, dict):
        return {}, who.masked(str(error))[:_EXCERPT]
    return error, _reason(error) or _text(value.get("message"))


def _reason(error: Mapping[str, Any]) -> str:
    """Gives the message of an error, with the reason of the service behind a router (OpenRouter hides it in the metadata)."""
    message = _text(error.get("message") or error.get("detail"))
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not raw:
        return message
    try:
        value = json.loads(raw) if isinstance(raw, str) else raw
    except (ValueError, RecursionError):
        value = raw
    inner = value.get("error", value) if isinstance(value, dict) else value
    reason = _text(inner.get("message") or inner) if isinstance(inner, dict) else _text(inner)
    return f"{message[:_EXCERPT]}: {reason}" if reason and reason not in message else message


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _wait_in(error: Mapping[str, Any]) -> float | None:
    """Reads the seconds to wait that Google writes into the error itself (google.rpc.RetryInfo)."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?s", delay):
            return float(delay[:-1])
    return None


def _add_numbers(error: ProviderError, fields: Mapping[str, Any], message: str) -> None:
    if not isinstance(error, PromptTooLong):
        return
    found = next((match for pattern in _TOO_LONG_NUMBERS if (match := pattern.search(message))), None)
    prompt, window = fields.get("n_prompt_tokens"), fields.get("n_ctx")
    if isinstance(prompt, int) and isinstance(window, int):
        error.numbers(prompt, window)
    elif found is not None:
        error.numbers(int(found["prompt"]), int(found["window"]))


def _is_html(headers: Mapping[str, str], body: bytes) -> bool:
    return "html" in headers.get("content-type", "") or body.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))


def _title(body: bytes) -> str:
    found = re.search(rb"<title[^>]*>([^<]*)", body, re.IGNORECASE)
    return _excerpt(found[1] if found else re.sub(rb"<[^>]*>", b" ", body))


def _excerpt(body: bytes) -> str:
    return " ".join(_decoded(body).split())[:_EXCERPT]


def _decoded(body: bytes) -> str:
    return body[:_MOST_READ].decode("utf-8", "replace")
