"""Ollama's own dialect, /api/chat, whose answers are lines of JSON.

https://docs.ollama.com/api/chat. Only this dialect can set the context window (``num_ctx``) and make too long a prompt an error
(``truncate``, ``shift``). The OpenAI dialect of the same server silently cuts such a prompt at the front.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from anaphora.providers.base import Request
from anaphora.providers.wires.base import (
    MOST_TEXT_EVENT,
    CatalogRequest,
    Counts,
    WireRequest,
    broken_off,
    json_chunk,
    name_text,
    named_models,
)
from anaphora.providers.wires.failures import Answerer, from_error_object, unreadable
from anaphora.providers.wires.think_tags import ThinkTags
from anaphora.providers.wires.tool_form import arguments_object, call_name, function_tool
from anaphora.values.codec import Json
from anaphora.values.events import Ended, ProviderEvent, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Finish, Image, Message, Usage, is_worse

# The largest default window, in tokens: every token of a window takes memory.
LARGEST_WINDOW = 16_384
# Old servers give no reason.
_FINISHES: Mapping[str, Finish] = {"": "stop", "length": "length", "stop": "stop", "tool_calls": "tool_calls"}


def native_url(base_url: str) -> str:
    """Gives the server's address, also from the better known address of its OpenAI dialect."""
    return base_url.rstrip("/").removesuffix("/v1")


class OllamaWire:
    """Ollama's dialect. ``who`` names the provider in errors; every request sets the ``context_window`` (tokens)."""

    framing: Literal["events", "lines"] = "lines"
    most_event_bytes = MOST_TEXT_EVENT
    embeddings = "/v1/embeddings"
    sets_window = True

    def __init__(self, who: Answerer, context_window: int | None) -> None:
        self._who = who
        self._context_window = context_window

    def headers(self, key: str) -> Mapping[str, str]:
        """Gives the header with the key, for servers behind a gateway."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def encode(self, request: Request, /) -> WireRequest:
        """Gives POST /api/chat, streaming."""
        options = request.options
        chosen = {
            "num_ctx": self._context_window,
            "temperature": options.temperature,
            "num_predict": options.max_tokens,
            "seed": options.seed,
            "stop": list(options.stop) or None,
        }
        body: Json = {
            "model": request.model,
            "messages": _messages(request.messages),
            "stream": True,
            "truncate": False,
            "shift": False,
            "options": {name: value for name, value in chosen.items() if value is not None},
        }
        # Ollama has no tool choice: a request can only leave the tools out.
        if request.tools and options.tool_choice != "none":
            body["tools"] = [function_tool(tool) for tool in request.tools]
        if request.schema is not None:
            body["format"] = request.schema
        body.update(options.extra)
        return WireRequest("/api/chat", {"content-type": "application/json"}, json.dumps(body).encode())

    def decoder(self) -> OllamaDecoder:
        """Gives a reader for one answer."""
        return OllamaDecoder(self._who)

    def models(self) -> CatalogRequest:
        """Gives the request for the models on the server's disk."""
        return CatalogRequest("/api/tags")

    def offered(self, answer: Json) -> Mapping[str, int | None]:
        """Reads the models' names; their context windows are not said."""
        return named_models(answer["models"], name="name")

    def about(self, model: str, base_url: str) -> Sequence[CatalogRequest]:  # noqa: ARG002 -- the protocol's signature
        """Gives the request for the model's own page."""
        return (CatalogRequest("/api/show", {"model": model}),)

    def window(self, model: str, answer: Json) -> int | None:  # noqa: ARG002 -- the protocol's signature
        """Reads the context window that the model's file sets, else the model's own, but at most 16,384 tokens."""
        set_by_file = re.search(r"^num_ctx\s+(\d+)\s*$", str(answer.get("parameters") or ""), re.MULTILINE)
        if set_by_file:
            return int(set_by_file[1])
        made_for = answer.get("model_info")
        sizes = (
            [size for name, size in made_for.items() if name.endswith(".context_length")] if isinstance(made_for, dict) else []
        )
        return min(sizes[0], LARGEST_WINDOW) if sizes and type(sizes[0]) is int else None


