"""Holds a provider to its contract: right values, errors of our tree, and an answer that ends.

Providers may be written by anybody, and services send what they like. What is wrong is put right or refused here, before it
is shown, stored or billed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from anaphora.concurrency import is_cancelled
from anaphora.errors import AnaphoraError, ProviderError, StreamInterrupted, error_text
from anaphora.providers.base import Provider, Request
from anaphora.providers.wires.base import MOST_TOKENS, name_text, token_count
from anaphora.values.codec import repaired_json
from anaphora.values.events import Ended, ImageDelta, ProviderEvent, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Finish, Usage, is_worse, repaired_text

# Text, thinking and arguments of one answer together, in characters. Nobody reads more.
MOST_ANSWER_CHARACTERS = 4 << 20
# The pictures of one answer, in bytes.
MOST_CALLS = 128
MOST_PICTURE_BYTES = 32 << 20
_END = object()
_FINISHES = frozenset({"stop", "length", "tool_calls", "content_filter", "unknown"})


async def checked_events(provider: Provider, request: Request) -> AsyncGenerator[ProviderEvent, None]:
    """Yields the events of one answer. Raises ProviderError and ConfigError, also for errors of the provider's own."""
    checker = _Checker(provider)
    async with aclosing(_begun(provider, provider.stream, request)) as events:
        while (event := await _next(provider, events)) is not _END:
            for one in checker.checked(event):
                yield one
            checker.check_limits()


async def checked_batches(provider: Provider, request: Request) -> AsyncGenerator[list[ProviderEvent], None]:
    """Yields the events of one answer as they come together, for whoever sends them on. Raises as ``checked_events`` does."""
    batches = getattr(provider, "batches", None)
    if batches is None:
        async with aclosing(checked_events(provider, request)) as events:
            async for event in events:
                yield [event]
        return
    checker = _Checker(provider)
    async with aclosing(_begun(provider, batches, request)) as source:
        while (batch := await _next(provider, source)) is not _END:
            found = [one for event in batch for one in checker.checked(event)]
            if found:
                yield found
            checker.check_limits()


