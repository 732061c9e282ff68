"""The background work after an answer: summaries of messages that leave the window, facts, vectors.

It remembers what failed, so that a report can say it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from anaphora.billing import Billing
from anaphora.concurrency import run_in_thread
from anaphora.context.budget import Budget
from anaphora.errors import UnreadableAnswer
from anaphora.memory.view import View
from anaphora.providers.model import Model
from anaphora.values.memory import BlockSummary, Fact, Learned
from anaphora.values.transcript import Entry, Extent, Size

if TYPE_CHECKING:
    from anaphora.context.summary import Stretch

_UNLIMITED = 1 << 40
# More than one batch of messages is told of.
_BATCH = 64
# Summaries after one answer: first of what has left and of what leaves next, then of several older ones in one.
_ROUNDS, _MOST_SUMMARIES = 2, 3
# All messages that have no vectors yet: those of an import are embedded in one go.
_EMBEDDED = 1 << 40
# What the instructions for facts take, in tokens.
_INSTRUCTIONS = 500
# After failures fewer and fewer answers are followed by a new try, down to one in so many.
_LONGEST_PAUSE = 16


@dataclass(slots=True)
class Trouble:
    """The failures of one kind of work. After each failure in a row, more answers pass before the next try."""

    reason: str = ""
    failures: int = 0
    pause: int = 0

    def failed(self, reason: str) -> None:
        """Wait longer each time."""
        self.reason = reason
        self.failures += 1
        self.pause = min(2**self.failures - 1, _LONGEST_PAUSE)

    def is_time(self) -> bool:
        """True if the work is tried this time."""
        self.pause -= 1
        return self.pause < 0

    def ended(self) -> None:
        """It worked."""
        self.reason, self.failures, self.pause = "", 0, 0


class Background:
    """The background work of one conversation. It remembers what failed, so that a report can say it."""

    def __init__(self) -> None:
        self._running = False
        self._embedding = False
        self._progress = ""
        self._summaries = Trouble()
        self._facts = Trouble()
        self._vectors = Trouble()

    @property
    def notes(self) -> tuple[str, ...]:
        """The failures, for the report."""
        told = (self._summaries.reason, self._facts.reason, self._vectors.reason, self._progress)
        return tuple(reason for reason in told if reason)

    async def run(self, view: View, billing: Billing, message_id: str, budget: Budget) -> None:
        """Do what is due on the branch that ends with this message. Whatever fails is noted and tried again later.

        While it runs for one answer it is not begun for another.
        """
        if self._running:
            return
        self._running = True
        try:
            await self._run(view, billing, message_id, budget)
        finally:
            self._running = False
        await self._embed(view)

    async def summarise(self, view: View, billing: Billing, message_id: str, budget: Budget) -> None:
        """Summarises now what is due. Raises ProviderError and CostLimitReached."""
        await self._summarise(view, billing, message_id, budget)
        self._summaries.ended()

    async def _run(self, view: View, billing: Billing, message_id: str, budget: Budget) -> None:
        for work, trouble in (
            (self._summarise, self._summaries),
            (self._learn, self._facts),
        ):
            if not trouble.is_time():
                continue
            try:
                await work(view, billing, message_id, budget)
            except Exception as error:  # noqa: BLE001 -- whatever fails here, the answer is given
                trouble.failed(f"{str(error).rstrip('.')}; it is tried again later")
            else:
                trouble.ended()

    async def _summarise(self, view: View, billing: Billing, message_id: str, budget: Budget) -> None:
        writer = await view.summary_writer()
        policy = view.policy.summary
        if writer is None or policy is None:
            return
        end = await view.branch_end(message_id, budget)
        if not (end.start if end.following is None else end.following):
            # Every message is in the window, and stays there.
            return
        from anaphora.context.summary import due, is_worth_it

        length, most = policy.length(end.room), policy.most(end.room)
        for _ in range(_ROUNDS):
            have = await view.store.summaries(view.scope, message_id)
            kept = False
            for stretch in due(have, end.start, end.following, most=most)[:_MOST_SUMMARIES]:
                forgotten = (await view.store.info(view.scope)).forgotten
                entries = await _entries(view, stretch, end.branch)
                if not is_worth_it(entries, length):
                    continue
                text, size = await _written(view, billing, writer, entries, length=length)
                last = entries[-1].id
                summary = BlockSummary(last, stretch.start, stretch.end, stretch.since, text, size, str(writer))
                # Not kept if something was forgotten meanwhile.
                kept |= await view.store.save_summary(view.scope, summary, window=end.start, forgotten=forgotten)
            if not kept:
                return

    async def _learn(self, view: View, billing: Billing, message_id: str, budget: Budget) -> None:
        learner = await view.learner()
        if learner is None:
            return
        from anaphora.context.fact_checks import contradicted, same_fact
        from anaphora.context.facts import facts_request, found_facts, learning_material, worth_showing

        learned = (await view.store.info(view.scope)).learned
        branch = (await view.branch_end(message_id, budget)).branch
        new = [entry for entry in branch if entry.order > learned]
        if not new:
            return
        budget = await learner.budget(None)
        room = budget.prompt - _INSTRUCTIONS
        material = learning_material(new, room // 2)
        found: list[Learned] = []
        if material:
            known = [fact for fact in await view.store.facts(view.scope.owner) if view.scope.shows(fact)]
            messages, options = facts_request(material, worth_showing(known, room // 2), longest=budget.answer)
            answer, _ = await billing.request(view.scope, learner, learner.request(messages, options, "facts", stable=0))
            try:
                checked = found_facts(answer, material, known, view.scope.conversation)
            except ValueError as error:
                raise UnreadableAnswer(f"no facts were learned: {error}", provider=str(learner)) from None
            for one in checked:
                held = [*known, *(fresh.fact for fresh in found)]
                same = same_fact(one.text, held)
                if same is not None:
                    found.append(Learned(replace(same, evidence=(one.evidence,)), known=True))
                else:
                    fact = Fact(
                        new_fact_id(), one.text, "learned", time.time(), (one.evidence,), conversation=view.scope.facts_of
                    )
                    denied = contradicted(one.text, held)
                    found.append(Learned(fact, one.replaces or (denied.id if denied else None)))
        await view.store.learn(view.scope.owner, found, scope=view.scope, order=new[-1].order)

    async def _embed(self, view: View) -> None:
        """Make vectors of what has none yet. It may take long after an import, so nothing else waits for it."""
        if view.vectors is None or self._embedding or not self._vectors.is_time():
            return
        self._embedding = True
        try:
            await view.vectors.of(view.scope.owner).embed(_EMBEDDED, self._embedded)
        except Exception as error:  # noqa: BLE001 -- an embedder may be any function of the user's
            self._vectors.failed(f"{str(error).rstrip('.')}; it is tried again later")
        else:
            self._vectors.ended()
        finally:
            self._embedding, self._progress = False, ""

    def _embedded(self, messages: int) -> None:
        # A few after every answer are not worth a word.
        self._progress = f"{messages:,} messages have got vectors; the rest follow in the background" if messages > _BATCH else ""


def new_fact_id() -> str:
    """An id for a fact."""
    return f"fact_{secrets.token_hex(6)}"


async def _entries(view: View, stretch: Stretch, branch: Sequence[Entry]) -> list[Entry]:
    """The messages of a stretch: from the end of the branch, which is at hand, or from the store."""
    if branch[0].before.messages > stretch.start:
        last = branch[0].parent
        back = Extent(branch[0].before.messages - stretch.start, _UNLIMITED, _UNLIMITED)
        branch = [*await view.store.branch(view.scope, last, reach=back), *branch]
    return [entry for entry in branch if stretch.start <= entry.before.messages < stretch.end]


async def _written(view: View, billing: Billing, writer: Model, entries: Sequence[Entry], *, length: int) -> tuple[str, Size]:
    """A summary, and its size for the model that will read it. Raises ProviderError, also if there is none in the answer."""
    from anaphora.context.summary import accepted, answer_tokens, summary_request

    room, policy = (await writer.budget(answer_tokens(length))).prompt, view.policy.summary
    # A long stretch is long to shorten.
    own = policy.prompt if policy else None
    request = partial(summary_request, entries, length=length, room=room, own_prompt=own)
    messages, options = await run_in_thread(request)
    answer, finish = await billing.request(view.scope, writer, writer.request(messages, options, "summary", stable=0))
    text = None if finish in {"content_filter", "unknown"} else accepted(answer, length=length)
    if text is None:
        raise UnreadableAnswer(f"the summary of {len(entries)} messages was empty, refused or broken", provider=str(writer))
    size = await view.model.text_size(text)
    if size.tokens > length:
        text = accepted(text, length=length * length // size.tokens) or text
        size = await view.model.text_size(text)
    return text, size
