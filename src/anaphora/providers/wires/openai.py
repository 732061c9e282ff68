"""The OpenAI chat-completions dialect, as OpenAI and other services write it.

The decoder accepts these quirks: empty ``choices``, chunks without ``delta``, usage in a late chunk, in every chunk or under
``x_groq``, reasoning under several names, text that repeats itself cumulatively, tool calls without index or with the same
index, errors inside a success, a whole JSON answer instead of a stream.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal, get_args

from anaphora.providers.base import Request
from anaphora.providers.models.vendors import Vendor
from anaphora.providers.wires.base import (
    CatalogRequest,
    WireDecoder,
    WireRequest,
    broken_off,
    function_tool,
    json_chunk,
    named_models,
)
from anaphora.providers.wires.failures import Answerer, from_error_object
from anaphora.providers.wires.text_frame import TextFrame
from anaphora.schema.strict import strict_form
from anaphora.tools.base import Tool
from anaphora.values.codec import Json
from anaphora.values.events import Ended, ProviderEvent, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Finish, Image, Message, Text, ToolResult, Usage, repaired_text

_FINISHES: Mapping[str, Finish] = {
    **{name: name for name in get_args(Finish)},
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "safety": "content_filter",
}
# OpenRouter and Together, Groq, vLLM, Mistral, LiteLLM.
_WINDOWS = ("context_length", "context_window", "max_model_len", "max_context_length", "max_input_tokens")
_VENDOR_DETAILS = ("timings", "system_fingerprint", "provider", "service_tier")


class OpenAIWire:
    """The OpenAI dialect. ``who`` names the provider in errors; ``vendor`` holds the peculiarities of the service."""

    framing: Literal["events", "lines"] = "events"
    embeddings = "/embeddings"
    sets_window = False

    def __init__(self, who: Answerer, vendor: Vendor) -> None:
        self._who = who
        self._vendor = vendor

    def headers(self, key: str) -> Mapping[str, str]:
        """Gives the header with the key."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def encode(self, request: Request, /) -> WireRequest:
        """Gives POST /chat/completions, streaming, with only the options that the user set."""
        options = request.options
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [item for message in request.messages for item in _encoded(message, self._call_id)],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        chosen = {
            "temperature": options.temperature,
            self._vendor.max_tokens_field: options.max_tokens,
            "seed": options.seed,
            "stop": list(options.stop) or None,
        }
        body.update({name: value for name, value in chosen.items() if value is not None})
        body.update(self._tools(request))
        body.update(options.extra)
        return WireRequest("/chat/completions", {"content-type": "application/json"}, json.dumps(body).encode())

    def _call_id(self, call_id: str) -> str:
        # Mistral accepts only ids of nine letters and digits.
        return sha256(call_id.encode()).hexdigest()[:9] if self._vendor.short_call_ids else call_id

    def _tools(self, request: Request) -> Json:
        """Gives the tools and the schema of the answer as members of the request."""
        body: Json = {}
        choice = request.options.tool_choice
        if request.tools:
            body["tools"] = [self._tool(tool) for tool in request.tools]
            named = {"type": "function", "function": {"name": choice}}
            body.update({} if choice == "auto" else {"tool_choice": choice if choice in {"none", "required"} else named})
        if request.schema is not None:
            strict = strict_form(request.schema) if self._vendor.strict_schemas else None
            schema = {"name": "answer", "schema": strict or request.schema, **({"strict": True} if strict else {})}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _tool(self, tool: Tool) -> Json:
        strict = strict_form(tool.parameters) if self._vendor.strict_schemas else None
        return function_tool(tool, strict, **({"strict": True} if strict else {}))

    def decoder(self) -> WireDecoder:
        """Gives a reader for one answer."""
        return OpenAIDecoder(self._who)

    def models(self) -> CatalogRequest:
        """Gives the request for the list of models."""
        return CatalogRequest("/models")

    def offered(self, answer: Json) -> Mapping[str, int | None]:
        """Reads the models' names and context windows in tokens (None if not said)."""
        return named_models(answer["data"], name="id", window=_WINDOWS)

    def about(self, model: str, base_url: str) -> Sequence[CatalogRequest]:  # noqa: ARG002 -- the protocol's signature
        """Gives the requests for the list of models and for llama.cpp's properties."""
        return CatalogRequest("/models"), CatalogRequest(f"{base_url.rstrip('/').removesuffix('/v1')}/props")

    def window(self, model: str, answer: Json) -> int | None:
        """Reads the context window from the list of models or from llama.cpp's properties."""
        if "data" in answer:
            return self.offered(answer).get(model)
        size = answer["default_generation_settings"]["n_ctx"]
        return size if type(size) is int and size > 0 else None


