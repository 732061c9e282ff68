"""Google's Gemini dialect: streamGenerateContent as server-sent events.

https://ai.google.dev/api/generate-content, checked against the official client 3.4. A thought's signature belongs to the part
it came with and goes back with that part; here it is a Thinking without text before the part.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from anaphora.errors import RequestRejected
from anaphora.providers.base import Request
from anaphora.providers.models.card import ModelCard
from anaphora.providers.wires.base import (
    ASSISTANT_FIRST,
    MOST_PICTURE_EVENT,
    CatalogRequest,
    Counts,
    WireRequest,
    broken_off,
    json_value,
    name_text,
    named_models,
)
from anaphora.providers.wires.failures import Answerer, from_error_object, unreadable
from anaphora.providers.wires.pictures import picture
from anaphora.providers.wires.tool_form import arguments_object, call_name
from anaphora.tools.base import Tool
from anaphora.values.codec import Json
from anaphora.values.events import Ended, ImageDelta, ProviderEvent, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Finish, Image, Message, Part, Text, Thinking, ToolCall, ToolResult, Usage, is_worse

_FINISHES: Mapping[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
}
# The finish reasons of a failed answer; another try may succeed.
_FAILED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    }
)


class GeminiWire:
    """Gemini's dialect. ``who`` names the provider in errors."""

    framing: Literal["events", "lines"] = "events"
    most_event_bytes = MOST_PICTURE_EVENT
    embeddings = "/embeddings"
    sets_window = False

    def __init__(self, who: Answerer, card: ModelCard) -> None:
        self._who = who
        self._card = card

    def headers(self, key: str) -> Mapping[str, str]:
        """Gives the header with the key."""
        return {"x-goog-api-key": key}

    def encode(self, request: Request, /) -> WireRequest:
        """Gives POST …:streamGenerateContent. It asks for thoughts if the model is known to have them."""
        options = request.options
        system = [message.text for message in request.messages if message.role == "system" and message.text]
        chosen = {
            "temperature": options.temperature,
            "maxOutputTokens": options.max_tokens,
            "seed": options.seed,
            "stopSequences": list(options.stop) or None,
            "thinkingConfig": {"includeThoughts": True} if self._card.thinking else None,
            "responseMimeType": None if request.schema is None else "application/json",
            "responseJsonSchema": request.schema,
        }
        config = {name: value for name, value in chosen.items() if value is not None}
        said = [message for message in request.messages if message.role != "system"]
        body: Json = {"contents": _contents(said, self._who.tag("gemini"))}
        if system:
            body["systemInstruction"] = {"parts": [{"text": "\n\n".join(system)}]}
        if config:
            body["generationConfig"] = config
        if request.tools:
            body["tools"] = [{"functionDeclarations": [_declared(tool) for tool in request.tools]}]
            body.update(_choice(options.tool_choice))
        body.update(options.extra)
        path = f"/models/{request.model.removeprefix('models/')}:streamGenerateContent?alt=sse"
        return WireRequest(path, {"content-type": "application/json"}, json.dumps(body).encode())

    def decoder(self) -> GeminiDecoder:
        """Gives a reader for one answer."""
        return GeminiDecoder(self._who)

    def models(self) -> CatalogRequest:
        """Gives the request for the list of models."""
        return CatalogRequest("/models?pageSize=1000")

    def offered(self, answer: Json) -> Mapping[str, int | None]:
        """Reads the names of chat models and their context windows in tokens (None if not said)."""
        methods = ((item, item.get("supportedGenerationMethods")) for item in answer["models"])
        chatting = [item for item, can in methods if can is None or "generateContent" in can]
        found = named_models(chatting, name="name", window=("inputTokenLimit",))
        return {name.removeprefix("models/"): window for name, window in found.items()}

    def about(self, model: str, base_url: str) -> Sequence[CatalogRequest]:  # noqa: ARG002 -- the protocol's signature
        """Gives the request for the model's own page."""
        return (CatalogRequest(f"/models/{model.removeprefix('models/')}"),)

    def window(self, model: str, answer: Json) -> int | None:  # noqa: ARG002 -- the protocol's signature
        """Reads the context window from the model's page; None if it is not there."""
        size = answer.get("inputTokenLimit")
        return size if type(size) is int else None


