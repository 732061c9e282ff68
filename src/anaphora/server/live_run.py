"""One run of this process: its turn, what of its log is stored, and its questions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio

from anaphora.chat.open_conversation import Choices, OpenConversation
from anaphora.errors import AnaphoraError, StoreError
from anaphora.server.error_bodies import stored_error
from anaphora.server.event_log import RunClosed, answer_without_words, encoded, report_without_words
from anaphora.stores.run_records import EventBatch, NewRun, RunEnd
from anaphora.turn.events import EventLog
from anaphora.turn.request import Task
from anaphora.turn.turn import Turn
from anaphora.values.answer import Answer
from anaphora.values.event_codec import event_to_json
from anaphora.values.events import ConfirmationRequested, Finished, Planned
from anaphora.values.message import Options, Status, ToolCall

if TYPE_CHECKING:
    from anaphora.schema.shape import Shape

# Nobody is waited for longer to allow a call.
CONFIRM_SECONDS = 600.0
# A batch of events has about so many bytes at most.
_MOST_BYTES = 1 << 20

OnEnd = Callable[[Answer[Any] | None], Awaitable[None]]


class ServerStopping(AnaphoraError):
    """The server is shut down while an answer is being given."""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run that is to begin: the conversation, the task with its options, and what is done at its end.

    ``chain`` gives the hash of the branch with the answer, where lists of messages are recognised.
    """

    conversation: OpenConversation
    task: Task
    new: NewRun
    options: Options
    choices: Choices
    shape: Shape | None = None
    on_end: OnEnd | None = None
    chain: Callable[[Answer[Any]], str] | None = None


class Questions:
    """The questions of one run whether a tool may act."""

    def __init__(self) -> None:
        self._log: EventLog | None = None
        self._answers: dict[str, bool] = {}
        self._changed = anyio.Event()

    def bind(self, log: EventLog) -> None:
        """Takes the log in which questions are put."""
        self._log = log

    async def ask(self, call: ToolCall) -> bool:
        """Puts a question into the log and waits for its answer; no answer is a no."""
        if self._log is not None:
            self._log.put(ConfirmationRequested(call))
        with anyio.move_on_after(CONFIRM_SECONDS):
            while call.id not in self._answers:
                await self._changed.wait()
        return self._answers.get(call.id, False)

    def answer(self, call: str, *, allow: bool) -> None:
        """Answers a question. The first answer counts."""
        if call not in self._answers:
            self._answers[call] = allow
            changed, self._changed = self._changed, anyio.Event()
            changed.set()


class LiveRun:
    """A run of this process. ``kept`` is set when its end is stored."""

    def __init__(self, plan: RunPlan) -> None:
        self.plan = plan
        self.owner = plan.conversation.scope.owner
        self.questions = Questions()
        self.kept = anyio.Event()
        choices = replace(plan.choices, confirm=self.questions.ask)
        self.turn: Turn = plan.conversation.begin(plan.task, plan.options, choices, shape=plan.shape, run=plan.new)
        self.questions.bind(self.turn.events)
        self._stored = 0

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.plan.new.id

    @property
    def log(self) -> EventLog:
        """The events of its turn."""
        return self.turn.events

    @property
    def is_behind(self) -> bool:
        """True if there are events that are not stored."""
        return bool(self.log.read(self._stored))

    def has_news(self, place: int) -> bool:
        """True if there is an event of that number, or will be none any more."""
        return self.log.closed or bool(self.log.read(place))

    def batch(self) -> EventBatch | None:
        """Gives the next events to store; None if there are none."""
        texts: list[str] = []
        size = 0
        for event in self.log.read(self._stored):
            texts.append(encoded(event))
            size += len(texts[-1])
            if size > _MOST_BYTES:
                break
        return EventBatch(self.owner, self.id, self._stored, tuple(texts)) if texts else None

    def has_stored(self, batch: EventBatch) -> None:
        """Takes note of events that are stored now."""
        self._stored = batch.number + len(batch.events)

    def closed(self) -> RunClosed:
        """Gives the last event, once the turn has ended."""
        error, answer = self.log.error, self.log.answer
        status: Status = answer.status if answer is not None else "failed"
        if isinstance(error, StoreError) and status == "complete":
            status = "failed"
        return RunClosed(status, None if error is None else stored_error(error))

    def end(self) -> RunEnd:
        """Gives the end as it is stored."""
        closed, answer = self.closed(), self.log.answer
        report = next((one.report for one in reversed(self.log.read()) if isinstance(one, Planned)), None)
        result: dict[str, Any] = {"error": closed.error}
        if answer is not None:
            result["finished"] = event_to_json(Finished(answer_without_words(answer)))
        if report is not None:
            result["planned"] = event_to_json(Planned(report_without_words(report)))
        hashed = self.plan.chain
        is_whole = answer is not None and answer.status == "complete"
        return RunEnd(closed.status, result, hashed(answer) if hashed and answer and is_whole else None)
