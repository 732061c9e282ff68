"""Folds the events of an answer into chunks of a chat completion, and into the completion as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anaphora.server.openai.items import data_url
from anaphora.stores.run_records import output_id
from anaphora.values.answer import Answer
from anaphora.values.call_ids import id_within, own_id
from anaphora.values.events import (
    Ended,
    Finished,
    ImageDelta,
    ProviderEvent,
    Refused,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolEnded,
)
from anaphora.values.message import Finish, Usage

DONE = b"data: [DONE]\n\n"
_REASONS: dict[Finish, str] = {"length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class CompletionFacts:
    """The facts of a completion that every chunk repeats. ``outside``: the tools that the client runs; None is all.

    ``created``: seconds since 1970.
    """

    id: str
    created: int
    model: str
    has_usage: bool = False
    outside: frozenset[str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class CompletionFold:
    """One choice of a completion so far."""

    def __init__(self, facts: CompletionFacts, index: int = 0) -> None:
        self._facts = facts
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._inside: set[int] = set()
        self._place = 0
        self._is_past_results = False
        self._finish: Finish = "unknown"
        self.usage: Usage | None = None
        # Before and after a text, all chunks of it are alike.
        head = {"id": facts.id, "object": "chat.completion.chunk", "created": facts.created, "model": facts.model}
        chunk = json.dumps({**head, "choices": [{"index": index, "delta": {"content": "\0"}, "finish_reason": None}]})
        before, after = chunk.split(json.dumps("\0"))
        self._before, self._after = f"data: {before}".encode(), f"{after}\n\n".encode()
        self._head, self._index = head, index

    @property
    def text(self) -> str:
        """The words so far."""
        return "".join(self._texts)

    @property
    def finish_reason(self) -> str:
        """The reason of the end, as OpenAI names it."""
        if self._calls and self._finish in {"stop", "tool_calls", "unknown"}:
            return "tool_calls"
        return _REASONS.get(self._finish, "stop") if self._finish != "tool_calls" else "stop"

    def begin(self) -> bytes:
        """Gives the first chunk, which names the role."""
        return self._chunk({"role": "assistant", "content": ""})

    def feed(self, event: ProviderEvent | Any) -> bytes:
        """Takes an event and gives the chunk that it makes; empty if it makes none."""
        if self._is_past_results and not isinstance(event, ToolEnded):
            # The results are a message too.
            self._is_past_results, self._place = False, self._place + 2
            self._calls, self._inside = {}, set()
        match event:
            case TextDelta(text) | Refused(text):
                self._texts.append(text)
                return self._text_chunk(text) if text else b""
            case ThinkingDelta(text, _):
                self._thoughts.append(text)
                return self._chunk({"reasoning_content": text}) if text else b""
            case ToolCallDelta():
                return self._call(event)
            case ToolEnded():
                self._is_past_results = True
                return b""
            case ImageDelta(image):
                url = {"type": "image_url", "image_url": {"url": data_url(image.data, image.media_type)}}
                return self._chunk({"images": [url]})
            case Ended(finish, usage):
                self._finish, self.usage = finish, usage
                return b""
            case Finished(answer):
                self._finished(answer)
                return b""
            case _:
                return b""

    def _finished(self, answer: Answer[Any]) -> None:
        self._finish, self.usage = answer.finish or "stop", answer.usage

    def end(self) -> bytes:
        """Gives the last chunk, which names the reason of the end."""
        return self._chunk({}, self.finish_reason)

    def choice(self) -> dict[str, Any]:
        """Gives the whole choice."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or (None if self._calls else "")}
        if self._thoughts:
            message["reasoning_content"] = "".join(self._thoughts)
        if self._calls:
            message["tool_calls"] = [
                {name: value for name, value in call.items() if name != "index"} for call in self._calls.values()
            ]
        return {
            "index": self._index,
            "message": {**message, "refusal": None},
            "finish_reason": self.finish_reason,
            "logprobs": None,
        }

    def _call(self, delta: ToolCallDelta) -> bytes:
        outside = self._facts.outside
        known = self._calls.get(delta.index)
        if delta.index in self._inside or (known is None and outside is not None and delta.name not in outside):
            # The server runs it.
            self._inside.add(delta.index)
            return b""
        if known is None:
            seen = {call["id"] for call in self._calls.values()}
            made = id_within(self._message_id(), len(self._calls) + len(self._inside))
            # A run gives every call an id of its own; a relay keeps those that can stay.
            call_id = made if outside is not None else own_id(delta.id, seen, lambda _: made)
            function = {"name": delta.name, "arguments": delta.arguments}
            place = len(self._calls)
            self._calls[delta.index] = {"index": place, "id": call_id, "type": "function", "function": dict(function)}
            return self._chunk({"tool_calls": [{"index": place, "id": call_id, "type": "function", "function": function}]})
        known["function"]["arguments"] += delta.arguments
        return self._chunk({"tool_calls": [{"index": known["index"], "function": {"arguments": delta.arguments}}]})

    def _message_id(self) -> str:
        seed = self._facts.id.partition("-")[2]
        return output_id(seed if self._index == 0 else f"{seed}{self._index:x}", self._place)

    def _text_chunk(self, text: str) -> bytes:
        return b"%b%b%b" % (self._before, json.dumps(text).encode(), self._after)

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": self._index, "delta": delta, "finish_reason": reason}
        return data_line({**self._head, **(self._facts.extra if reason else {}), "choices": [choice]})


def data_line(value: Any) -> bytes:
    """Gives one event of a stream. Other characters than ASCII are escaped: clients split lines at some of them."""
    return b"data: %b\n\n" % json.dumps(value).encode()


def usage_chunk(facts: CompletionFacts, usage: Usage | None) -> bytes:
    """Gives the chunk with the usage."""
    head = {"id": facts.id, "object": "chat.completion.chunk", "created": facts.created, "model": facts.model}
    return data_line({**head, "choices": [], "usage": usage_of(usage)})


def completion(facts: CompletionFacts, choices: Sequence[Mapping[str, Any]], usage: Usage | None) -> dict[str, Any]:
    """Gives the whole completion."""
    head = {"id": facts.id, "object": "chat.completion", "created": facts.created, "model": facts.model}
    return {**head, "choices": list(choices), "usage": usage_of(usage), **facts.extra}


def usage_of(usage: Usage | None) -> dict[str, Any] | None:
    """Gives usage as completions tell it."""
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.thinking_tokens},
    }