class GeminiDecoder:
    """A reader of one streamed answer."""

    def __init__(self, who: Answerer) -> None:
        self._who = who
        self._tag = who.tag("gemini")
        self._counts = Counts()
        self._model = ""
        self._finish: Finish | None = None
        self._raw_finish = ""
        self._id = ""
        self._calls = 0
        self._is_half = False

    def feed(self, data: str, /) -> Sequence[ProviderEvent]:
        """Reads the data of one event and gives its deltas."""
        chunk = json_value(self._who, data, began=bool(self._model))
        events: list[ProviderEvent] = []
        for one in chunk if isinstance(chunk, list) else [chunk]:
            if not isinstance(one, dict):
                raise unreadable(self._who, "", data.encode("utf-8", "replace"))
            events += self._chunk(one)
        return events

    def end(self) -> Sequence[ProviderEvent]:
        """Gives Ended. Raises StreamInterrupted if no finish reason came."""
        if self._finish is None:
            raise broken_off(self._who)
        counts = self._counts
        # The answer's count excludes the thoughts, and the prompt's count excludes the prompts of tools.
        output = counts["answer"] + counts["thoughts"]
        prompt = counts["prompt"] + counts["tools"]
        usage = Usage(prompt, counts["cached"], output, counts["thoughts"]) if prompt or output else None
        finish: Finish = "tool_calls" if self._calls and self._finish == "stop" else self._finish
        finish = "length" if self._is_half and is_worse("length", finish) else finish
        return (Ended(finish, usage, self._model, response_id=self._id, raw_finish=self._raw_finish),)

    def _chunk(self, chunk: Mapping[str, Any]) -> Sequence[ProviderEvent]:
        if chunk.get("error"):
            raise from_error_object(self._who, chunk["error"])
        self._model = str(chunk.get("modelVersion") or self._model or self._who.model or "?")
        self._id = name_text(chunk.get("responseId")) or self._id
        self._counts.read(
            chunk.get("usageMetadata"),
            prompt="promptTokenCount",
            cached="cachedContentTokenCount",
            answer="candidatesTokenCount",
            thoughts="thoughtsTokenCount",
            tools="toolUsePromptTokenCount",
        )
        candidates = chunk.get("candidates")
        if not isinstance(candidates, list) or not candidates:
            self._check_prompt(chunk.get("promptFeedback"))
            return ()
        # Another candidate's end says nothing of the first's.
        firsts = (one for one in candidates if isinstance(one, dict) and one.get("index") in {None, 0})
        candidate = next(firsts, {})
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        parts = parts if isinstance(parts, list) else ()
        events = [event for part in parts if isinstance(part, dict) for event in self._part(part)]
        reason = candidate.get("finishReason")
        if reason and reason != "FINISH_REASON_UNSPECIFIED":
            if str(reason) in _FAILED:
                raise from_error_object(self._who, {"code": 502, "message": candidate.get("finishMessage") or reason})
            if is_worse(finish := _FINISHES.get(str(reason), "unknown"), self._finish):
                self._finish, self._raw_finish = finish, str(reason)
        return events

    def _check_prompt(self, feedback: Any) -> None:
        reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
        if reason:
            raise RequestRejected(
                f"{self._who.provider}: the prompt was blocked ({reason}). Say it in another way, or undo what was said before.",
                provider=self._who.provider,
                status=400,
            )

    def _part(self, part: Mapping[str, Any]) -> Sequence[ProviderEvent]:
        signature = part.get("thoughtSignature")
        opaque = {"vendor": self._tag, "signature": signature, "of": "next part"} if isinstance(signature, str) else {}
        text = part.get("text")
        if part.get("thought"):
            # The API does not want back the signature of a thought's own part.
            return (ThinkingDelta(text),) if isinstance(text, str) and text else ()
        events: list[ProviderEvent] = [ThinkingDelta("", opaque)] if opaque else []
        call = part.get("functionCall")
        if isinstance(call, dict):
            number, self._calls = self._calls, self._calls + 1
            given = call.get("args")
            arguments = json.dumps({} if given is None else given)
            self._is_half = self._is_half or bool(call.get("willContinue"))
            call_id = name_text(call.get("id")) or f"call_{number}"
            events.append(ToolCallDelta(number, call_id, name_text(call.get("name")), arguments))
        elif isinstance(text, str) and text:
            events.append(TextDelta(text))
        data = part.get("inlineData")
        image = picture(data.get("data"), data.get("mimeType")) if isinstance(data, dict) else None
        if image is not None:
            events.append(ImageDelta(image))
        return events


def _declared(tool: Tool) -> Json:
    parameters = {"parametersJsonSchema": tool.parameters} if tool.parameters.get("properties") else {}
    return {"name": tool.name, "description": tool.description, **parameters}


def _choice(choice: str) -> Json:
    if choice == "auto":
        return {}
    one = {} if choice in {"none", "required"} else {"allowedFunctionNames": [choice]}
    return {"toolConfig": {"functionCallingConfig": {"mode": "NONE" if choice == "none" else "ANY", **one}}}


def _contents(messages: Sequence[Message], tag: str) -> list[Json]:
    """Encodes messages, with user and model in turns; tool results belong to the user here."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    found: list[Json] = []
    for message in messages:
        role = "model" if message.role == "assistant" else "user"
        parts = _parts(message, names, tag)
        if parts and found and found[-1]["role"] == role:
            found[-1]["parts"] += parts
        elif parts:
            if role == "model" and not found:
                found.append({"role": "user", "parts": [{"text": ASSISTANT_FIRST}]})
            found.append({"role": role, "parts": parts})
    return found


def _parts(message: Message, names: Mapping[str, str], tag: str) -> list[Json]:
    found: list[Json] = []
    signature: str | None = None
    for part in message.parts:
        if isinstance(part, Thinking):
            if part.opaque.get("vendor") == tag:
                signature = part.opaque.get("signature")
            continue
        encoded = _part(part, names)
        if encoded is not None:
            found.append({**encoded, **({"thoughtSignature": signature} if signature else {})})
            signature = None
    if signature:
        # The signature came after the last text.
        found.append({"text": "", "thoughtSignature": signature})
    return found


def _part(part: Part, names: Mapping[str, str]) -> Json | None:
    match part:
        case Text(text):
            return {"text": text} if text else None
        case Image(data, media_type):
            return {"inlineData": {"mimeType": media_type, "data": base64.b64encode(data).decode("ascii")}}
        case ToolCall(_, name, arguments):
            return {"functionCall": {"name": call_name(name), "args": arguments_object(arguments)}}
        case ToolResult(call_id, text, name, failed):
            answer = {"error" if failed else "result": text}
            return {"functionResponse": {"name": call_name(name or names.get(call_id, call_id)), "response": answer}}
    return None
