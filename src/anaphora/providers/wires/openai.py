"""The OpenAI chat-completions dialect, as OpenAI and other services take it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

from anaphora.providers.base import Request
from anaphora.providers.models.vendors import Vendor
from anaphora.providers.wires.base import MOST_PICTURE_EVENT, CatalogRequest, WireDecoder, WireRequest, named_models
from anaphora.providers.wires.failures import Answerer
from anaphora.providers.wires.openai_decoder import THINKING, OpenAIDecoder
from anaphora.providers.wires.tool_form import arguments_text, call_name, function_tool
from anaphora.schema.strict import strict_form
from anaphora.tools.base import Tool
from anaphora.values.codec import Json
from anaphora.values.message import Image, Message, Text, Thinking, ToolCall, ToolResult

# OpenRouter and Together, Groq, vLLM, Mistral, LiteLLM.
_WINDOWS = ("context_length", "context_window", "max_model_len", "max_context_length", "max_input_tokens")


class OpenAIWire:
    """The OpenAI dialect. ``who`` names the provider in errors; ``vendor`` holds the peculiarities of the service."""

    framing: Literal["events", "lines"] = "events"
    most_event_bytes = MOST_PICTURE_EVENT
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
            "messages": [item for message in request.messages for item in self._encoded(message)],
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

    def _encoded(self, message: Message) -> Iterable[Json]:
        if message.role == "tool":
            for part in message.parts:
                if isinstance(part, ToolResult):
                    yield {"role": "tool", "tool_call_id": self._call_id(part.call_id), "content": part.text}
            return
        body: Json = {"role": message.role, "content": _content(message)}
        if message.tool_calls:
            body["content"] = body["content"] or None
            body["tool_calls"] = [self._call(call) for call in message.tool_calls]
            body.update(self._thinking(message))
        yield body

    def _call(self, call: ToolCall) -> Json:
        function = {"name": call_name(call.name), "arguments": arguments_text(call.arguments)}
        extras = call.opaque.get("extras") if call.opaque.get("vendor") == self._who.service else None
        return {**(extras or {}), "id": self._call_id(call.id), "type": "function", "function": function}

    def _thinking(self, message: Message) -> Json:
        """Gives the thinking before tool calls, for the service that gave it: DeepSeek and Kimi refuse the calls without it."""
        own = [part for part in message.parts if isinstance(part, Thinking) and part.opaque.get("vendor") == self._who.service]
        details = [one for part in own for one in part.opaque.get("details", ())]
        if details:
            return {"reasoning_details": details}
        texts: dict[str, str] = {}
        for part in own:
            name = str(part.opaque.get("field"))
            texts[name] = texts.get(name, "") + part.text
        return {name: text for name, text in texts.items() if text and name in THINKING}

    def decoder(self) -> WireDecoder:
        """Gives a reader for one answer."""
        return OpenAIDecoder(self._who, self._vendor)

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
