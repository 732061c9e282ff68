"""The messages that answer one message of the user: an answer, or several with the results of tools between them.

Each is stored as it comes. What a tool was asked to do is written down before it is run, so that after a crash it is known, and
not silently done again.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import anyio

from anaphora.errors import MessageEnded, UnreadableAnswer
from anaphora.guards.guard import guarded
from anaphora.stores.records import Change, Draft, checked_query
from anaphora.tools.base import Caller
from anaphora.tools.run import NOBODY_TO_ASK, Round, shortened
from anaphora.turn.answering import Answering, estimated_usage
from anaphora.values.draft import AnswerDraft
from anaphora.values.events import Finished, Refused, TextDelta, ToolEnded, ToolStarted, Warned
from anaphora.values.message import Message, Part, Status, Text, ToolCall, ToolResult, Usage
from anaphora.values.transcript import START, Entry, Hit, Size
from anaphora.values.usage import Call

# An id that a decoder or a server made up by counting: the next answer has it again.
_COUNTED = re.compile(r"(?:call_?|functions?\.\w+:)?\d{1,4}|")
# So many rounds of nothing but calls that cannot be made.
_BAD_ROUNDS = 3
# With fewer tokens left for results there are no more rounds.
_LEAST = 200
# No result is cut to fewer characters.
_SHORTEST = 80


@dataclass(slots=True)
class Steps:
    """The answer to a message in the making. ``last`` is where the conversation goes on, once the turn has ended well."""

    answering: Answering
    begun: float
    last: Entry | None = None
    _pending: Entry | None = None
    _results: Message | None = None
    _written: Message | None = None
    _done: list[Message] = field(default_factory=list)
    _usage: list[Usage | None] = field(default_factory=list)
    _bad: int = 0
    _turn: int = 0
    _has_ended: bool = False
    _asked_id: str = ""

    async def run(self, user: Entry, at: Entry | None = None) -> None:
        """Answer it; with ``at``, going on after results of tools that are there.

        Raises what ended it, after storing what came.
        """
        store, scope = self.answering.setup.store, self.answering.scope
        said = [user] if at is None else await store.branch(scope, at.id, reach=START)
        self.last, self._turn, self._asked_id = at, sum(entry.tokens for entry in said), user.id
        try:
            await self.answering.plan(user, at)
            rounds = 0
            while (answered := await self._asked(user, rounds)) is not None:
                rounds += 1
                self.answering.follows = bool(answered.text)
                self.last = await self._tools_run(answered)
                await self.answering.plan(user, self.last)
        except anyio.get_cancelled_exc_class():
            if self.last is not None and not self._has_ended:
                # What the tools gave is not lost with the words that never came.
                with anyio.CancelScope(shield=True):
                    await store.move_head(scope, self.last.id)
            raise

    async def keep(self) -> None:
        """Write down what there is of what is being answered. Raises StoreError."""
        message = self._results or self.answering.draft.message()
        pending = self._pending
        if pending is not None and message != self._written:
            await self._store(pending, Change(message, "pending", self._size(message)))
            self._written = message

    @property
    def is_pending(self) -> bool:
        """Whether a message is being written."""
        return self._pending is not None

    @property
    def _room(self) -> int:
        """The tokens that are left for more results, if all that is older than this turn goes."""
        context, budget = self.answering.context, self.answering.budget
        if context is None or budget is None:
            return 0
        return budget.prompt - context.report.system_tokens - context.report.asides.tokens - self._turn

    async def _asked(self, user: Entry, rounds: int) -> Entry | None:
        """One answer of the model; gives it if it asks for tools that are to be run, and ends the turn if it does not."""
        answering, setup = self.answering, self.answering.setup
        is_enough = rounds >= setup.max_steps or self._bad >= _BAD_ROUNDS or self._room < _LEAST
        is_last = (rounds > 0 and is_enough) or answering.wish.options.tool_choice == "none"
        if rounds:
            choice = "none" if is_last else "auto"
            answering.wish = replace(answering.wish, options=replace(answering.wish.options, tool_choice=choice))
        if is_last and rounds:
            answering.mailbox.put(Warned(f"after {rounds} rounds of tools the model must answer with what it has"))
        parent = (self.last or user).id
        draft = Draft(parent, Message("assistant", ()), status="pending", model=str(setup.model))
        with anyio.CancelScope(shield=True):
            entry = self._pending = await setup.store.append(answering.scope, draft)
        self._written = None
        outcome: Exception | None = None
        stopped, goes_on = True, False
        try:
            context = answering.context
            if context is not None:
                await answering.run(user, context)
            stopped = False
            message = answering.draft.message()
            goes_on = bool(answering.tools and message.tool_calls and answering.refusal is None and not is_last)
            if is_last and message.tool_calls:
                self._forgo_calls()
            if is_last and message.tool_calls and not message.text.strip():
                reason = f"{setup.model} went on calling tools where it had to answer: raise max_steps, or ask in another way."
                raise UnreadableAnswer(reason, provider=str(setup.model))
        except Exception as error:
            # Also a provider that breaks its contract must not break the transcript.
            outcome, stopped = error, False
            raise
        finally:
            with anyio.CancelScope(shield=True):
                entry = await self._ended(entry, outcome, stopped=stopped, goes_on=goes_on)
        return entry if goes_on else None

    def _forgo_calls(self) -> None:
        """Let go of calls that nobody will run: what is kept of this answer is what it said."""
        said = self.answering.draft
        self.answering.draft = AnswerDraft()
        for part in said.message().parts:
            if isinstance(part, Text) and part.text:
                self.answering.draft.add(TextDelta(part.text))

    async def _ended(self, pending: Entry, error: Exception | None, *, stopped: bool, goes_on: bool) -> Entry:
        """Store how an answer ended; if nothing follows it, so has the turn."""
        answering = self.answering
        model, message = answering.setup.model, with_own_ids(answering.draft.message())
        if answering.refusal is not None:
            message = replace(message, parts=(*message.parts, _told(message, answering.refusal)))
        status = _final_status(error, stopped=stopped, any_words=bool(message.parts), refused=answering.refusal is not None)
        # What a guard refused is paid for too.
        ended = answering.ended if status in {"complete", "refused"} else None
        usage = await model.priced(ended.usage) if ended else None
        size = await model.size(message)
        self._turn += size.tokens
        is_good = status == "complete" or (status == "stopped" and bool(message.parts))
        change = Change(
            message,
            status,
            size=size,
            usage=usage,
            model=str(model),
            head=is_good and not goes_on,
            call=await self._call(usage, message),
        )
        self._pending = None
        self._usage.append(usage)
        try:
            await self._store(pending, change)
            entry = replace(pending, message=message, status=status)
            if status == "stopped" and not is_good and self.last is not None:
                await answering.setup.store.move_head(answering.scope, self.last.id)
            self.last = entry if is_good else self.last
        finally:
            if goes_on:
                self._done.append(message)
            else:
                self._finish(message, status)
        return entry

    def _finish(self, message: Message, status: Status) -> None:
        """Tell that the turn has ended, and how."""
        answering = self.answering
        self._has_ended = True
        ended = answering.ended if status == "complete" else None
        now, first = time.monotonic(), answering.first
        if answering.refusal is not None:
            answering.mailbox.put(Refused(answering.refusal))
        answering.mailbox.put(
            Finished(
                message,
                status,
                usage=_all([*answering.replaced, *self._usage]),
                finish=ended.finish if ended else None,
                model=(ended.model if ended else "") or str(answering.setup.model),
                seconds=now - self.begun,
                first_seconds=None if first is None else first - self.begun,
                details=ended.details if ended else {},
                cache_loss=answering.cache_loss if ended else "",
                steps=tuple(self._done),
                value=answering.value,
            )
        )

    async def _tools_run(self, answered: Entry) -> Entry:
        """Run the tools that an answer asks for, and store what they give."""
        answering, setup = self.answering, self.answering.setup
        scope, calls = answering.scope, answered.message.tool_calls
        self._results = Message("tool", ())
        with anyio.CancelScope(shield=True):
            self._pending = entry = await setup.store.append(scope, Draft(answered.id, self._results, status="pending"))
        tools = {tool.name: tool for tool in answering.tools}
        caller = await self._caller(answered, any(tools[call.name].takes_caller for call in calls if call.name in tools))
        running = Round(calls, tools, caller, setup.confirm, self._changed, self._started, self._given, self._checked)
        status: Status = "interrupted"
        try:
            await running.run()
            status = "complete"
        finally:
            status = "stopped" if running.stopped else status
            with anyio.CancelScope(shield=True):
                message, size = await self._fitting(running.parts)
                self._pending = self._results = None
                self._done.append(message)
                change = Change(message, status, size=size, head=running.stopped)
                await self._store(entry, change)
                if change.head:
                    self._finish(Message("assistant", ()), "stopped")
        self._turn += size.tokens
        self._bad = self._bad + 1 if running.bad == len(calls) else 0
        return replace(entry, message=message, status=status, size=size)

    async def _fitting(self, results: Sequence[ToolResult]) -> tuple[Message, Size]:
        """The results, shortened until half of the room there is holds them: there must be some left for the next step."""
        model = self.answering.setup.model
        most = max(self._room // 2, 1)
        message = Message("tool", tuple(results))
        size = await model.size(message)
        longest = max((len(result.text) for result in results), default=0)
        while size.tokens > most and longest > _SHORTEST:
            longest = max(int(longest * min(most / size.tokens, 0.8)), _SHORTEST)
            message = Message("tool", tuple(replace(result, text=shortened(result.text, longest)) for result in results))
            size = await model.size(message)
        return message, size

    async def _caller(self, answered: Entry, is_wanted: bool) -> Caller:
        scope = self.answering.scope
        branch = await self.answering.setup.store.branch(scope, answered.parent) if is_wanted else ()
        return Caller(scope.owner, scope.conversation, tuple(one.message for one in branch), self._search)

    async def _changed(self, parts: Sequence[ToolResult]) -> None:
        """Started and finished are written down at once: a program that dies knows afterwards what it did."""
        self._results = Message("tool", tuple(parts))
        with anyio.CancelScope(shield=True):
            await self.keep()

    def _started(self, call: ToolCall) -> None:
        self.answering.mailbox.put(ToolStarted(call))

    def _given(self, result: ToolResult) -> None:
        if result.text == NOBODY_TO_ASK:
            self.answering.mailbox.put(Warned(f"{result.name} was not run: it acts in the world, and nobody could allow it"))
        self.answering.mailbox.put(ToolEnded(result))

    async def _checked(self, text: str) -> str:
        text, refusal = await guarded(self.answering.setup.guards, "result", text)
        return text if refusal is None else f"(not shown: {refusal.text})"

    async def _search(self, words: str) -> Sequence[Hit]:
        scope = self.answering.scope
        where = None if scope.is_named else scope.conversation
        hits = await self.answering.setup.store.search(scope.owner, checked_query(words, 20, where))
        ended = [hit for hit in hits if hit.entry.status in {"complete", "stopped"}]
        # Without a named owner, nobody knows whose other conversations are.
        return [hit for hit in ended if hit.conversation != scope.conversation or (where and hit.entry.id != self._asked_id)]

    async def _call(self, usage: Usage | None, message: Message) -> Call | None:
        """What the answer took, as it is recorded. What was cut short is paid for too, so it is estimated."""
        answering = self.answering
        is_estimated = usage is None
        if usage is None and (answering.draft or answering.refusal is not None) and answering.context is not None:
            usage = estimated_usage(answering.setup.model, answering.context, message)
        return await answering.setup.spending.call(
            answering.scope, answering.setup.model, "answer", usage, estimated=is_estimated
        )

    async def _store(self, pending: Entry, change: Change) -> None:
        store, scope = self.answering.setup.store, self.answering.scope
        try:
            await store.change(scope, pending.id, change)
        except MessageEnded:
            if change.status == "pending":
                raise
            # Whoever took the conversation over has ended this message; the whole of it is kept beside that.
            draft = Draft(pending.parent, change.message, change.status, change.size, change.usage, change.model)
            await store.append(scope, draft)

    def _size(self, message: Message) -> Size:
        # Measured as well as can be at once: a crash may make this its last state.
        return Size(self.answering.setup.model.estimate.count(message))


def with_own_ids(message: Message) -> Message:
    """The same with an id of its own for every call that has none, or one that the next answer will have again."""
    seen: set[str] = set()
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            own = f"call_{secrets.token_hex(8)}" if part.id in seen or _COUNTED.fullmatch(part.id) else part.id
            seen.add(own)
            parts.append(replace(part, id=own))
        else:
            parts.append(part)
    return replace(message, parts=tuple(parts)) if seen else message


def _told(message: Message, refusal: str) -> Text:
    """What a guard says, after what it had let through."""
    return Text(f"\n\n{refusal}" if message.text else refusal)


def _all(usages: Sequence[Usage | None]) -> Usage | None:
    known = [usage for usage in usages if usage is not None]
    return sum(known, Usage()) if known else None


def _final_status(error: Exception | None, *, stopped: bool, any_words: bool, refused: bool) -> Status:
    if stopped:
        return "stopped"
    if error is None:
        return "refused" if refused else "complete"
    return "interrupted" if any_words else "failed"
