"""Folds a run's events into the events of a response, and into the response itself.

The sequence number of every event is a function of the log alone: a replay, on whichever process, numbers alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from anaphora.server.event_log import RunClosed, RunEvent
from anaphora.server.openai.items import Item, item_id, picture_item, text_part
from anaphora.server.openai.response_object import RunFacts, response_object
from anaphora.stores.run_records import output_id
from anaphora.values.answer import Answer
from anaphora.values.call_ids import id_within
from anaphora.values.events import (
    ConfirmationRequested,
    Finished,
    ImageDelta,
    Planned,
    Refused,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolEnded,
    ToolStarted,
    Warned,
)
from anaphora.values.message import ToolResult
from anaphora.values.report import Report

# No event of a turn becomes more events of a response.
_MOST_PER_EVENT = 10
ResponseEvent = dict[str, Any]


@dataclass(slots=True)
class _Known:
    """The report, the numbers of the answer, and the warnings so far."""

    report: Report | None = None
    answer: Answer[Any] | None = None
    warnings: list[str] = field(default_factory=list)


class ResponseFold:
    """A response so far."""

    def __init__(self, facts: RunFacts) -> None:
        self.facts = facts
        # The events of the start have the first numbers.
        self._sequence = 3 if facts.is_background else 2
        self._number = -1
        self._place = 0
        self._is_past_results = False
        self._open: str | None = None
        self._output: list[Item] = []
        self._calls: dict[int, Item] = {}
        self._ids: dict[str, str] = {}
        self._known = _Known()
        self._closed: RunClosed | None = None

    @property
    def is_closed(self) -> bool:
        """True after the last event."""
        return self._closed is not None

    @property
    def closed(self) -> RunClosed | None:
        """The last event."""
        return self._closed

    @property
    def answer(self) -> Answer[Any] | None:
        """The numbers of the answer: usage, finish reason, warnings."""
        return self._known.answer

    @property
    def report(self) -> Report | None:
        """The newest report on the context."""
        return self._known.report

    def object(self) -> dict[str, Any]:
        """Gives the response as it is now."""
        known = self._known
        return response_object(self.facts, self._output, self._closed, known.answer, known.report, known.warnings)

    def start(self) -> list[ResponseEvent]:
        """Gives the events with which every response begins."""
        first = response_object(self.facts, [], None, None, None, [])
        created = {**first, "status": "queued" if self.facts.is_background else "in_progress"}
        kinds = ["created", *(["queued"] if self.facts.is_background else []), "in_progress"]
        return [
            {"type": f"response.{kind}", "sequence_number": place, "response": first if kind == "in_progress" else created}
            for place, kind in enumerate(kinds)
        ]

    def feed(self, number: int, event: RunEvent) -> list[ResponseEvent]:
        """Takes the event of that number, and gives the events of the response that it makes."""
        # A log that goes on after its process died leaves room for what readers had seen.
        self._sequence += max(number - self._number - 1, 0) * _MOST_PER_EVENT
        self._number = number
        return list(self._folded(event))

    def _folded(self, event: RunEvent) -> Iterator[ResponseEvent]:  # noqa: C901, PLR0912 -- a case for each kind
        match event:
            case TextDelta(text):
                yield from self._text(text)
            case Refused(text):
                yield from self._refusal(text)
            case ThinkingDelta(text, _):
                yield from self._thinking(text)
            case ImageDelta(image):
                yield from self._begin_after_results()
                yield from self._close()
                item = picture_item(self._id("ig"), image)
                yield from self._whole_item(item)
            case ToolCallDelta():
                yield from self._call(event)
            case ToolStarted(call):
                yield from self._server_call_event(call.id, "in_progress")
            case ToolEnded(result):
                yield from self._result(result)
            case ConfirmationRequested(call):
                yield from self._close()
                about = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
                yield self._event("anaphora.confirmation_requested", **about)
            case Planned(report):
                self._known.report = report
            case Warned(text):
                self._known.warnings.append(text)
            case Finished(answer):
                self._known.answer = answer
                yield from self._close(_ended(answer.status, answer.finish))
            case RunClosed():
                self._closed = event
                yield from self._close(_ended(event.status, None))
                yield self._last_event()
            case _:
                return

    def _last_event(self) -> ResponseEvent:
        response = self.object()
        kind = {"completed": "completed", "failed": "failed"}.get(response["status"], "incomplete")
        return self._event(f"response.{kind}", response=response)

    def _event(self, kind: str, **values: Any) -> ResponseEvent:
        event = {"type": kind, "sequence_number": self._sequence, **values}
        self._sequence += 1
        return event

    def _id(self, kind: str) -> str:
        message = output_id(self.facts.seed, self._place)
        begins = f"{kind}_{message.removeprefix('msg_')}_"
        used = sum((kind == "msg" and one["id"] == message) or one["id"].startswith(begins) for one in self._output)
        return item_id(kind, message, used)

    def _begin_after_results(self) -> Iterator[ResponseEvent]:
        """Words after results are another message."""
        if self._is_past_results:
            yield from self._close()
            # The results are a message too.
            self._place += 2
            self._is_past_results = False
            self._calls = {}

    def _text(self, text: str) -> Iterator[ResponseEvent]:
        yield from self._begin_after_results()
        if self._open != "message":
            yield from self._close()
            yield from self._open_message(text_part(""))
        item = self._output[-1]
        item["content"][-1]["text"] += text
        yield self._event("response.output_text.delta", **self._at(item, content_index=0), delta=text, logprobs=[])

    def _refusal(self, text: str) -> Iterator[ResponseEvent]:
        yield from self._begin_after_results()
        yield from self._close()
        yield from self._open_message({"type": "refusal", "refusal": ""})
        item = self._output[-1]
        item["content"][-1]["refusal"] = text
        yield self._event("response.refusal.delta", **self._at(item, content_index=0), delta=text)
        yield from self._close()

    def _open_message(self, part: Item) -> Iterator[ResponseEvent]:
        item: Item = {"id": self._id("msg"), "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        yield from self._added(item)
        self._open = "message"
        yield self._event("response.content_part.added", **self._at(item, content_index=0), part=dict(part))
        item["content"].append(part)

    def _thinking(self, text: str) -> Iterator[ResponseEvent]:
        if not text:
            return
        yield from self._begin_after_results()
        if self._open != "reasoning":
            yield from self._close()
            item: Item = {"id": self._id("rs"), "type": "reasoning", "summary": [], "status": "in_progress"}
            yield from self._added(item)
            self._open = "reasoning"
            part = {"type": "summary_text", "text": ""}
            yield self._event("response.reasoning_summary_part.added", **self._at(item, summary_index=0), part=dict(part))
            item["summary"].append(part)
        item = self._output[-1]
        item["summary"][0]["text"] += text
        yield self._event("response.reasoning_summary_text.delta", **self._at(item, summary_index=0), delta=text)

    def _call(self, delta: ToolCallDelta) -> Iterator[ResponseEvent]:
        yield from self._begin_after_results()
        item = self._calls.get(delta.index)
        if item is None:
            if self._open != "calls":
                yield from self._close()
            call_id = id_within(output_id(self.facts.seed, self._place), len(self._calls))
            item = self._new_call(call_id, delta.name)
            self._calls[delta.index] = item
            yield from self._added(item)
            self._open = "calls"
        elif delta.name and not item["name"]:
            item["name"] = delta.name
        if delta.arguments:
            item["arguments"] += delta.arguments
            kind = "function_call" if item["type"] == "function_call" else "mcp_call"
            yield self._event(f"response.{kind}_arguments.delta", **self._at(item), delta=delta.arguments)

    def _new_call(self, call_id: str, name: str) -> Item:
        if name in self.facts.outside:
            call: Item = {"call_id": call_id, "name": name, "arguments": ""}
            return {"id": self._id("fc"), "type": "function_call", **call, "status": "in_progress"}
        about: Item = {"name": name, "arguments": "", "server_label": "anaphora", "output": None, "error": None}
        item: Item = {"id": self._id("mcp"), "type": "mcp_call", **about, "status": "in_progress"}
        self._ids[call_id] = item["id"]
        return item

    def _server_call_event(self, call_id: str, kind: str) -> Iterator[ResponseEvent]:
        yield from self._close()
        item = self._server_call(call_id)
        if item is not None:
            yield self._event(f"response.mcp_call.{kind}", **self._at(item))

    def _result(self, result: ToolResult) -> Iterator[ResponseEvent]:
        yield from self._close()
        self._is_past_results = True
        item = self._server_call(result.call_id)
        if item is None:
            return
        item.update(output=result.text, status="failed" if result.failed else "completed")
        failure = {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": result.text}]}
        item.update(error=failure if result.failed else None)
        at = self._at(item)
        yield self._event(f"response.mcp_call.{'failed' if result.failed else 'completed'}", **at)
        yield self._event("response.output_item.done", output_index=at["output_index"], item=_copied(item))

    def _server_call(self, call_id: str) -> Item | None:
        id_ = self._ids.get(call_id)
        return next((item for item in self._output if item["id"] == id_), None) if id_ else None

    def _at(self, item: Item, **places: int) -> dict[str, Any]:
        index = next(place for place, one in enumerate(self._output) if one is item)
        return {"item_id": item["id"], "output_index": index, **places}

    def _added(self, item: Item) -> Iterator[ResponseEvent]:
        self._output.append(item)
        yield self._event("response.output_item.added", output_index=len(self._output) - 1, item=_copied(item))

    def _whole_item(self, item: Item) -> Iterator[ResponseEvent]:
        yield from self._added(item)
        yield self._event("response.output_item.done", output_index=len(self._output) - 1, item=_copied(item))

    def _close(self, status: str = "completed") -> Iterator[ResponseEvent]:
        """Ends the item that is open."""
        kind, self._open = self._open, None
        if kind == "calls":
            for item in self._calls.values():
                if item["status"] == "in_progress":
                    yield from self._closed_call(item, status)
        elif kind is not None:
            yield from self._closed_item(self._output[-1], kind, status)

    def _closed_call(self, item: Item, status: str) -> Iterator[ResponseEvent]:
        is_outside = item["type"] == "function_call"
        kind = "function_call" if is_outside else "mcp_call"
        item["arguments"] = item["arguments"] or "{}"
        named = {"name": item["name"]} if is_outside else {}
        yield self._event(f"response.{kind}_arguments.done", **self._at(item), arguments=item["arguments"], **named)
        item["status"] = status if is_outside else "calling"
        # A call of the server's own is done when its result is there.
        if is_outside:
            yield self._event("response.output_item.done", output_index=self._at(item)["output_index"], item=_copied(item))

    def _closed_item(self, item: Item, kind: str, status: str) -> Iterator[ResponseEvent]:
        item["status"] = status
        if kind == "reasoning":
            at, part = self._at(item, summary_index=0), item["summary"][0]
            yield self._event("response.reasoning_summary_text.done", **at, text=part["text"])
            yield self._event("response.reasoning_summary_part.done", **at, part=dict(part))
        else:
            at, part = self._at(item, content_index=0), item["content"][0]
            if part["type"] == "refusal":
                yield self._event("response.refusal.done", **at, refusal=part["refusal"])
            else:
                yield self._event("response.output_text.done", **at, text=part["text"], logprobs=[])
            yield self._event("response.content_part.done", **at, part=dict(part))
        yield self._event("response.output_item.done", output_index=at["output_index"], item=_copied(item))


def _ended(status: str, finish: str | None) -> str:
    is_whole = status in {"complete", "refused"} and finish not in {"length", "content_filter"}
    return "completed" if is_whole else "incomplete"


def _copied(item: Item) -> Mapping[str, Any]:
    """Gives an item as it is now: it grows on."""
    return {name: [dict(one) for one in value] if isinstance(value, list) else value for name, value in item.items()}
