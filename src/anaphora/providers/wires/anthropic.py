"""Anthropic's Messages dialect.

https://docs.claude.com/en/api/messages, checked against the official client 2.12. Thinking is sent back unchanged with its
signature; the thinking of other vendors is not sent. Two marks tell the cache where to cut: after the system prompt, and after
the messages with which the next prompt begins as well.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from anaphora.providers.base import Request
from anaphora.providers.models.card import ModelCard
from anaphora.providers.wires.base import (
    ASSISTANT_FIRST,
    MOST_TEXT_EVENT,
    CatalogRequest,
    Counts,
    WireRequest,
    broken_off,
    json_chunk,
    name_text,
    named_models,
)
from anaphora.providers.wires.failures import Answerer, from_error_object
from anaphora.providers.wires.text_frame import TextFrame
from anaphora.providers.wires.tool_form import arguments_object, call_name
from anaphora.values.codec import Json
from anaphora.values.events import Ended, ProviderEvent, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Finish, Image, Message, Part, Text, Thinking, ToolCall, ToolResult, Usage, is_worse

# The last version that accepts sampling parameters, for models that have them.
VERSION = "2023-06-01"
# The API requires a limit, in tokens; this is the limit for models without a known one.
_DEFAULT_MAX_TOKENS = 4_096
_MARK = {"type": "ephemeral"}
_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")
_THINKING = frozenset({"thinking", "redacted_thinking"})
_FINISHES: Mapping[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class AnthropicWire:
    """Anthropic's dialect. ``who`` names the provider in errors."""

    framing: Literal["events", "lines"] = "events"
    most_event_bytes = MOST_TEXT_EVENT
    embeddings = "/embeddings"
    sets_window = False

    def __init__(self, who: Answerer, card: ModelCard) -> None:
        self._who = who
        self._card = card

    def headers(self, key: str) -> Mapping[str, str]:
        """Gives the headers with the key and the version of the API."""
        return {"x-api-key": key, "anthropic-version": VERSION}

    def encode(self, request: Request, /) -> WireRequest:
        """Gives POST /messages, streaming, with the user's options and a limit of the answer."""
        options = request.options
        system = [message for message in request.messages if message.role == "system"]
        said = [message for message in request.messages if message.role != "system"]
        body: Json = {
            "model": request.model,
            "max_tokens": options.max_tokens or self._longest(request.room),
            "messages": _messages(said, _stable(request), self._who.tag("anthropic")),
            "stream": True,
        }
        text = "\n\n".join(message.text for message in system).strip()
        if text:
            # A prompt that is sent only once is not worth the price of a cache write.
            body["system"] = [{"type": "text", "text": text, **({} if request.stable == 0 else {"cache_control": _MARK})}]
        chosen = {"temperature": options.temperature, "stop_sequences": list(options.stop) or None}
        body.update({name: value for name, value in chosen.items() if value is not None})
        if request.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in request.tools
            ]
            body.update(_choice(options.tool_choice))
        if request.schema is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
        body.update(options.extra)
        return WireRequest("/messages", {"content-type": "application/json"}, json.dumps(body).encode())

    def _longest(self, room: int | None) -> int:
        """Gives the default limit of an answer, in tokens: the model's longest answer, or less if the window has less room."""
        longest = self._card.max_output or _DEFAULT_MAX_TOKENS
        return longest if room is None else max(min(longest, room), 1)

    def decoder(self) -> AnthropicDecoder:
        """Gives a reader for one answer."""
        return AnthropicDecoder(self._who)

    def models(self) -> CatalogRequest:
        """Gives the request for the list of models."""
        return CatalogRequest("/models?limit=1000")

    def offered(self, answer: Json) -> Mapping[str, int | None]:
        """Reads the models' names and context windows in tokens (None if not said)."""
        return named_models(answer["data"], name="id", window=("max_input_tokens",))

    def about(self, model: str, base_url: str) -> Sequence[CatalogRequest]:  # noqa: ARG002 -- the protocol's signature
        """Gives the request for the model's own page."""
        return (CatalogRequest(f"/models/{model}"),)

    def window(self, model: str, answer: Json) -> int | None:  # noqa: ARG002 -- the protocol's signature
        """Reads the context window from the model's page; None if it is not there."""
        size = answer.get("max_input_tokens")
        return size if type(size) is int else None


