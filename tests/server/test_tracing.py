"""Traces go on to the provider, and answers are spans where OpenTelemetry is installed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.doubles.loopback import Loopback, stream
from tests.doubles.server import services_for, serving

from anaphora import InMemoryStore
from anaphora.providers.base import ModelRef, ProviderOptions
from anaphora.providers.http.service import open_provider
from anaphora.server import tracing
from anaphora.values.answer import Answer
from anaphora.values.message import Message, Usage

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_trace_of_a_request_goes_to_the_provider(loopback: Loopback):
    for _ in range(4):
        loopback.answer(stream("Hi."))
    options = ProviderOptions(base_url=loopback.url, api_key="k", context_window=8_000)
    provider = open_provider(ModelRef("openai-compatible", "m"), options)
    with serving(services_for(provider, InMemoryStore())) as served:
        http = served.http()
        body = {"messages": [{"role": "user", "content": "hi"}]}
        for headers in ({"traceparent": PARENT, "tracestate": "a=1"}, {"traceparent": "nonsense"}, {}):
            assert http.post("/v1/chat/completions", json=body, headers=headers).status_code == 200
        http.post("/v1/responses", json={"input": "hi"}, headers={"traceparent": PARENT})
    traces = [one.headers.get("traceparent") for one in loopback.seen]
    assert traces == [PARENT, None, None, PARENT]
    assert loopback.seen[0].headers["tracestate"] == "a=1"


class Span:
    """A span as OpenTelemetry makes it."""

    def __init__(self, name: str, attributes: dict[str, Any]) -> None:
        self.name, self.attributes, self.ended = name, dict(attributes), False

    def set_attribute(self, name: str, value: Any) -> None:
        self.attributes[name] = value

    def end(self) -> None:
        self.ended = True


def test_an_answer_is_a_span_with_what_it_took(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("opentelemetry", reason="opentelemetry-api is not installed")
    spans: list[Span] = []

    class Tracer:
        def start_span(self, name: str, *, context: Any, attributes: dict[str, Any]) -> Span:
            assert context is not None
            spans.append(Span(name, attributes))
            return spans[-1]

    monkeypatch.setattr(tracing, "_tracer", Tracer)
    span = tracing.begin_span("openai:gpt")
    tracing.end_span(span, Answer(Message("assistant", ()), "complete", usage=Usage(3, 0, 4), finish="stop"))
    assert (spans[0].name, spans[0].ended) == ("chat gpt", True)
    assert spans[0].attributes["gen_ai.usage.output_tokens"] == 4
    tracing.end_span(None, None)
