"""The loop of a turn: the model answers, its tools run, it answers again, until an answer calls no tool.

Every message is stored as it comes. The calls of an answer are stored before they run, so that after a crash it is known which
tools may have done their work, and none is silently run again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from anaphora.concurrency import is_cancelled
from anaphora.errors import UnreadableAnswer
from anaphora.stores.records import checked_query
from anaphora.tools.base import Caller
from anaphora.turn.ask_model import ModelAnswer, ask_model, believable, estimated_usage
from anaphora.turn.incoming import Incoming
from anaphora.turn.prepare import Prepared, Step, prepare
from anaphora.turn.record import Ending, Record
from anaphora.turn.request import TurnParts
from anaphora.values.answer import Answer
from anaphora.values.call_ids import id_within, with_own_ids
from anaphora.values.events import Ended, Event, Finished, Planned, Refused, Retrying, ToolEnded, ToolStarted, Warned
from anaphora.values.message import WHOLE, Image, Message, Status, Text, ToolCall, ToolResult, Usage
from anaphora.values.transcript import START, Entry, Hit, Size
from anaphora.values.usage import Call

if TYPE_CHECKING:
    from anaphora.tools.run import ToolHooks

# So many rounds with nothing but calls that cannot be made end the calling.
_BAD_ROUNDS = 3
# With fewer tokens left for results there are no more rounds.
_MIN_ROOM = 200
# No result is cut to fewer characters.
_MIN_RESULT = 80


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a turn: the ``step`` that is next, the messages and usages so far, and their size in tokens.

    ``follows``: text of this turn was shown, so what comes next is another paragraph.
    """

    step: Step
    tokens: int
    messages: tuple[Message, ...] = ()
    usages: tuple[Usage | None, ...] = ()
    rounds: int = 0
    bad_rounds: int = 0
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a turn: the call that gave the answer, and the message that the conversation continues from."""

    prepared: Prepared
    last: Entry


@dataclass(frozen=True, slots=True)
class _Answered:
    """One stored answer. It ends the turn, unless ``calls_tools``."""

    given: ModelAnswer
    entry: Entry
    progress: Progress
    calls_tools: bool

    @property
    def is_handed_on(self) -> bool:
        """True if it calls tools that whoever asked runs: then the turn ends with it."""
        return any(call.name in _outside(self.given) for call in self.entry.message.tool_calls)


async def answer(turn: TurnParts, incoming: Incoming, record: Record) -> Outcome:
    """Answers a message of the user. Raises the error that ended it, after its words are stored."""
    progress = await _start(turn, incoming)
    try:
        prepared = await prepare(turn, progress.step, turn.bot.models, turn.bot.retries)
        while (answered := await _answer_once(turn, prepared, progress, record)).calls_tools:
            progress = await _run_tools(turn, answered, record)
            if answered.is_handed_on and progress.step.last is not None:
                return Outcome(answered.given.prepared, progress.step.last)
            prepared = answered.given.prepared
            prepared = await prepare(turn, progress.step, prepared.models, prepared.retries)
    except anyio.get_cancelled_exc_class():
        if progress.step.last is not None and turn.events.answer is None:
            # The results of the tools are not lost with the words that never came.
            with anyio.CancelScope(shield=True):
                await turn.bot.store.move_head(turn.scope, progress.step.last.id)
        raise
    return Outcome(answered.given.prepared, answered.entry)


async def _start(turn: TurnParts, incoming: Incoming) -> Progress:
    said = [incoming.user]
    if incoming.results is not None:
        said = list(await turn.bot.store.branch(turn.scope, incoming.results.id, reach=START))
    step = Step(incoming.user, incoming.results, turn.request.options)
    return Progress(step, sum(entry.tokens for entry in said))


async def _answer_once(turn: TurnParts, prepared: Prepared, progress: Progress, record: Record) -> _Answered:
    """Gets one answer of the model and stores it."""
    step, is_last = _limited(turn, prepared, progress)
    if is_last and progress.rounds:
        turn.events.put(Warned(f"after {progress.rounds} rounds of tools the model must answer with what it has"))
    record.begin_answer(step.end, prepared)
    outcome: BaseException | None = None
    given: ModelAnswer | None = None
    try:
        given = await ask_model(turn, step, prepared, record, follows=progress.follows)
        if is_last and given.message.tool_calls:
            given = _without_calls(given, record)
    except BaseException as error:
        # Also a provider that breaks its contract must not break the transcript.
        outcome, given = None if is_cancelled() else error, None
        raise
    finally:
        with anyio.CancelScope(shield=True):
            if given is None:
                await _end_unfinished(turn, progress, record, outcome)
    calls_tools = bool(given.prepared.tools and given.message.tool_calls and given.refusal is None and not is_last)
    calls_tools = calls_tools and any(call.name not in _outside(given) for call in given.message.tool_calls)
    with anyio.CancelScope(shield=True):
        answered = await _end_answer(turn, given, replace(progress, step=step), record, calls_tools=calls_tools)
    return answered  # noqa: RET504 -- a type checker thinks that the scope may swallow an error


def _outside(given: ModelAnswer) -> set[str]:
    """Gives the names of the tools that whoever asked runs."""
    return {tool.name for tool in given.prepared.tools if tool.outside}


def _limited(turn: TurnParts, prepared: Prepared, progress: Progress) -> tuple[Step, bool]:
    """Gives the step with its choice of tools, and tells whether no round of tools may follow it."""
    step, max_steps = progress.step, turn.bot.toolbox.max_steps
    is_enough = progress.rounds >= max_steps or progress.bad_rounds >= _BAD_ROUNDS or _room(prepared, progress) < _MIN_ROOM
    is_last = (progress.rounds > 0 and is_enough) or step.options.tool_choice == "none"
    if progress.rounds:
        step = replace(step, options=replace(step.options, tool_choice="none" if is_last else "auto"))
    return step, is_last


def _room(prepared: Prepared, progress: Progress) -> int:
    """Gives the tokens that are left for more results, if all that is older than this turn goes."""
    report = prepared.context.report
    return prepared.budget.prompt - report.system_tokens - report.asides.tokens - progress.tokens


def _without_calls(given: ModelAnswer, record: Record) -> ModelAnswer:
    """Drops calls that are not run. Raises UnreadableAnswer if there is nothing else in the answer."""
    record.drop_calls()
    if not given.message.text.strip():
        model = given.prepared.model
        reason = f"{model} went on calling tools where it had to answer: raise max_steps, or ask in another way."
        raise UnreadableAnswer(reason, provider=str(model))
    return replace(given, message=record.message)


async def _end_answer(turn: TurnParts, given: ModelAnswer, progress: Progress, record: Record, *, calls_tools: bool) -> _Answered:
    """Stores a whole answer, and ends the turn if no tools follow."""
    model, message = given.prepared.model, _with_own_ids(given.message, record.id)
    status: Status = "complete"
    if given.refusal is not None:
        # The guard's words come after those that it let pass.
        told = Text(f"\n\n{given.refusal}" if message.text else given.refusal)
        message, status = replace(message, parts=(*message.parts, told)), "refused"
    _warn_of_end(turn, given)
    if not calls_tools:
        _warn_of_emptiness(turn, message, given)
    usage = await model.priced(believable(given.ended.usage, estimated_usage(given.prepared, message)))
    size = await model.size(message)
    call = await _call(turn, given.prepared, message, usage, came=bool(given.message.parts) or given.refusal is not None)
    is_good = status == "complete"
    ending = Ending(message, status, size, usage, call, is_last=not calls_tools, moves_head=is_good and not calls_tools)
    progress = replace(
        progress,
        step=replace(progress.step, asides=given.prepared.context.asides),
        tokens=progress.tokens + size.tokens,
        messages=(*progress.messages, message) if calls_tools else progress.messages,
        usages=(*progress.usages, *given.replaced, usage),
        rounds=progress.rounds + 1,
        follows=progress.follows or bool(message.text),
    )
    try:
        entry = await record.end(ending)
    finally:
        if not calls_tools:
            _finish(turn, message, status, progress, record, given)
    return _Answered(given, entry, progress, calls_tools)


def _warn_of_end(turn: TurnParts, given: ModelAnswer) -> None:
    """Tells of an answer that may not be whole."""
    ended = given.ended
    if ended.finish == "content_filter":
        turn.events.put(Warned("a filter of the service ended the answer: it may not be whole"))
    elif ended.finish == "unknown":
        reason = f"the service ended the answer for a reason that is not known ({ended.raw_finish})"
        turn.events.put(Warned(f"{reason}: it may not be whole"))


def _warn_of_emptiness(turn: TurnParts, message: Message, given: ModelAnswer) -> None:
    """Tells of an answer in which there is nothing."""
    if given.refusal is None and not any(isinstance(part, Image) for part in message.parts) and not message.text.strip():
        calls = ", ".join(call.name for call in message.tool_calls)
        told = f"called tools that it was not offered ({calls}), and said nothing" if calls else "gave an empty answer"
        turn.events.put(Warned(f"{given.prepared.model} {told}: ask again, or in another way"))


async def _end_unfinished(turn: TurnParts, progress: Progress, record: Record, error: BaseException | None) -> None:
    """Stores what came of an answer that failed, or that the user stopped (no ``error``)."""
    prepared = record.prepared
    if prepared is None:
        return
    message = _with_own_ids(record.message, record.id)
    is_wish = error is None and turn.stopping.fault is None
    status: Status = "stopped" if is_wish else "interrupted" if message.parts else "failed"
    is_good = status == "stopped" and bool(message.parts)
    if status == "stopped" and not is_good and progress.step.last is not None:
        await turn.bot.store.move_head(turn.scope, progress.step.last.id)
    size = await prepared.model.size(message)
    call = await _call(turn, prepared, message, None, came=record.has_words)
    try:
        await record.end(Ending(message, status, size, None, call, is_last=True, moves_head=is_good))
    finally:
        _finish(turn, message, status, progress, record, None)


async def _call(turn: TurnParts, prepared: Prepared, message: Message, usage: Usage | None, *, came: bool) -> Call | None:
    """Gives the entry of the ledger for an answer. An answer that was cut is paid for too, so its usage is estimated."""
    is_estimated = usage is None
    if usage is None and came:
        usage = estimated_usage(prepared, message)
    return await turn.bot.billing.call(turn.scope, prepared.model, "answer", usage, estimated=is_estimated)


def _finish(
    turn: TurnParts, message: Message, status: Status, progress: Progress, record: Record, given: ModelAnswer | None
) -> None:
    """Tells how the turn ended."""
    if given is not None and given.refusal is not None:
        turn.events.put(Refused(given.refusal))
    ended = given.ended if given is not None and status == "complete" else None
    model = given.prepared.model if given else record.prepared.model if record.prepared else turn.bot.model
    told: Answer[Any] = Answer(
        message,
        status,
        usage=_sum(progress.usages),
        model=(ended.model if ended else "") or str(model),
        first_seconds=None if record.first_at is None else record.first_at - turn.begun,
        steps=progress.messages,
    )
    if given is not None and ended is not None:
        told = replace(
            told,
            finish=ended.finish,
            details=ended.details,
            response_id=ended.response_id,
            raw_finish=ended.raw_finish,
            cache_loss=given.cache_loss,
            value=given.value,
        )
    turn.events.put(Finished(with_story(turn, told)))


def with_story(turn: TurnParts, told: Answer[Any]) -> Answer[Any]:
    """Adds to an answer what the turn's events told: the report, the retries, the warnings, and how long it took."""
    events: Sequence[Event] = turn.events.read()
    return replace(
        told,
        seconds=time.monotonic() - turn.begun,
        context=next((event.report for event in reversed(events) if isinstance(event, Planned)), None),
        retried=tuple(event.error for event in events if isinstance(event, Retrying)),
        warnings=tuple(event.text for event in events if isinstance(event, Warned)),
    )


