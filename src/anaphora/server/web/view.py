"""A conversation as the page shows it: messages, what the model saw, and the branches beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from anaphora.server.openai.items import data_url
from anaphora.server.services import Services
from anaphora.server.web.markdown import html_of
from anaphora.stores.run_records import Run, seed_of
from anaphora.values.event_codec import event_from_json
from anaphora.values.events import Planned
from anaphora.values.message import Image, Text, Thinking, ToolCall, ToolResult
from anaphora.values.report import Report
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Extent

# So many of the newest messages are shown at once.
SHOWN = 60
_MANY = 1 << 40
_DAY = 86_400.0
STATUS_LINES = {
    "interrupted": "This answer was interrupted. What had come of it is kept.",
    "stopped": "You stopped this answer.",
    "failed": "No answer came.",
    "refused": "A guard refused this.",
    "pending": "This answer is being given.",
}


@dataclass(frozen=True, slots=True)
class ToolCard:
    """A tool call with its result, if there is one."""

    name: str
    arguments: str
    result: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One message as it is shown. ``place`` of ``places`` tells of other answers or wordings beside it."""

    id: str
    role: str
    status: str
    html: str
    text: str
    thinking: str
    pictures: tuple[str, ...]
    tools: tuple[ToolCard, ...]
    model: str
    cost: str
    when: str
    place: int
    places: int
    before: str
    after: str
    run: str
    is_cut: bool
    line: str


@dataclass(frozen=True, slots=True)
class ShownConversation:
    """A conversation as it is shown. ``live`` is the run that is under way in it, ``earlier`` the message to read on from."""

    info: ConversationInfo
    messages: tuple[ShownMessage, ...]
    earlier: str
    live: str
    report: Report | None
    report_run: str
    fold: str
    cost: str


async def shown_conversation(services: Services, scope: Scope, *, up_to: str = "") -> ShownConversation:
    """Gives a conversation, its newest messages or those before ``up_to``."""
    store = services.store
    info = await store.info(scope)
    runs = list(await store.runs(scope))
    last = await store.living_run(scope.owner, runs[-1].id) if runs else None
    end = up_to or _end(info, last, runs)
    branch = list(await store.branch(scope, end, reach=Extent(SHOWN, _MANY, _MANY))) if end else []
    if up_to:
        branch = branch[:-1]
    live = last.id if last is not None and last.status == "pending" else ""
    if not up_to and last is not None and last.status in {"interrupted", "failed", "stopped", "refused"}:
        branch = await _with_unfinished(services, scope, branch, last)
    report = _report(last)
    first = branch[0] if branch else None
    earlier = first.id if first is not None and first.parent is not None else ""
    known = {run.id: run for run in runs}
    results = {part.call_id: part for entry in branch for part in entry.message.parts if isinstance(part, ToolResult)}
    messages = [
        await _shown(services, scope, entry, results, report, known)
        for entry in branch
        if entry.role in {"user", "assistant"} and not (live and seed_of(live) in entry.id and entry.role == "assistant")
    ]
    fold = "" if report is None or report.left is None else _fold(report)
    cost = "" if info.usage.cost is None else money(info.usage.cost)
    return ShownConversation(info, tuple(messages), earlier, live, report, last.id if last else "", fold, cost)


def _end(info: ConversationInfo, last: Run | None, runs: Sequence[Run]) -> str | None:
    """Gives the message that the page ends with: the one that is being answered, or was not, else the head."""
    del runs
    if last is not None and last.message and last.status in {"pending", "interrupted", "failed", "refused"}:
        return last.message if last.base == info.head or last.status == "pending" else info.head
    return info.head


async def _with_unfinished(services: Services, scope: Scope, branch: list[Entry], last: Run) -> list[Entry]:
    """Adds the words of an answer that did not end well: the head is not at it."""
    said = await services.kept.keeper.messages(last, scope.owner)
    there = {entry.id for entry in branch}
    is_below = bool(branch) and last.message in there
    return [*branch, *(entry for entry in said if entry.id not in there)] if is_below else branch


