"""What is due after an answer and delays nobody: summaries of what leaves the window, facts, vectors.

One conversation's upkeep remembers what it was last sent and what went wrong, so that a report can say both.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from anaphora.context.facts import facts_request, found_facts, learning_material, same_fact
from anaphora.context.plan import Budget
from anaphora.context.prefix import Sent
from anaphora.context.relevance import pieces
from anaphora.context.summary import Stretch, accepted, due, is_worth_it, summary_request
from anaphora.derived import BlockSummary, Fact, Learned, VectorRow
from anaphora.errors import UnreadableAnswer
from anaphora.events import AnswerDraft, Ended
from anaphora.message import Finish
from anaphora.model import Model
from anaphora.providers.base import Request
from anaphora.setup import Setup
from anaphora.stores.base import Scope
from anaphora.transcript import Entry, Extent

_UNLIMITED = 1 << 40
# Summaries for one answer: what has left, what leaves next, several older ones in one.
_MOST_SUMMARIES = 3
# So many messages are embedded after one answer, in calls of so many.
_EMBEDDED, _BATCH = 512, 64
# After failures fewer and fewer answers are followed by a new try, down to one in so many.
_LONGEST_PAUSE = 16


@dataclass(slots=True)
class Trouble:
    """What went wrong with one kind of upkeep; after so many failures in a row, so many answers are waited for."""

    reason: str = ""
    failures: int = 0
    pause: int = 0

    def failed(self, reason: str) -> None:
        """Wait longer each time."""
        self.reason = reason
        self.failures += 1
        self.pause = min(2**self.failures - 1, _LONGEST_PAUSE)

    def is_time(self) -> bool:
        """Whether it is tried this time."""
        self.pause -= 1
        return self.pause < 0

    def ended(self) -> None:
        """It worked."""
        self.reason, self.failures, self.pause = "", 0, 0


@dataclass(slots=True)
class Upkeep:
    """A conversation's. ``sent`` is what its last call was sent."""

    sent: Sent | None = None
    _running: bool = False
    _summaries: Trouble = field(default_factory=Trouble)
    _facts: Trouble = field(default_factory=Trouble)
    _vectors: Trouble = field(default_factory=Trouble)

    @property
    def notes(self) -> tuple[str, ...]:
        """What went wrong, for the report."""
        return tuple(one.reason for one in (self._summaries, self._facts, self._vectors) if one.reason)

    async def run(self, setup: Setup, scope: Scope, message_id: str, budget: Budget) -> None:
        """Do what is due on the branch that ends with this message. Whatever fails is noted and tried again later.

        While it runs for one answer it is not begun for another.
        """
        if self._running:
            return
        self._running = True
        try:
            await self._run(setup, scope, message_id, budget)
        finally:
            self._running = False

    async def _run(self, setup: Setup, scope: Scope, message_id: str, budget: Budget) -> None:
        for work, trouble in (
            (self._summarise, self._summaries),
            (self._learn, self._facts),
            (self._embed, self._vectors),
        ):
            if not trouble.is_time():
                continue
            try:
                await work(setup, scope, message_id, budget)
            except Exception as error:  # noqa: BLE001 -- an embedder may be any function of the user's
                trouble.failed(f"{str(error).rstrip('.')}; it is tried again later")
            else:
                trouble.ended()

    async def _summarise(self, setup: Setup, scope: Scope, message_id: str, budget: Budget) -> None:
        writer = await setup.summary_writer()
        policy = setup.memory.summary
        if writer is None or policy is None:
            return
        sight = await setup.sight(scope, message_id, budget)
        for _ in range(_MOST_SUMMARIES):
            stretch = due(await setup.store.summaries(scope, message_id), sight.start, sight.following)
            if stretch is None:
                return
            entries = await _entries(setup, scope, stretch, sight.branch)
            length = policy.length(sight.room)
            if not is_worth_it(entries, length):
                return
            text = await _written(writer, entries, length=length, room=(await writer.budget(length)).prompt)
            if text is None:
                raise UnreadableAnswer(
                    f"the summary of {len(entries)} messages was empty, refused or broken", provider=str(writer)
                )
            summary = BlockSummary(
                message=entries[-1].id,
                start=stretch.start,
                end=stretch.end,
                since=stretch.since,
                text=text,
                size=await setup.model.text_size(text),
                sources=tuple(entry.id for entry in entries if entry.message.parts),
                model=str(writer),
            )
            if not await setup.store.keep_summary(scope, summary, window=sight.start):
                # Something of it was forgotten meanwhile.
                return

    async def _learn(self, setup: Setup, scope: Scope, message_id: str, budget: Budget) -> None:
        learner = await setup.learner()
        if learner is None:
            return
        learned = (await setup.store.info(scope)).learned
        branch = (await setup.sight(scope, message_id, budget)).branch
        new = [entry for entry in branch if entry.order > learned]
        material = learning_material(new)
        if not new:
            return
        found: list[Learned] = []
        if material:
            known = await setup.store.facts(scope.owner)
            messages, options = facts_request(material, known)
            answer, _ = await _answer(learner, learner.request(messages, options, "facts"))
            try:
                checked = found_facts(answer, material, known, scope.conversation)
            except ValueError as error:
                raise UnreadableAnswer(f"no facts were learned: {error}", provider=str(learner)) from None
            for one in checked:
                same = same_fact(one.text, [*known, *(fresh.fact for fresh in found)])
                fact = Fact(same.id if same else new_fact_id(), one.text, "learned", time.time(), (one.evidence,))
                if same is not None:
                    fact = Fact(same.id, same.text, same.origin, same.created, (one.evidence,))
                found.append(Learned(fact, None if same else one.replaces))
        await setup.store.learn(scope.owner, found, scope=scope, order=new[-1].order)

    async def _embed(self, setup: Setup, scope: Scope, _message_id: str, _budget: Budget) -> None:
        embedder = setup.embedder
        if embedder is None:
            return
        for _ in range(_EMBEDDED // _BATCH):
            waiting = await setup.store.unembedded(scope.owner, embedder.name, limit=_BATCH)
            if not waiting:
                return
            parts = [(one, number, piece) for one in waiting for number, piece in enumerate(pieces(one.text or " "))]
            rows = await embedder.encode([piece for _, _, piece in parts])
            kept = [VectorRow(one.number, one.message, number, row) for (one, number, _), row in zip(parts, rows, strict=True)]
            await setup.store.keep_vectors(scope.owner, embedder.name, kept)


def new_fact_id() -> str:
    """An id for a fact."""
    return f"fact_{secrets.token_hex(6)}"


async def _entries(setup: Setup, scope: Scope, stretch: Stretch, branch: Sequence[Entry]) -> list[Entry]:
    """The messages of a stretch: from the end of the branch, which is at hand, or from the store."""
    if branch[0].before.messages > stretch.start:
        last = branch[0].parent
        back = Extent(branch[0].before.messages - stretch.start, _UNLIMITED, _UNLIMITED)
        branch = [*await setup.store.branch(scope, last, reach=back), *branch]
    return [entry for entry in branch if stretch.start <= entry.before.messages < stretch.end]


async def _written(writer: Model, entries: Sequence[Entry], *, length: int, room: int) -> str | None:
    messages, options = summary_request(entries, length=length, room=room)
    text, finish = await _answer(writer, writer.request(messages, options, "summary"))
    return None if finish == "content_filter" else accepted(text, length=length)


async def _answer(model: Model, request: Request) -> tuple[str, Finish]:
    """What a model says to a question of ours. Raises ProviderError."""
    draft = AnswerDraft()
    finish: Finish = "stop"
    async with aclosing(model.provider.stream(request)) as events:
        async for event in events:
            if isinstance(event, Ended):
                finish = event.finish
            else:
                draft.add(event)
    return draft.message().text, finish