class AnthropicDecoder:
    """A reader of one streamed answer."""

    def __init__(self, who: Answerer) -> None:
        self._who = who
        self._tag = who.tag("anthropic")
        self._frame = TextFrame("text")
        self._counts = Counts()
        self._model = ""
        self._finish: Finish | None = None
        self._raw_finish = ""
        self._id = ""
        self._is_over = False
        self._calls: dict[str, int] = {}
        self._inputs: dict[int, str] = {}
        self._details: dict[str, Any] = {}

    def feed(self, data: str, /) -> Sequence[ProviderEvent]:
        """Reads the data of one event and gives its deltas. Skips events of unknown types."""
        text = self._frame.text(data)
        if text:
            return (TextDelta(text),)
        event = json_chunk(self._who, data, began=bool(self._model))
        match event.get("type"):
            case "content_block_delta":
                events = self._delta(event.get("index"), event.get("delta"))
                if len(events) == 1 and type(events[0]) is TextDelta:
                    self._frame.learn(data, events[0].text)
                return events
            case "content_block_start":
                return self._block(event.get("index"), event.get("content_block"))
            case "message":
                return self._whole(event)
            case "error":
                raise from_error_object(self._who, event.get("error"))
            case kind:
                self._read_envelope(kind, event)
        return ()

    def end(self) -> Sequence[ProviderEvent]:
        """Gives Ended. Raises StreamInterrupted if the message did not stop."""
        if not self._is_over or self._finish is None:
            raise broken_off(self._who)
        counts = self._counts
        total = counts["plain"] + counts["cached"] + counts["cache_write"]
        output = counts["output"]
        usage = Usage(total, counts["cached"], output, counts["thinking"], cache_write_tokens=counts["cache_write"])
        usage_known = usage if total or output else None
        model = self._model or self._who.model
        # Arguments that came whole with the beginning of a call, and not piece by piece.
        inputs = (ToolCallDelta(number, arguments=arguments) for number, arguments in self._inputs.items())
        return (*inputs, Ended(self._finish, usage_known, model, self._details, self._id, self._raw_finish))

    def _read_envelope(self, kind: Any, event: Json) -> None:
        match kind:
            case "message_start":
                self._message(event.get("message"))
            case "message_delta":
                self._read_end(event)
            case "message_stop":
                self._is_over = True

    def _message(self, message: Any) -> None:
        message = message if isinstance(message, dict) else {}
        self._model = str(message.get("model") or self._who.model or "?")
        self._id = name_text(message.get("id"))
        self._read_usage(message.get("usage"))

    def _read_end(self, event: Mapping[str, Any]) -> None:
        self._read_usage(event.get("usage"))
        delta = event.get("delta")
        reason = delta.get("stop_reason") if isinstance(delta, dict) else None
        if reason and is_worse(finish := _FINISHES.get(str(reason), "unknown"), self._finish):
            self._finish, self._raw_finish = finish, str(reason)
            if str(reason) not in {"end_turn", "max_tokens", "tool_use"}:
                self._details["stop_reason"] = reason

    def _read_usage(self, usage: Any) -> None:
        self._counts.read(
            usage,
            plain="input_tokens",
            cached="cache_read_input_tokens",
            cache_write="cache_creation_input_tokens",
            output="output_tokens",
        )
        if isinstance(usage, dict):
            self._counts.read(usage.get("output_tokens_details"), thinking="thinking_tokens")

    def _block(self, index: Any, block: Any) -> Sequence[ProviderEvent]:
        match block:
            case {"type": "tool_use", "id": call_id, "name": name}:
                number = self._calls.setdefault(str(index), len(self._calls))
                if isinstance(block.get("input"), dict) and block["input"]:
                    self._inputs[number] = json.dumps(block["input"])
                return (ToolCallDelta(number, name_text(call_id), name_text(name)),)
            case {"type": "redacted_thinking", "data": str(data)}:
                return (ThinkingDelta("", {"vendor": self._tag, "redacted": data}),)
            case {"type": "text", "text": str(text)} if text:
                return (TextDelta(text),)
        return ()

    def _delta(self, index: Any, delta: Any) -> Sequence[ProviderEvent]:
        match delta:
            case {"type": "text_delta", "text": str(text)} if text:
                return (TextDelta(text),)
            case {"type": "thinking_delta", "thinking": str(text)} if text:
                return (ThinkingDelta(text),)
            case {"type": "signature_delta", "signature": str(signature)}:
                return (ThinkingDelta("", {"vendor": self._tag, "signature": signature}),)
            case {"type": "input_json_delta", "partial_json": str(arguments)} if arguments and str(index) in self._calls:
                number = self._calls[str(index)]
                self._inputs.pop(number, None)
                return (ToolCallDelta(number, arguments=arguments),)
        return ()

    def _whole(self, message: Mapping[str, Any]) -> Sequence[ProviderEvent]:
        """Reads a whole message, which came instead of a stream."""
        self._message(message)
        self._read_end({"delta": message})
        self._is_over = True
        events: list[ProviderEvent] = []
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            events += self._block(index, block)
            match block:
                case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
                    events.append(ThinkingDelta(text, {"vendor": self._tag, "signature": signature}))
                case {"type": "tool_use", "input": arguments} if str(index) in self._calls:
                    number = self._calls[str(index)]
                    self._inputs.pop(number, None)
                    events.append(ToolCallDelta(number, arguments=json.dumps(arguments)))
        return events