async def _shown(
    services: Services, scope: Scope, entry: Entry, results: dict[str, ToolResult], report: Report | None, runs: dict[str, Run]
) -> ShownMessage:
    siblings = [one for one in await services.store.children(scope, entry.parent) if one.role == entry.role and one.message.parts]
    place = next((number for number, one in enumerate(siblings) if one.id == entry.id), 0)
    text = "".join(part.text for part in entry.message.parts if isinstance(part, Text))
    tools = [
        ToolCard(part.name, part.arguments, *_result(results.get(part.id)))
        for part in entry.message.parts
        if isinstance(part, ToolCall)
    ]
    pictures = [data_url(part.data, part.media_type) for part in entry.message.parts if isinstance(part, Image)]
    run = f"resp_{entry.id.removeprefix('msg_')[:32]}"
    usage = entry.usage
    return ShownMessage(
        id=entry.id,
        role=entry.role,
        status=entry.status,
        html=html_of(text) if entry.role == "assistant" else "",
        text=text,
        thinking="".join(part.text for part in entry.message.parts if isinstance(part, Thinking)),
        pictures=tuple(pictures),
        tools=tuple(tools),
        model=entry.model,
        cost="" if usage is None or not usage.cost else money(usage.cost),
        when=time_text(entry.created),
        place=place + 1,
        places=len(siblings),
        before=siblings[place - 1].id if place > 0 else "",
        after=siblings[place + 1].id if place + 1 < len(siblings) else "",
        run=run if run in runs else "",
        is_cut=report is not None and report.left is not None and report.cut == entry.id,
        line=_line(entry, runs.get(run)),
    )


def _line(entry: Entry, run: Run | None) -> str:
    """Gives the sentence about an answer that did not end well, with its reason."""
    if entry.role != "assistant" or entry.status not in STATUS_LINES:
        return ""
    error = run.result.get("error") if run is not None else None
    reason = str(error.get("message") or "") if isinstance(error, dict) else ""
    return f"{STATUS_LINES[entry.status]} {reason[:1].upper()}{reason[1:]}".strip()


def _result(result: ToolResult | None) -> tuple[str, bool]:
    return ("", False) if result is None else (result.text, result.failed)


def _report(run: Run | None) -> Report | None:
    if run is None or "planned" not in run.result:
        return None
    try:
        event = event_from_json(run.result["planned"])
    except ValueError:
        return None
    return event.report if isinstance(event, Planned) else None


def _fold(report: Report) -> str:
    left = report.left
    if left is None:
        return ""
    count = f"{left.messages} earlier message{'s' if left.messages != 1 else ''}"
    return f"{count} {'are a summary' if left.summarised == left.messages else 'are not sent as they were said'}"


def bar_parts(report: Report) -> list[dict[str, Any]]:
    """Gives the parts of what the model saw, each with its share in percent."""
    names = (("system", "system"), ("tools", "tools"), ("memory", "memory"), ("window", "conversation"), ("tail", "recalled"))
    found, place = [], 0.0
    for name, label in names:
        tokens = report.parts[name]
        if tokens:
            share = 100 * tokens / max(report.budget, 1)
            found.append({"name": name, "label": label, "tokens": tokens, "x": round(place, 2), "width": round(share, 2)})
            place += share
    return found


def grouped(infos: Sequence[ConversationInfo]) -> list[tuple[str, list[ConversationInfo]]]:
    """Gives conversations by how long ago they changed."""
    now = time.time()
    groups: dict[str, list[ConversationInfo]] = {}
    for info in infos:
        age = now - info.updated
        name = "Today" if age < _DAY else "This week" if age < 7 * _DAY else "Earlier"
        groups.setdefault(name, []).append(info)
    return list(groups.items())


def money(dollars: float) -> str:
    """Gives an amount as people read it."""
    return f"${dollars:.2f}" if dollars >= 0.1 else f"{dollars * 100:.2g} ¢" if dollars else "nothing"


def time_text(seconds: float) -> str:
    """Gives a time in UTC, for machines and people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