class OpenAIDecoder:
    """A reader of one streamed answer."""

    def __init__(self, who: Answerer) -> None:
        self._who = who
        self._frame = TextFrame("content")
        self._text = _TextFold()
        self._half = ""
        self._calls = _ToolCallFold()
        self._finish: Finish | None = None
        self._raw_finish = ""
        self._id = ""
        self._usage: Usage | None = None
        self._model = ""
        self._details: dict[str, Any] = {}

    def feed(self, data: str, /) -> Sequence[ProviderEvent]:
        """Reads the data of one event and gives its deltas."""
        text = self._frame.text(data)
        if text:
            text = self._new(text)
            return (TextDelta(text),) if text else ()
        if data.strip() in {"[DONE]", ""}:
            return ()
        chunk = json_chunk(self._who, data, began=bool(self._model))
        choices = chunk.get("choices")
        news = not self._model or chunk.get("usage") or "error" in chunk or "x_groq" in chunk or "timings" in chunk
        if news or not choices:
            self._read_envelope(chunk)
        if not choices or not isinstance(choices, list):
            return ()
        events = self._choice(choices[0])
        if not news and len(choices) == 1 and len(events) == 1 and type(events[0]) is TextDelta:
            self._frame.learn(data, events[0].text)
        return events

    def end(self) -> Sequence[ProviderEvent]:
        """Gives the held text, then Ended.

        Raises StreamInterrupted if no finish reason came: [DONE] or end of file alone is a cut.
        """
        held = self._whole(self._text.rest(), last=True)
        if self._finish is None:
            raise broken_off(self._who)
        ended = Ended(self._finish, self._usage, self._model, self._details, self._id, self._raw_finish)
        return (TextDelta(held), ended) if held else (ended,)

    def _new(self, text: str) -> str:
        return self._whole(self._text.add(text))

    def _whole(self, text: str, *, last: bool = False) -> str:
        """Gives the text without half a character at its end, which waits for the other half."""
        if text.isascii() and not self._half:
            return text
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff" and not last:
            text, self._half = text[:-1], text[-1]
        return repaired_text(text)

    def _read_envelope(self, chunk: Mapping[str, Any]) -> None:
        groq = chunk.get("x_groq")
        groq = groq if isinstance(groq, dict) else {}
        error = chunk.get("error") or groq.get("error")
        if error or chunk.get("object") == "error":
            raise from_error_object(self._who, error or chunk)
        model = chunk.get("model")
        if isinstance(model, str) and model:
            self._model = model
        self._id = str(chunk.get("id") or self._id)
        usage = chunk.get("usage") or groq.get("usage")
        if isinstance(usage, dict):
            self._usage = _usage(usage) or self._usage
        self._details.update({name: chunk[name] for name in _VENDOR_DETAILS if chunk.get(name)})
        if not self._model and "choices" in chunk:
            self._model = self._who.model

    def _choice(self, choice: Any) -> Sequence[ProviderEvent]:
        if not isinstance(choice, dict) or choice.get("index"):
            return ()
        finish = choice.get("finish_reason")
        if finish:
            if finish == "error":
                raise from_error_object(self._who, choice.get("error") or {"message": "the model failed", "code": 502})
            self._finish, self._raw_finish = _FINISHES.get(str(finish).lower(), "stop"), str(finish)
        delta = choice.get("delta") or choice.get("message")
        if not isinstance(delta, dict):
            return ()
        text = delta.get("content")
        if isinstance(text, str) and len(delta) <= 2 and "tool_calls" not in delta:
            text = self._new(text) if text else ""
            return (TextDelta(text),) if text else ()
        return list(self._delta(delta, text))

    def _delta(self, delta: Mapping[str, Any], text: Any) -> Iterator[ProviderEvent]:
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thinking, str) and thinking:
            yield ThinkingDelta(thinking)
        if isinstance(text, list):
            texts = (part.get("text") for part in text if isinstance(part, dict))
            text = "".join(piece for piece in texts if isinstance(piece, str))
        text = text or delta.get("refusal")
        if isinstance(text, str) and text and (text := self._new(text)):
            yield TextDelta(text)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield self._calls.add(call)