def _choice(choice: str) -> Json:
    if choice == "auto":
        return {}
    kinds: Mapping[str, Json] = {"none": {"type": "none"}, "required": {"type": "any"}}
    return {"tool_choice": kinds.get(choice, {"type": "tool", "name": choice})}


def _call_id(call_id: str) -> str:
    """Gives an id in this API's form: the ids of other models have dots and colons."""
    return _NO_ID.sub("_", call_id)


def _stable(request: Request) -> int:
    """Counts the messages, without system prompts, that begin the next prompt as well."""
    count = len(request.messages) if request.stable is None else request.stable
    return sum(message.role != "system" for message in request.messages[:count])


def _messages(messages: Sequence[Message], stable: int, tag: str) -> list[Json]:
    """Encodes messages, with user and assistant in turns; tool results belong to the user here."""
    found: list[Json] = []
    marked: Json | None = None
    for number, message in enumerate(messages):
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [block for part in message.parts if (block := _block(part, tag)) is not None]
        if all(block["type"] in _THINKING for block in blocks):
            # The API refuses thinking alone, which a stopped answer may leave.
            continue
        if blocks and found and found[-1]["role"] == role:
            found[-1]["content"] += blocks
        elif blocks:
            if role == "assistant" and not found:
                found.append({"role": "user", "content": [{"type": "text", "text": ASSISTANT_FIRST}]})
            found.append({"role": role, "content": blocks})
        if blocks and number < stable and blocks[-1]["type"] not in _THINKING:
            marked = blocks[-1]
    if marked is not None:
        marked["cache_control"] = _MARK
    return found


def _block(part: Part, tag: str) -> Json | None:
    match part:
        case Text(text):
            # The API refuses an empty text.
            return {"type": "text", "text": text} if text.strip() else None
        case Image(data, media_type):
            source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode("ascii")}
            return {"type": "image", "source": source}
        case Thinking(text, {"vendor": vendor, "signature": signature}) if vendor == tag:
            return {"type": "thinking", "thinking": text, "signature": signature}
        case Thinking(_, {"vendor": vendor, "redacted": data}) if vendor == tag:
            return {"type": "redacted_thinking", "data": data}
        case ToolCall(call_id, name, arguments):
            return {"type": "tool_use", "id": _call_id(call_id), "name": call_name(name), "input": arguments_object(arguments)}
        case ToolResult(call_id, text, _, failed):
            result = {"type": "tool_result", "tool_use_id": _call_id(call_id), "content": text or "(empty)"}
            return {**result, "is_error": True} if failed else result
    return None