class OllamaDecoder:
    """A reader of one streamed answer."""

    def __init__(self, who: Answerer) -> None:
        self._who = who
        self._counts = Counts()
        self._model = ""
        self._finish: Finish | None = None
        self._raw_finish = ""
        self._calls = 0
        self._has_words = False
        self._tags = ThinkTags()
        self._details: dict[str, Any] = {}

    def feed(self, data: str, /) -> Sequence[ProviderEvent]:
        """Reads one line and gives its deltas."""
        line = json_chunk(self._who, data, began=bool(self._model))
        if line.get("error"):
            raise from_error_object(self._who, line["error"])
        if "message" not in line and not line.get("done"):
            raise unreadable(self._who, "", data.encode("utf-8", "replace"))
        self._model = str(line.get("model") or self._model or self._who.model or "?")
        if line.get("done"):
            self._counts.read(line, prompt="prompt_eval_count", output="eval_count")
            self._details = {name: value for name, value in line.items() if name.endswith("_duration")}
            raw = str(line.get("done_reason") or "")
            if is_worse(finish := _FINISHES.get(raw, "unknown"), self._finish):
                self._finish, self._raw_finish = finish, raw
        message = line.get("message")
        return self._message(message) if isinstance(message, dict) else ()

    def end(self) -> Sequence[ProviderEvent]:
        """Gives Ended. Raises StreamInterrupted if the server did not say that it is done."""
        if self._finish is None:
            raise broken_off(self._who)
        if self._raw_finish in {"load", "unload"} and not self._has_words:
            # The server only loaded or unloaded the model.
            raise from_error_object(
                self._who, {"code": 503, "message": f"the model was {self._raw_finish}ed, but gave no answer"}
            )
        counts = self._counts
        usage = Usage(counts["prompt"], 0, counts["output"]) if counts["prompt"] or counts["output"] else None
        finish: Finish = "tool_calls" if self._calls and self._finish == "stop" else self._finish
        return (*self._tags.rest(), Ended(finish, usage, self._model, self._details, raw_finish=self._raw_finish))

    def _message(self, message: Mapping[str, Any]) -> Sequence[ProviderEvent]:
        events: list[ProviderEvent] = []
        thinking, text, calls = message.get("thinking"), message.get("content"), message.get("tool_calls")
        if isinstance(thinking, str) and thinking:
            events.append(ThinkingDelta(thinking))
        if isinstance(text, str) and text:
            events += self._tags.read(text)
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                number, self._calls = self._calls, self._calls + 1
                given = function.get("arguments")
                # Some servers give them as text.
                arguments = given if isinstance(given, str) and given else json.dumps({} if given is None else given)
                call_id = name_text(call.get("id")) or f"call_{number}"
                events.append(ToolCallDelta(number, call_id, name_text(function.get("name")), arguments))
        self._has_words = self._has_words or bool(events)
        return events


def _messages(messages: Sequence[Message]) -> list[Json]:
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    found: list[Json] = []
    for message in messages:
        found += [
            {"role": "tool", "content": result.text, "tool_name": call_name(result.name or names.get(result.call_id, ""))}
            for result in message.tool_results
        ]
        if message.role == "tool":
            continue
        body: Json = {"role": message.role, "content": message.text}
        images = [base64.b64encode(part.data).decode("ascii") for part in message.parts if isinstance(part, Image)]
        if images:
            body["images"] = images
        if message.tool_calls:
            calls = [
                {"function": {"name": call_name(call.name), "arguments": arguments_object(call.arguments)}}
                for call in message.tool_calls
            ]
            body["tool_calls"] = calls
        found.append(body)
    return found
