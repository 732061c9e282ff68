"""Every error this package raises: one tree, and each message says what happened and what to do next.

AnaphoraError
├ ConfigError               a wrong or missing setting
│ ├ UnknownModel            no such provider or model; the message suggests the nearest
│ ├ MissingKey              a provider's key is not set; the message names the variable
│ └ MissingExtra            an optional package is not installed
├ InvalidMessage            the text cannot be sent (empty, not valid Unicode)
├ ContextTooLong            one part alone does not fit into the context: .part .tokens .limit
├ InvalidAnswer             an answer is not of the shape that was asked for: .text .reason
├ GuardFailed               a guard raised an error, or said nothing that it may say
├ CostLimitReached          the next call may cost more than is left: .spent .most .limit
├ TokenRefused              a limit of a server's token is reached: .code .seconds
├ DocumentError             a document cannot be read
├ TranscriptFileError       a file to load is unreadable or malformed: .path .line
├ ProviderError             .provider .status .request_id .retry_after .retryable
│ ├ ConnectionFailed        no connection (DNS, refused, TLS)
│ ├ ProviderTimeout         a deadline passed before the answer began
│ ├ AuthenticationFailed    401, 403
│ ├ ModelNotFound           404: the provider does not know the model
│ ├ RateLimited             429
│ ├ RequestRejected         any other 4xx
│ │ └ PromptTooLong         the provider says the prompt exceeds its window: .prompt_tokens .context_window
│ ├ ServerFailed            5xx
│ ├ UnreadableAnswer        an answer that is not of the protocol (HTML, broken JSON)
│ ├ StreamInterrupted       the answer began and was cut
│ └ LocalModelError         the model inside the process cannot be fetched or started
└ StoreError                .answer: what was answered, if it could only not be kept
  ├ NotFound                no such conversation or message
  ├ MessageEnded            a message that has ended is never changed
  ├ ConversationBusy        another writer holds the conversation
  ├ UnreadableRow           a row of the database cannot be read: .row
  └ StoreUnusable           the database cannot be read or written: a full disk, permissions, not ours
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self


def error_text(error: BaseException) -> str:
    """Gives the kind and the words of somebody else's error, also of one that cannot be written as text."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 -- whatever it raises, it is somebody else's fault
        return type(error).__name__


class AnaphoraError(Exception):
    """The base of all; ``str(error)`` is a sentence for the person at the keyboard."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Many take other arguments than the sentence that they keep; workers and queues send errors as pickles.
        return _rebuilt, (type(self), self.args, self.__dict__)

    def mask(self, masked: Callable[[str], str]) -> None:
        """Replaces the error's texts by what ``masked`` gives for each, before it is shown to anybody."""
        self.args = tuple(masked(one) if isinstance(one, str) else one for one in self.args)


def _rebuilt(kind: type[AnaphoraError], args: tuple[Any, ...], values: dict[str, Any]) -> AnaphoraError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(values)
    return error


class ConfigError(AnaphoraError):
    """A wrong or missing setting."""


class UnknownModel(ConfigError):
    """No provider or model of that name."""


class MissingKey(ConfigError):
    """The provider's API key is not set."""


class MissingExtra(ConfigError):
    """An optional package is not installed."""


class InvalidMessage(AnaphoraError):
    """The text cannot be sent: it is empty or not valid Unicode."""


class ContextTooLong(AnaphoraError):
    """One part alone is larger than the room there is.

    ``part`` names it, ``tokens`` is its size, ``limit`` the room, both in tokens.
    """

    def __init__(self, part: str, *, tokens: int, limit: int) -> None:
        super().__init__(
            f"{part} is too long: about {tokens} tokens where {max(limit, 0)} fit, {tokens - limit} too many. "
            "Shorten it, or use a model with a larger context window."
        )
        self.part = part
        self.tokens = tokens
        self.limit = limit


