"""Traces: passes a client's W3C trace on to the provider, and makes OpenTelemetry's GenAI spans where its API is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from anaphora.providers.http.transport import TRACE_HEADERS
from anaphora.values.answer import Answer

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_STATE = 512


@cache
def _tracer() -> Any:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace.get_tracer("anaphora")


def carry(headers: Mapping[str, str]) -> None:
    """Takes the trace of a request; calls of providers that it causes have it too."""
    parent = headers.get("traceparent", "")
    if not _TRACEPARENT.fullmatch(parent):
        TRACE_HEADERS.set({})
        return
    state = headers.get("tracestate", "")
    TRACE_HEADERS.set({"traceparent": parent, **({"tracestate": state} if 0 < len(state) <= _LONGEST_STATE else {})})


def begin_span(model: str) -> Any:
    """Begins the span of an answer; None without OpenTelemetry."""
    tracer = _tracer()
    if tracer is None:
        return None
    from opentelemetry import propagate

    provider, _, name = model.partition(":")
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": provider, "gen_ai.request.model": name or provider}
    context = propagate.extract(dict(TRACE_HEADERS.get()))
    return tracer.start_span(f"chat {name or provider}", context=context, attributes=attributes)


def end_span(span: Any, answer: Answer[Any] | None) -> None:
    """Ends the span of an answer, with what it took."""
    if span is None:
        return
    if answer is not None and answer.usage is not None:
        span.set_attribute("gen_ai.usage.input_tokens", answer.usage.input_tokens)
        span.set_attribute("gen_ai.usage.output_tokens", answer.usage.output_tokens)
    if answer is not None and answer.finish is not None:
        span.set_attribute("gen_ai.response.finish_reasons", [answer.finish])
    span.end()
