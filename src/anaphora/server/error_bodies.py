"""Errors as OpenAI's clients understand them: a status, and a body with a sentence, a type, a parameter and a code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from anaphora.errors import (
    AnaphoraError,
    ConfigError,
    ContextTooLong,
    ConversationBusy,
    CostLimitReached,
    InvalidAnswer,
    InvalidMessage,
    MissingExtra,
    MissingKey,
    NotFound,
    PromptTooLong,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    RequestRejected,
    StoreError,
    StoreUnusable,
    TokenRefused,
    UnknownModel,
    error_text,
)

# Clients do not wait longer, but give up.
_LONGEST_WAIT = 86_400


class ApiError(AnaphoraError):
    """An error with the status and the codes of OpenAI's API.

    ``param`` names the field of the request, ``seconds`` when to try again.
    """

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None, seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.seconds = seconds


def server_stopping() -> ApiError:
    """Gives the error of a server that is being stopped."""
    return ApiError("the server is being stopped: try again in a moment.", status=503, code="server_stopping", seconds=1.0)


def api_error(error: BaseException) -> ApiError:
    """Gives the error of the API for any error of ours."""
    if isinstance(error, ApiError):
        return error
    status, code, param, seconds = _kind(error)
    told = str(error) if isinstance(error, AnaphoraError) else "the server failed; its log says why."
    return ApiError(told, status=status, code=code, param=param, seconds=seconds)


def _kind(  # noqa: C901, PLR0912 -- a case for each kind
    error: BaseException,
) -> tuple[int, str | None, str | None, float | None]:
    match error:
        case TokenRefused():
            return 429, error.code, None, error.seconds
        case ConversationBusy():
            return 400, "conversation_locked", "conversation", None
        case ContextTooLong() | PromptTooLong():
            return 400, "context_length_exceeded", "input", None
        case CostLimitReached():
            return 429, "insufficient_quota", None, None
        case UnknownModel():
            return 404, "model_not_found", "model", None
        case MissingKey() | MissingExtra():
            return 500, "server_misconfigured", None, None
        case NotFound():
            return 404, None, None, None
        case StoreUnusable():
            return 503, "store_unusable", None, 1.0
        case StoreError():
            return 500, "store_failed", None, None
        case InvalidMessage() | ConfigError():
            return 400, None, None, None
        case InvalidAnswer():
            return 502, "invalid_answer", None, None
        case RateLimited():
            return 429, "rate_limit_exceeded", None, error.retry_after
        case ProviderTimeout():
            return 504, "provider_timeout", None, None
        case RequestRejected():
            return 400, "provider_rejected", None, None
        case ProviderError():
            return 502, "provider_failed", None, None
        case _:
            return 500, "server_error", None, None


_TYPES = {401: "authentication_error", 403: "permission_error", 404: "invalid_request_error", 429: "rate_limit_error"}


def error_body(error: ApiError) -> dict[str, Any]:
    """Gives the body of an error."""
    kind = _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    return {"error": {"message": str(error), "type": kind, "param": error.param, "code": error.code}}


def error_headers(error: ApiError) -> dict[str, str]:
    """Gives the headers that tell a client when to try again, or that it need not."""
    headers = {}
    if error.seconds is not None:
        headers["retry-after"] = str(min(max(math.ceil(error.seconds), 1), _LONGEST_WAIT))
    elif error.status in {500, 502, 504} or error.code == "insufficient_quota":
        # A provider was asked several times already; the same request would meet the same end.
        headers["x-should-retry"] = "false"
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return headers


def stored_error(error: BaseException) -> dict[str, Any]:
    """Gives an error as a run keeps it."""
    told = api_error(error)
    return {"code": told.code or "server_error", "message": str(told), "status": told.status, "param": told.param}


def raised_again(stored: Mapping[str, Any]) -> ApiError:
    """Gives the error that a run keeps."""
    status = stored.get("status")
    return ApiError(
        str(stored.get("message")),
        status=status if isinstance(status, int) else 500,
        code=stored.get("code"),
        param=stored.get("param"),
    )


def described(error: BaseException) -> str:
    """Gives an error for the log, without what anybody said."""
    return type(error).__name__ if isinstance(error, AnaphoraError) else error_text(error)
