"""The response as one object, with what memory did in its metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anaphora.server.event_log import RunClosed
from anaphora.server.openai.items import Item
from anaphora.values.answer import Answer
from anaphora.values.message import Status, Usage
from anaphora.values.report import Report

_MOST_PAIRS, _LONGEST_VALUE = 16, 512


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The facts of a run that its response repeats. ``outside`` are the names of the tools that the client runs.

    ``request`` are fields of the request, ``created`` is in seconds since 1970.
    """

    id: str
    seed: str
    conversation: str
    created: float
    model: str
    request: Mapping[str, Any]
    shows_conversation: bool = True
    outside: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_background(self) -> bool:
        """True if the client does not wait for it."""
        return bool(self.request.get("background"))


def response_status(status: Status, *, has_words: bool, finish: str | None = None) -> str:
    """Gives the status of a response for that of its turn."""
    if status == "complete":
        return "incomplete" if finish in {"length", "content_filter"} else "completed"
    if status == "interrupted":
        return "incomplete" if has_words else "failed"
    return {"stopped": "cancelled", "refused": "completed", "failed": "failed"}.get(status, "in_progress")


def response_object(
    facts: RunFacts,
    output: Sequence[Item],
    closed: RunClosed | None,
    answer: Answer[Any] | None,
    report: Report | None,
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Gives the response as it is now."""
    request, finish = facts.request, None if answer is None else answer.finish
    status = "in_progress" if closed is None else response_status(closed.status, has_words=bool(output), finish=finish)
    error = closed.error if closed is not None else None
    return {
        "id": facts.id,
        "object": "response",
        "created_at": int(facts.created),
        "status": status,
        "background": facts.is_background,
        "completed_at": int(facts.created + answer.seconds) if answer is not None and status == "completed" else None,
        "conversation": {"id": facts.conversation} if facts.shows_conversation else None,
        "error": {"code": "server_error", "message": error["message"]} if error and status in {"failed", "incomplete"} else None,
        "incomplete_details": {"reason": _reason(finish)} if status == "incomplete" else None,
        "instructions": request.get("instructions"),
        "max_output_tokens": request.get("max_output_tokens"),
        "metadata": _metadata(request.get("metadata") or {}, report, warnings),
        "model": facts.model,
        "output": [dict(item) for item in output],
        "parallel_tool_calls": request.get("parallel_tool_calls", True),
        "previous_response_id": request.get("previous_response_id"),
        "reasoning": request.get("reasoning") or {"effort": None, "summary": None},
        "store": request.get("store", True),
        "temperature": request.get("temperature"),
        "text": request.get("text") or {"format": {"type": "text"}},
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools") or [],
        "top_p": request.get("top_p"),
        "truncation": request.get("truncation", "auto"),
        "usage": None if closed is None else usage_object(answer.usage if answer else None),
        "user": request.get("user"),
    }


def _reason(finish: str | None) -> str:
    return {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish or "", "interrupted")


def usage_object(usage: Usage | None) -> dict[str, Any] | None:
    """Gives usage as responses tell it."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.thinking_tokens},
        "total_tokens": usage.total_tokens,
    }


def _metadata(pairs: Mapping[str, str], report: Report | None, warnings: Sequence[str]) -> dict[str, str]:
    told = dict(pairs)
    if report is not None and len(told) < _MOST_PAIRS:
        told["anaphora.context"] = context_line(report)
    if warnings and len(told) < _MOST_PAIRS:
        told["anaphora.warnings"] = " ".join(warnings)[:_LONGEST_VALUE]
    return told


def context_line(report: Report) -> str:
    """Gives what the model saw and what was left out, in at most 512 characters."""
    has, left = report.asides, report.left
    parts = [f"{report.window_messages} messages ({report.window_tokens} tokens) verbatim"]
    parts += [f"{len(has.summaries)} summaries"] * bool(has.summaries)
    parts += [f"{len(has.facts) + len(has.recent)} facts"] * bool(has.facts or has.recent)
    parts += [f"{len(has.passages)} passages recalled"] * bool(has.passages)
    parts += [f"{len(has.documents) + len(has.excerpts)} pieces of documents"] * bool(has.documents or has.excerpts)
    out = "nothing left out"
    if left is not None:
        out = f"{left.messages} messages ({left.tokens} tokens) left out, {left.summarised} of them summarised: {left.reason}"
    line = f"{', '.join(parts)}; {out}; {report.tokens} of {report.budget} tokens"
    return line[:_LONGEST_VALUE]