async def _run_tools(turn: TurnParts, answered: _Answered, record: Record) -> Progress:
    """Runs the tools that an answer calls, and stores their results."""
    from anaphora.tools.run import ToolRun

    prepared, entry, progress = answered.given.prepared, answered.entry, answered.progress
    tools = {tool.name: tool for tool in prepared.tools if not tool.outside}
    calls = [call for call in entry.message.tool_calls if not (answered.is_handed_on and call.name not in tools)]
    is_wanted = any(tools[call.name].takes_caller for call in calls if call.name in tools)
    caller = await _caller(turn, entry, progress.step.user, is_wanted=is_wanted)
    record.begin_results(entry)
    refusal = _half_call(answered.given.ended)
    run = ToolRun(calls, tools, caller, turn.bot.toolbox.confirm, _hooks(turn, record), refusal=refusal)
    status: Status = "interrupted"
    try:
        await run.run()
        status = "complete"
    finally:
        status = "stopped" if run.stopped else status
        with anyio.CancelScope(shield=True):
            message, size = await _fitting(prepared, progress, run.results)
            progress = replace(progress, messages=(*progress.messages, message), tokens=progress.tokens + size.tokens)
            is_last = run.stopped or answered.is_handed_on
            try:
                results = await record.end(Ending(message, status, size, is_last=is_last, moves_head=is_last))
            finally:
                if run.stopped:
                    _finish(turn, Message("assistant", ()), "stopped", progress, record, None)
                elif is_last:
                    _finish(turn, entry.message, "complete", progress, record, answered.given)
    bad_rounds = progress.bad_rounds + 1 if run.bad == len(calls) else 0
    return replace(progress, step=replace(progress.step, last=results), bad_rounds=bad_rounds)