class _TextFold:
    """A detector of cumulative deltas, which repeat all text so far (seen in gateways, qwen-code).

    A delta that begins with all earlier text is held until the next delta decides: two repetitions mean cumulative.
    """

    def __init__(self) -> None:
        self._mode = "unknown"
        self._seen = ""
        self._held = ""

    def add(self, text: str) -> str:
        """Gives the new text of this delta."""
        if self._mode == "increments":
            return text
        if self._mode == "cumulative":
            new = text.removeprefix(self._seen)
            self._seen = text
            return new
        if not self._seen:
            self._seen = text
            return text
        if self._held:
            if text.startswith(self._held) and len(text) > len(self._held):
                self._mode = "cumulative"
                new, self._seen, self._held = text.removeprefix(self._seen), text, ""
                return new
            text, self._held = self._held + text, ""
        elif text.startswith(self._seen) and len(text) > len(self._seen):
            self._held = text
            return ""
        self._mode = "increments"
        return text

    def rest(self) -> str:
        """Gives the text that is held when the stream ends: two deltas are too few to call it cumulative."""
        held, self._held = self._held, ""
        return held


class _ToolCallFold:
    """The indexes of tool calls, for servers that omit or reuse ``index`` and ``id``.

    A known index with the same id or none continues the call; with another id it begins a new call. An id without an index begins
    a new call, unless the id is known. A piece without index, id and name continues the last call.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._number: dict[int, int] = {}

    def add(self, call: Mapping[str, Any]) -> ToolCallDelta:
        raw = call.get("function")
        function = raw if isinstance(raw, dict) else {}
        call_id = call.get("id") or ""
        index = self._place(call.get("index"), call_id, named=bool(function.get("name")))
        if call_id and not self._ids[index]:
            self._ids[index] = call_id
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments) if arguments is not None else ""
        return ToolCallDelta(index, call_id, function.get("name") or "", arguments)

    def _place(self, given: Any, call_id: str, *, named: bool) -> int:
        if call_id and call_id in self._ids:
            return self._ids.index(call_id)
        if isinstance(given, int):
            known = self._number.get(given)
            if known is not None and (not call_id or not self._ids[known]):
                return known
            self._number[given] = self._new(call_id)
            return self._number[given]
        if call_id or named or not self._ids:
            return self._new(call_id)
        return len(self._ids) - 1

    def _new(self, call_id: str) -> int:
        self._ids.append(call_id)
        return len(self._ids) - 1


def _usage(value: Mapping[str, Any]) -> Usage | None:
    """Reads the usage; None if input and output are both zero, as LiteLLM reports."""
    prompt = value.get("prompt_tokens_details")
    completion = value.get("completion_tokens_details")
    prompt = prompt if isinstance(prompt, dict) else {}
    usage = Usage(
        input_tokens=_count(value.get("prompt_tokens")),
        # DeepSeek has its own name for it.
        cached_tokens=_count(prompt.get("cached_tokens")) or _count(value.get("prompt_cache_hit_tokens")),
        cache_write_tokens=_count(prompt.get("cache_write_tokens")),
        output_tokens=_count(value.get("completion_tokens")),
        thinking_tokens=_count(completion.get("reasoning_tokens")) if isinstance(completion, dict) else 0,
    )
    return usage if usage.input_tokens or usage.output_tokens else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _encoded(message: Message, call_id: Callable[[str], str]) -> Iterable[dict[str, Any]]:
    if message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResult):
                yield {"role": "tool", "tool_call_id": call_id(part.call_id), "content": part.text}
        return
    body: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.tool_calls:
        body["content"] = body["content"] or None
        body["tool_calls"] = [
            {"id": call_id(call.id), "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    yield body


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, Image) for part in message.parts):
        return message.text
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            url = f"data:{part.media_type};base64,{base64.b64encode(part.data).decode('ascii')}"
            content.append({"type": "image_url", "image_url": {"url": url}})
    return content
