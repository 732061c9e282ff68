"""What the tests of all dialects share: answers as bytes, and how the service reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.doubles.loopback import head

from anaphora.providers.wires.base import Wire
from anaphora.providers.wires.failures import Answerer
from anaphora.providers.wires.json_lines import LineParser
from anaphora.providers.wires.sse import SSEParser
from anaphora.values.draft import AnswerDraft
from anaphora.values.events import Ended, ProviderEvent
from anaphora.values.message import Message

WHO = Answerer("acme", None, "m")
DATA = Path(__file__).parent.parent / "providers" / "data"


def decoded(wire: Wire, data: bytes, *, size: int | None = None) -> list[ProviderEvent]:
    """The events of an answer whose bytes come in pieces of this size."""
    decoder, events, lines, parser = wire.decoder(), list[ProviderEvent](), LineParser(), SSEParser()
    pieces = [data] if size is None else [data[index : index + size] for index in range(0, len(data), size)]
    for piece in pieces:
        texts = lines.feed(piece) if wire.framing == "lines" else [text for _, text in parser.feed(piece)]
        for text in texts:
            events.extend(decoder.feed(text))
    for text in lines.end():
        events.extend(decoder.feed(text))
    return [*events, *decoder.end()]


def answer(events: list[ProviderEvent]) -> tuple[Message, Ended]:
    """The message that events make, and how it ended."""
    draft = AnswerDraft()
    *deltas, end = events
    assert isinstance(end, Ended)
    for event in deltas:
        assert not isinstance(event, Ended)
        draft.add(event)
    return draft.message(), end


def _events(*events: Any) -> bytes:
    """Events of server-sent streams; those of Anthropic have names."""
    names = (f"event: {event['type']}\n" if "type" in event else "" for event in events)
    return "".join(f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)).encode()


def anthropic_answer(text: str) -> bytes:
    """A streamed answer, with a thought before it."""
    usage = {"input_tokens": 10, "output_tokens": 1}
    thought, signature = {"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "sig"}
    words = {"type": "text_delta", "text": text}
    return _events(
        {"type": "message_start", "message": {"model": "m", "usage": usage}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in (thought, signature)),
        {"type": "content_block_delta", "index": 1, "delta": words},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    )


def gemini_answer(text: str) -> bytes:
    """A streamed answer."""
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5}
    end = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": usage, "modelVersion": "m"}
    return _events({"candidates": [{"content": {"parts": [{"text": text}]}}], "modelVersion": "m"}, end)


def ollama_answer(text: str) -> bytes:
    """A streamed answer."""
    end = {"model": "m", "message": {"content": ""}, "done": True, "prompt_eval_count": 10, "eval_count": 5}
    return "".join(f"{json.dumps(line)}\n" for line in ({"model": "m", "message": {"content": text}}, end)).encode()


def openai_answer(text: str) -> bytes:
    """A streamed answer."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    choices = ({"delta": {"content": text}}, {"delta": {}, "finish_reason": "stop"})
    return _events(*({"model": "m", "choices": [{"index": 0, **one}], "usage": usage} for one in choices)) + b"data: [DONE]\n\n"


ANSWERS: dict[str, Callable[[str], bytes]] = {
    "openai": openai_answer,
    "anthropic": anthropic_answer,
    "gemini": gemini_answer,
    "ollama": ollama_answer,
}
KINDS = {"ollama": "application/x-ndjson"}


def streamed(name: str, text: str) -> bytes:
    """The whole response."""
    return head(kind=KINDS.get(name, "text/event-stream")) + ANSWERS[name](text)


Call = tuple[str, dict[str, Any]]


def _openai_calls(calls: list[Call]) -> bytes:
    deltas = [
        {"index": number, "id": f"c{number}x", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for number, (name, arguments) in enumerate(calls)
    ]
    chunks = [{"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]} for delta in deltas]
    return _events(*chunks, {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})


def _anthropic_calls(calls: list[Call]) -> bytes:
    usage = {"input_tokens": 10, "output_tokens": 1}
    blocks: list[dict[str, Any]] = []
    for number, (name, arguments) in enumerate(calls):
        text = json.dumps(arguments)
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": {}}
        blocks.append({"type": "content_block_start", "index": number, "content_block": block})
        for piece in (text[:5], text[5:]):
            delta = {"type": "input_json_delta", "partial_json": piece}
            blocks.append({"type": "content_block_delta", "index": number, "delta": delta})
        blocks.append({"type": "content_block_stop", "index": number})
    return _events(
        {"type": "message_start", "message": {"model": "m", "usage": usage}},
        *blocks,
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    )


def _gemini_calls(calls: list[Call]) -> bytes:
    parts = [{"functionCall": {"name": name, "args": arguments}} for name, arguments in calls]
    chunk = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "modelVersion": "m"}
    return _events(chunk)


def _ollama_calls(calls: list[Call]) -> bytes:
    made = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    lines = ({"model": "m", "message": {"content": "", "tool_calls": made}}, {"model": "m", "done": True, "done_reason": "stop"})
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def streamed_calls(service: str, calls: list[Call]) -> bytes:
    """The HTTP response in which a service streams calls of tools."""
    made = {"anthropic": _anthropic_calls, "gemini": _gemini_calls, "ollama": _ollama_calls}.get(service, _openai_calls)
    return head(kind=KINDS.get(service, "text/event-stream")) + made(calls)