def _half_call(ended: Ended) -> str:
    """Gives the reason why the calls of an answer are not run: it did not end as a whole answer ends. Empty if it did."""
    if ended.finish in WHOLE:
        return ""
    why = {"length": "it reached the longest answer allowed", "content_filter": "a filter ended it"}
    reason = why.get(ended.finish, f"it ended with {ended.raw_finish!r}")
    return f"not run: your answer was cut before it was whole ({reason}). If you still need the call, make it again, shorter."


def _hooks(turn: TurnParts, record: Record) -> ToolHooks:
    from anaphora.tools.run import NOBODY_TO_ASK, ToolHooks

    async def changed(results: Sequence[ToolResult]) -> None:
        # Stored at once: a program that dies knows afterwards what it did.
        record.set_results(Message("tool", tuple(results)))
        with anyio.CancelScope(shield=True):
            await record.flush()

    def started(call: ToolCall) -> None:
        turn.events.put(ToolStarted(call))

    def ended(result: ToolResult) -> None:
        if result.text == NOBODY_TO_ASK:
            turn.events.put(Warned(f"{result.name} was not run: it acts in the world, and nobody could allow it"))
        turn.events.put(ToolEnded(result))

    async def checked(text: str) -> str:
        from anaphora.guards.base import guarded

        text, refusal = await guarded(turn.bot.guards, "result", text)
        return text if refusal is None else f"(not shown: {refusal.text})"

    def blocked(call: ToolCall, seconds: float) -> None:
        held = f"the tool {call.name} held up all other conversations for {seconds:.1f} seconds"
        turn.events.put(Warned(f"{held}: let it await, or make it a plain function"))

    return ToolHooks(changed, started, ended, checked, blocked)