class _Checker:
    """Checks the events of one answer, one after the other."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._halves = _HalfCharacters()
        self._end: Ended | None = None
        self._calls: set[int] = set()
        self._characters = 0
        self._picture_bytes = 0

    def checked(self, event: Any) -> Sequence[ProviderEvent]:
        """Gives the events that an event becomes. Raises ProviderError for anything that is no event."""
        if self._end is not None and not _is_worse_end(_checked(self._provider, event), self._end):
            # After the end comes nothing but a worse end.
            return ()
        if type(event) is TextDelta and type(event.text) is str:
            self._characters += len(event.text)
            if self._halves.held or not event.text.isascii():
                return (TextDelta(self._halves.joined(event.text)),)
            return (event,)
        before = (TextDelta(self._halves.rest()),) if self._halves.held else ()
        good = _checked(self._provider, event)
        self._characters += _characters(good)
        self._picture_bytes += len(good.image.data) if isinstance(good, ImageDelta) else 0
        if isinstance(good, Ended):
            self._end = good
        elif isinstance(good, ToolCallDelta):
            self._calls.add(good.index)
        return (*before, good)

    def check_limits(self) -> None:
        """Raises StreamInterrupted for an answer that nobody can read."""
        name = self._provider.name
        told = ""
        if len(self._calls) > MOST_CALLS:
            told = f"calls more than {MOST_CALLS} tools"
        elif self._characters > MOST_ANSWER_CHARACTERS or self._picture_bytes > MOST_PICTURE_BYTES:
            told = f"has more than {MOST_ANSWER_CHARACTERS >> 20} MiB"
        if told:
            reason = f"{name}: the answer was stopped, since it {told}. Ask for less."
            raise StreamInterrupted(reason, provider=name, retryable=False)


def _begun(provider: Provider, begin: Callable[[Request], Any], request: Request) -> AsyncGenerator[Any, None]:
    try:
        events: AsyncGenerator[Any, None] = begin(request)
    except (AnaphoraError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise _raised(provider, error) from error
    if not hasattr(events, "__anext__") or not hasattr(events, "aclose"):
        name = _provider_name(provider)
        raise ProviderError(f"{name}: its stream is no asynchronous generator, but {type(events).__name__}.", provider=name)
    return events


def _is_worse_end(event: ProviderEvent, end: Ended) -> bool:
    return isinstance(event, Ended) and is_worse(event.finish, end.finish)


def _provider_name(provider: object) -> str:
    return str(getattr(provider, "name", "") or type(provider).__name__)


def _raised(provider: Provider, error: BaseException) -> ProviderError:
    name = _provider_name(provider)
    return ProviderError(f"{name}: the provider raised {error_text(error)}", provider=name)


async def _next(provider: Provider, events: AsyncGenerator[Any, None]) -> Any:
    """Gives the next event, or _END. An interrupt goes to the caller as it is; every other error becomes one of our tree."""
    try:
        return await anext(events, _END)
    except (AnaphoraError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if is_cancelled():
            raise
        raise _raised(provider, error) from error


class _HalfCharacters:
    """Joins the halves of characters that a service cut in two, in neighbouring deltas. Lone halves become U+FFFD."""

    def __init__(self) -> None:
        self.held = ""

    def joined(self, text: str) -> str:
        """Gives the text without half a character at its end, which waits for the other half."""
        text, self.held = self.held + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self.held = text[:-1], text[-1]
        return repaired_text(text)

    def rest(self) -> str:
        """Gives the half that is held."""
        held, self.held = self.held, ""
        return repaired_text(held)


def _characters(event: ProviderEvent) -> int:
    match event:
        case TextDelta(text):
            return len(text)
        case ThinkingDelta(text, opaque):
            return len(text) + (len(str(opaque)) if opaque else 0)
        case ToolCallDelta():
            extra = len(str(event.opaque)) if event.opaque else 0
            return len(event.arguments) + len(event.id) + len(event.name) + extra
    return 0


def _checked(provider: Provider, event: Any) -> ProviderEvent:
    """Gives an event with values of the right types and ranges. Raises ProviderError for anything that is no event."""
    match event:
        case ThinkingDelta(str(text), opaque):
            return ThinkingDelta(text, _opaque(opaque)) if opaque else event
        case ToolCallDelta(int(), call_id, name, arguments, opaque):
            return ToolCallDelta(event.index, _name(call_id), _name(name), str(arguments), _opaque(opaque))
        case ImageDelta():
            return event
        case Ended():
            return replace(
                event,
                finish=_finish(event.finish),
                usage=checked_usage(event.usage),
                model=_name(event.model),
                details=_opaque(event.details),
                response_id=_name(event.response_id),
                raw_finish=_name(event.raw_finish),
            )
        case TextDelta(text):
            return TextDelta(str(text))
    raise ProviderError(
        f"{provider.name}: the provider gave a {type(event).__name__} where an event was due. This is a fault of the provider.",
        provider=provider.name,
    )


def checked_usage(usage: Any) -> Usage | None:
    """Gives a usage whose counts are whole numbers that a call can have, and whose parts are no larger than the whole."""
    if not isinstance(usage, Usage):
        return None
    prompt, output = token_count(usage.input_tokens) or 0, token_count(usage.output_tokens) or 0
    cached = min(token_count(usage.cached_tokens) or 0, prompt)
    written = min(token_count(usage.cache_write_tokens) or 0, prompt - cached)
    thinking = min(token_count(usage.thinking_tokens) or 0, output)
    cost = usage.cost
    is_cost = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost <= MOST_TOKENS
    return Usage(prompt, cached, output, thinking, float(cost) if is_cost and cost is not None else None, written)


def _finish(value: Any) -> Finish:
    return value if value in _FINISHES else "unknown"


def _name(value: Any) -> str:
    return repaired_text(name_text(value))


def _opaque(value: Any) -> dict[str, Any]:
    """Gives values that go back to the vendor, as valid JSON."""
    try:
        found: dict[str, Any] = repaired_json(dict(value))
        return found
    except (TypeError, ValueError, RecursionError):
        return {}