class InvalidAnswer(AnaphoraError):
    """An answer is not of the shape that was asked for, also when asked again. ``text`` is what was answered."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"the answer is not of the shape that was asked for: {reason}. Ask again, or a better model.")
        self.text = text
        self.reason = reason


class GuardFailed(AnaphoraError):
    """A guard raised an error of its own; what it should have looked at is not passed on."""


class CostLimitReached(AnaphoraError):
    """The next call was not made because it may pass the limit. All in dollars: ``most`` is what it may cost."""

    def __init__(self, *, spent: float, most: float, limit: float) -> None:
        super().__init__(
            f"this conversation has cost {_dollars(spent)}, and the next answer may cost up to {_dollars(most)}. That would pass "
            f"the limit of {_dollars(limit)}, so nothing was sent. Raise the limit, set a smaller max_tokens, or begin a new "
            "conversation."
        )
        self.spent = spent
        self.most = most
        self.limit = limit


def _dollars(amount: float) -> str:
    return f"${amount:.4f}" if amount >= 0.001 or amount == 0 else f"${amount:.6f}"


class TokenRefused(AnaphoraError):
    """A limit of a server's token is reached. ``code`` names it; after ``seconds`` it may be tried again."""

    def __init__(self, message: str, *, code: str = "rate_limit_exceeded", seconds: float = 1.0) -> None:
        super().__init__(message)
        self.code = code
        self.seconds = seconds


class DocumentError(AnaphoraError):
    """A document cannot be read: it is missing, damaged, protected, empty or of a kind that nobody knows."""


class TranscriptFileError(AnaphoraError):
    """A file to load or save is unreadable or malformed; ``line`` is where, if that is known."""

    def __init__(self, path: str, reason: str, *, line: int | None = None) -> None:
        where = f"{path}, line {line}" if line is not None else path
        super().__init__(f"{where}: {reason}")
        self.path = path
        self.reason = reason
        self.line = line


class ProviderError(AnaphoraError):
    """The provider did not give a whole answer.

    ``status`` is the HTTP status, ``retry_after`` the seconds it asked to wait, ``retryable`` whether another try may help.
    ``may_fall_back``: another model may do better; the other errors are the user's to mend.
    """

    can_be_retried: ClassVar[bool] = False
    may_fall_back: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.retryable = self.can_be_retried if retryable is None else retryable

    def mask(self, masked: Callable[[str], str]) -> None:
        """Replaces also the provider's name of the request."""
        super().mask(masked)
        if isinstance(self.request_id, str):
            self.request_id = masked(self.request_id)


class ConnectionFailed(ProviderError):
    """No connection could be made."""

    can_be_retried = True
    may_fall_back = True


class ProviderTimeout(ProviderError):
    """A deadline passed before the answer began. It is not tried again by itself: the user has waited long enough."""

    may_fall_back = True


class AuthenticationFailed(ProviderError):
    """The key is missing, wrong or not allowed to do this."""


class ModelNotFound(ProviderError):
    """The provider does not know the model."""


class RateLimited(ProviderError):
    """Too many requests, or a quota is used up."""

    can_be_retried = True
    may_fall_back = True


class RequestRejected(ProviderError):
    """The provider refused the request as it stands."""


class PromptTooLong(RequestRejected):
    """The provider says the prompt exceeds its window; the numbers are the provider's, in tokens, where it gave them."""

    prompt_tokens: int | None = None
    context_window: int | None = None

    def numbers(self, prompt_tokens: int, context_window: int) -> None:
        """Takes the provider's numbers."""
        self.prompt_tokens = prompt_tokens
        self.context_window = context_window


class ServerFailed(ProviderError):
    """The provider failed."""

    can_be_retried = True
    may_fall_back = True


class UnreadableAnswer(ProviderError):
    """An answer that is not of the protocol: HTML from a proxy, broken JSON."""

    may_fall_back = True


class StreamInterrupted(ProviderError):
    """The answer began and was cut off."""

    can_be_retried = True
    may_fall_back = True


class LocalModelError(ProviderError):
    """The model inside the process cannot be fetched or started."""

    may_fall_back = True


class StoreError(AnaphoraError):
    """Conversations cannot be read or written. ``answer`` is the whole Answer, if only keeping it failed."""

    answer: Any = None

    def carrying(self, answer: Any) -> Self:
        """Gives this error with the answer that could not be stored."""
        self.answer = answer
        return self


class NotFound(StoreError):
    """No such conversation or message."""


class MessageEnded(StoreError):
    """A message that has ended was to be changed."""


class ConversationBusy(StoreError):
    """Another writer holds the conversation."""


class UnreadableRow(StoreError):
    """One row of the database cannot be read; ``row`` names it. Everything else can be."""

    def __init__(self, row: str, reason: str) -> None:
        super().__init__(
            f"{row} cannot be read ({reason}). Everything else can; anaphora store check lists such rows, and with --quarantine "
            "moves them aside."
        )
        self.row = row
        self.reason = reason


class StoreUnusable(StoreError):
    """The database cannot be read or written."""