async def _fitting(prepared: Prepared, progress: Progress, results: Sequence[ToolResult]) -> tuple[Message, Size]:
    """Shortens results until half of the room there is holds them: the next step needs some too."""
    from anaphora.tools.run import shortened

    model, most = prepared.model, max(_room(prepared, progress) // 2, 1)
    message = Message("tool", tuple(results))
    size = await model.size(message)
    longest = max((len(result.text) for result in results), default=0)
    while size.tokens > most and longest > _MIN_RESULT:
        longest = max(int(longest * min(most / size.tokens, 0.8)), _MIN_RESULT)
        message = Message("tool", tuple(replace(result, text=shortened(result.text, longest)) for result in results))
        size = await model.size(message)
    return message, size


async def _caller(turn: TurnParts, answered: Entry, user: Entry, *, is_wanted: bool) -> Caller:
    scope, store = turn.scope, turn.bot.store

    async def search(words: str) -> Sequence[Hit]:
        where = None if scope.is_named else scope.conversation
        hits = await store.search(scope.owner, checked_query(words, 20, where))
        ended = [hit for hit in hits if hit.entry.status in {"complete", "stopped"}]
        # Without a named owner, nobody knows whose other conversations are.
        return [hit for hit in ended if hit.conversation != scope.conversation or (where and hit.entry.id != user.id)]

    branch = await store.branch(scope, answered.parent) if is_wanted else ()
    return Caller(scope.owner, scope.conversation, tuple(entry.message for entry in branch), search)


def _with_own_ids(message: Message, message_id: str) -> Message:
    """Gives calls ids of their own; where the id of the message is known before, so are those of all its calls."""
    if message_id:
        return with_own_ids(message, partial(id_within, message_id), every=True)
    return with_own_ids(message, lambda _: f"call_{secrets.token_hex(8)}")


def _sum(usages: Sequence[Usage | None]) -> Usage | None:
    known = [usage for usage in usages if usage is not None]
    return sum(known, Usage()) if known else None
