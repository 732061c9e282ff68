r"""A provider that answers from a script: the public double for tests, docs and demonstrations. It needs no network and no model.

In Python: ``ScriptedProvider("Paris.", RateLimited("slow down"), "About two million.")`` gives one reply per call:
words, an error to raise, or a list of steps. As text, for ``scripted:FILE``: one step a line, replies separated by a
line ``---``::

    text: Paris.
    ---
    thinking: They mean the city.
    delay: 0.5
    text: About two million.
    usage: 40 6
    ---
    tool: get_weather {"city": "Paris"}
    ---
    text: The Eiff
    cut
    ---
    error: rate_limited 2

``cut`` ends the stream without a finish reason; ``finish: length`` sets another one; ``text:`` continues to the end
of its line, with ``\n`` for a line break. ``scripted:`` without a file repeats the user's message.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import anyio

from anaphora.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionFailed,
    ModelNotFound,
    PromptTooLong,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    RequestRejected,
    ServerFailed,
    StreamInterrupted,
    UnreadableAnswer,
)
from anaphora.providers.base import ModelInfo, ModelRef, ProviderOptions, Request
from anaphora.tools.base import schemas_text
from anaphora.values.events import Ended, ProviderEvent, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Finish, Message, Text, Usage, text_message
from anaphora.values.tokens import Estimate


@dataclass(frozen=True, slots=True)
class Delay:
    """A pause of some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of the stream without a finish reason, as after a broken connection."""


Step = ProviderEvent | Delay | Cut | BaseException
ScriptedReply = str | BaseException | Sequence[Step]

_FAULTS: dict[str, tuple[type[ProviderError], str]] = {
    "rate_limited": (RateLimited, "too many requests: wait a moment and try again."),
    "server_failed": (ServerFailed, "the service failed (HTTP 500): this is not your fault, try again in a moment."),
    "connection_failed": (ConnectionFailed, "cannot connect."),
    "timeout": (ProviderTimeout, "it did not begin to answer in time."),
    "authentication_failed": (AuthenticationFailed, "the API key was not accepted."),
    "model_not_found": (ModelNotFound, "there is no such model here."),
    "request_rejected": (RequestRejected, "the request was refused."),
    "prompt_too_long": (PromptTooLong, "the conversation is longer than the model's context window."),
    "unreadable_answer": (UnreadableAnswer, "the address answered with something that is not a chat answer."),
    "stream_interrupted": (StreamInterrupted, "the connection broke in the middle of the answer."),
}


class ScriptedProvider:
    """A provider that gives its replies in order and keeps the requests in ``requests``.

    ``background`` answers the requests for summaries, facts and titles (``request.purpose`` says which); these are kept in
    ``background_requests``. Without it the provider counts as too small for summaries and facts.

    Tokens are counted by the starting estimate; cached tokens are those of the leading messages that equal the request before.
    """

    name = "scripted"

    def __init__(
        self,
        *replies: ScriptedReply,
        echo: bool = False,
        context_window: int | None = 128_000,
        system: str = "",
        background: Callable[[Request], ScriptedReply] | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.background_requests: list[Request] = []
        self._background = background
        self._replies = iter(replies)
        self._echo = echo
        self._info = ModelInfo(context_window=context_window, system=system, small=background is None)
        self._count = Estimate().count
        self._counted: dict[int, tuple[Message, int]] = {}

    async def prepare(self, model: str, /) -> ModelInfo:  # noqa: ARG002 -- the protocol's signature
        """Gives the facts about the model; there is nothing to connect."""
        return self._info

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        """Yields the next reply, then exactly one Ended. Raises the errors of the script."""
        before = self.requests[-1].messages if self.requests else ()
        is_aside = request.purpose != "answer" and self._background is not None
        (self.background_requests if is_aside else self.requests).append(request)
        usage = self._usage(() if is_aside else before, request)
        output = 0
        for step in self._steps(request):
            await anyio.lowlevel.checkpoint()
            match step:
                case Delay(seconds):
                    await anyio.sleep(seconds)
                case Cut():
                    raise StreamInterrupted("scripted: the answer broke off before its end. Try again.", provider=self.name)
                case BaseException():
                    raise step
                case Ended():
                    yield Ended(step.finish, step.usage or usage + Usage(output_tokens=output), step.model or "scripted")
                    return
                case _:
                    output += 1
                    yield step
        yield Ended("stop", usage + Usage(output_tokens=output), "scripted")

    async def aclose(self) -> None:
        """Does nothing: there is nothing to close."""

    def _steps(self, request: Request) -> Sequence[Step]:
        if request.purpose != "answer" and self._background is not None:
            reply: ScriptedReply | None = self._background(request)
        elif self._echo:
            # The user's words are the last part: memory puts its quotations before them.
            said = [part.text for part in request.messages[-1].parts if isinstance(part, Text)]
            return words(f"You said: {said[-1] if said else ''}")
        else:
            reply = next(self._replies, None)
        if reply is None:
            raise RequestRejected("scripted: the script has no more replies.", provider=self.name)
        if isinstance(reply, str):
            return words(reply)
        return [reply] if isinstance(reply, BaseException) else reply

    def _usage(self, before: Sequence[Message], request: Request) -> Usage:
        now, tools = request.messages, schemas_text(request.tools)
        self._counted = {id(message): (message, size) for message, size in self._sizes(now)}
        same = next(
            (place for place, (old, new) in enumerate(zip(before, now, strict=False)) if old is not new and old != new), None
        )
        cached = sum(self._counted[id(message)][1] for message in now[: min(len(before), len(now)) if same is None else same])
        schemas = self._count(text_message("system", tools)) if tools else 0
        return Usage(input_tokens=sum(size for _, size in self._counted.values()) + schemas, cached_tokens=cached)

    def _sizes(self, messages: Sequence[Message]) -> Iterator[tuple[Message, int]]:
        """Yields messages with their tokens, and reuses the counts of the request before."""
        for message in messages:
            known = self._counted.get(id(message))
            yield message, known[1] if known and known[0] is message else self._count(message)


def words(text: str) -> list[Step]:
    """Splits a text into the deltas that a model would send."""
    return [TextDelta(piece) for piece in re.findall(r"\s*\S+|\s+$", text)]


def parse_script(source: str, *, path: str = "script") -> list[list[Step]]:
    """Parses the text of a script into its replies. Raises ConfigError with the line."""
    replies: list[list[Step]] = [[]]
    for number, line in enumerate(source.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.strip() == "---":
            replies.append([])
            continue
        keyword, _, rest = line.partition(":")
        try:
            replies[-1].extend(_parsed(keyword.strip(), rest.strip()))
        except ValueError as error:
            raise ConfigError(f"{path}, line {number}: {error}") from error
    return replies


def open_provider(ref: ModelRef, options: ProviderOptions) -> ScriptedProvider:
    """Opens ``scripted:`` or ``scripted:FILE``. Raises ConfigError."""
    window = options.context_window or 128_000
    if not ref.model:
        return ScriptedProvider(echo=True, context_window=window)
    try:
        source = Path(ref.model).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the script {ref.model!r} cannot be read: {error}") from error
    return ScriptedProvider(*parse_script(source, path=ref.model), context_window=window)


def _parsed(keyword: str, rest: str) -> Iterable[Step]:
    match keyword:
        case "text":
            return words(_text(rest))
        case "thinking":
            return [ThinkingDelta(_text(rest))]
        case "delay":
            return [Delay(_seconds(rest))]
        case "tool":
            tool, _, arguments = rest.partition(" ")
            return [ToolCallDelta(0, f"call_{tool}", tool, arguments or "{}"), Ended("tool_calls")]
        case "usage":
            if not re.fullmatch(r"[0-9]+ +[0-9]+", rest):
                raise ValueError(f"usage wants two numbers of tokens, in and out, not {rest!r}.")
            sent, received = map(int, rest.split())
            return [Ended("stop", Usage(input_tokens=sent, output_tokens=received))]
        case "finish" if rest in get_args(Finish):
            return [Ended(next(finish for finish in get_args(Finish) if finish == rest))]
        case "cut":
            return [Cut()]
        case "error":
            return [_fault(rest)]
        case _:
            known = "text, thinking, delay, tool, usage, finish, cut, error"
            raise ValueError(f"{keyword!r} is not a step: use one of {known}.")


def _text(rest: str) -> str:
    """Reads a text, with backslash n as a line break; or a JSON string, which keeps blanks at its ends."""
    if not rest.startswith('"'):
        return rest.replace("\\n", "\n")
    try:
        return str(json.loads(rest))
    except ValueError as error:
        raise ValueError(f"a text that begins with a quote must be a JSON string ({error}).") from None


def _seconds(rest: str) -> float:
    try:
        return float(rest)
    except ValueError:
        raise ValueError(f"delay wants seconds, not {rest!r}.") from None


def _fault(rest: str) -> ProviderError:
    kind, _, wait = rest.partition(" ")
    if kind not in _FAULTS:
        raise ValueError(f"{kind!r} is not an error: use one of {', '.join(_FAULTS)}.")
    error_class, sentence = _FAULTS[kind]
    return error_class(f"scripted: {sentence}", provider="scripted", retry_after=float(wait) if wait else None)
