"""A run's events as they are stored: each with its number, without words that stand elsewhere, and with an end of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from anaphora.values.answer import Answer
from anaphora.values.event_codec import event_from_json, event_to_json
from anaphora.values.events import Event, Finished, ImageDelta, Planned, TextDelta, ThinkingDelta, ToolCallDelta, ToolEnded
from anaphora.values.message import Image, Message, Status, Text, Thinking, ToolCall
from anaphora.values.report import Aside, Asides, Report


@dataclass(frozen=True, slots=True)
class RunClosed:
    """The last event of a run's log: how it ended, and with which error."""

    status: Status
    error: Mapping[str, Any] | None = field(default=None, hash=False)


RunEvent = Event | RunClosed
Numbered = tuple[int, RunEvent]


def encoded(event: RunEvent) -> str:
    """Gives an event as JSON text."""
    if isinstance(event, RunClosed):
        return json.dumps({"event": "RunClosed", "status": event.status, "error": event.error})
    return json.dumps(event_to_json(_without_words(event)), ensure_ascii=False)


def decoded(rows: Sequence[tuple[int, str]], after: int) -> Iterator[Numbered]:
    """Yields the events in stored rows with a number above ``after``. Events that cannot be read are left out."""
    for first, text in rows:
        for number, value in enumerate(json.loads(text), first):
            if number > after:
                try:
                    yield number, _decoded(value)
                except ValueError:
                    continue


def _decoded(value: Any) -> RunEvent:
    if isinstance(value, dict) and value.get("event") == "RunClosed":
        return RunClosed(cast("Status", value.get("status")), value.get("error"))
    return event_from_json(value)


def _without_words(event: Event) -> Event:
    """Leaves out words that stand in messages already, so that forgetting them there is enough."""
    if isinstance(event, Planned):
        return Planned(report_without_words(event.report))
    if isinstance(event, Finished):
        return Finished(answer_without_words(event.answer))
    return event


def answer_without_words(answer: Answer[Any]) -> Answer[Any]:
    """Gives an answer with its numbers and without its words."""
    return replace(answer, message=Message("assistant", ()), steps=(), value=None, context=None)


def report_without_words(report: Report) -> Report:
    """Gives a report that names the messages, facts and documents that went in, without their words."""
    has = report.asides
    asides = Asides(
        facts=tuple(replace(one, text="", evidence=()) for one in has.facts),
        summaries=tuple(replace(one, text="") for one in has.summaries),
        recent=tuple(replace(one, text="", evidence=()) for one in has.recent),
        recalled=replace(
            has.recalled,
            need=replace(has.recalled.need, question=""),
            passages=tuple(replace(one, text="", title="") for one in has.recalled.passages),
        ),
        preamble=Aside("", has.preamble.tokens),
        tail=Aside("", has.tail.tokens),
        notes=has.notes,
        documents=tuple(replace(one, text="") for one in has.documents),
        excerpts=tuple(replace(one, text="") for one in has.excerpts),
    )
    return replace(report, asides=asides)


def events_of_messages(messages: Sequence[Message]) -> Iterator[Event]:
    """Yields the events that stored messages of a run stand for."""
    for message in messages:
        calls = 0
        for part in message.parts:
            match part:
                case Text(text):
                    yield TextDelta(text)
                case Thinking(text, _):
                    yield ThinkingDelta(text)
                case Image():
                    yield ImageDelta(part)
                case ToolCall(call_id, name, arguments, _):
                    yield ToolCallDelta(calls, call_id, name, arguments)
                    calls += 1
                case _:
                    yield ToolEnded(part)
