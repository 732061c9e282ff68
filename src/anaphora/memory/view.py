"""From a branch to the context of one model: reads the store and calls the pure functions that plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from anaphora.context.budget import Budget, Prompt
from anaphora.context.plan import Context, plan
from anaphora.context.policy import Memory
from anaphora.context.window import cut, following, reach
from anaphora.memory.branch_reader import BranchReader, end_of_branch
from anaphora.memory.shown import Shown
from anaphora.providers.model import Model
from anaphora.stores.base import Store
from anaphora.values.report import Asides, Need, Recalled
from anaphora.values.scope import Scope, documents_owner
from anaphora.values.transcript import Entry

if TYPE_CHECKING:
    from anaphora.documents.choose import Reading
    from anaphora.memory.vectors import VectorIndex

_TOO_SMALL = "{model} is too small to {do}: name another model for it ({option}; memory_model in the settings)"


@dataclass(frozen=True, slots=True)
class BranchEnd:
    """The end of a branch as background work needs it.

    ``start`` messages lie before the window; after its next move it begins with message number ``following``. ``room`` is the
    size of a prompt without its system prompt, in tokens.
    """

    branch: Sequence[Entry]
    start: int
    following: int | None
    room: int


@dataclass(frozen=True, slots=True)
class _Frame:
    """The parts of a context that do not depend on the window, and the notes about what this model cannot do."""

    system: Prompt
    memory: Memory
    documents: Reading | None
    room: int
    about_summaries: tuple[str, ...]
    about_facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One model's view of one conversation.

    ``policy`` says what is remembered. ``system`` is the bot's system prompt, None the model's default. ``summariser`` and
    ``extractor`` write summaries and find facts; None is the model itself.
    """

    scope: Scope
    model: Model
    store: Store
    policy: Memory
    system: str | None = None
    overrides_system: bool = False
    summariser: Model | None = None
    extractor: Model | None = None
    vectors: VectorIndex | None = None

    async def system_prompt(self) -> Prompt:
        """Gives the conversation's own system prompt, else the bot's, else the model's default, with its size."""
        return await self.model.system_prompt(await self._chosen_system())

    async def system_text(self) -> str:
        """Gives the system prompt without its size. Connects to the model only if the default is needed."""
        chosen = await self._chosen_system()
        return (await self.model.system_prompt(None)).text if chosen is None else chosen

    async def _chosen_system(self) -> str | None:
        own = None if self.overrides_system else (await self.store.info(self.scope)).system
        return self.system if own is None else own

    async def summary_writer(self) -> Model | None:
        """Gives the model that writes summaries; None if none does."""
        if self.policy.summary is None or (self.summariser is None and (await self.model.prepare()).small):
            return None
        return self.summariser or self.model

    async def learner(self) -> Model | None:
        """Gives the model that finds facts; None if none does."""
        facts = self.policy.facts
        if facts is None or not facts.learn or (self.extractor is None and (await self.model.prepare()).small):
            return None
        return self.extractor or self.model

    async def calibrate(self) -> None:
        """Loads the estimate of tokens that was learned earlier for this model."""
        if self.model.estimate.samples == 0:
            known = await self.store.estimate(self.scope.owner, str(self.model))
            if known is not None:
                self.model.calibrate(known)

    async def context(
        self,
        message_id: str | None,
        budget: Budget,
        *,
        notes: Sequence[str] = (),
        asides: Asides | None = None,
        reader: BranchReader | None = None,
        upcoming: Entry | None = None,
    ) -> Context:
        """Plans what the model sees of the branch that ends with a message. Reads only as much as may go in.

        An ``upcoming`` message, which is not stored, follows it. ``notes`` go into the report. ``asides`` were gathered for an
        earlier step of the same turn, so they are not gathered again. A ``reader`` knows what was read for the turn before.
        Raises ContextTooLong.
        """
        frame = await self._frame(message_id, budget)
        memory, room = frame.memory, frame.room
        if message_id is None and upcoming is None:
            return plan((), system=frame.system, memory=memory, budget=budget)
        reader = reader or BranchReader()
        branch: Sequence[Entry] = ()
        if message_id is not None:
            branch = await reader.read(self.store, self.model, self.scope, message_id, reach(memory.limits(room)))
        if upcoming is not None:
            before = branch[-1].before + branch[-1].extent if branch else upcoming.before
            branch = [*branch, replace(upcoming, before=before)]
        window = reader.window(branch, memory, room)
        if asides is None:
            shown = Shown(self.scope, window, room)
            asides = await self._asides(frame, shown)
            # A missing summary is worth a note only where messages stay out.
            about = (*(frame.about_summaries if shown.start else ()), *frame.about_facts, *memory.notes, *notes)
            asides = replace(asides, notes=asides.notes + about)
        return plan(branch, system=frame.system, memory=memory, budget=budget, asides=asides, window=window)

    async def _asides(self, frame: _Frame, shown: Shown) -> Asides:
        """Gathers what goes in beside the window. Where there is nothing to gather, the code for it is not even loaded."""
        memory, known = frame.memory, await self.store.facts(self.scope.owner) if frame.memory.facts else ()
        has_past = shown.start > 0 or (memory.recall is not None and memory.recall.conversations and self.scope.is_named)
        if not (has_past or known or frame.documents):
            reason = "recall is off" if memory.recall is None else "there is no past to search"
            return Asides(recalled=Recalled(Need("none", reason)))
        from anaphora.documents.choose import Reading
        from anaphora.memory.gather import Gatherer

        documents = frame.documents or Reading.nothing(self.store, self.scope)
        tiny = (await self.model.prepare()).card.is_tiny
        return await Gatherer(self.store, self.model, memory, documents, self.vectors, is_tiny=tiny).gather(shown)

    async def branch_end(self, message_id: str, budget: Budget) -> BranchEnd:
        """Reads the end of a branch for background work."""
        frame = await self._frame(message_id, budget)
        limits = frame.memory.limits(frame.room)
        branch = await end_of_branch(self.store, self.model, self.scope, message_id, reach(limits))
        first = cut(branch, limits)
        return BranchEnd(branch, branch[first].before.messages, following(branch, limits, first), frame.room)

    async def _frame(self, message_id: str | None, budget: Budget) -> _Frame:
        """Gathers the system prompt, the documents, and the memory without the parts that are impossible here.

        A small model keeps the summaries that a better one wrote, but no room for those that will never come.
        """
        system = await self.system_prompt()
        room = budget.prompt - system.tokens
        memory, about_summaries, about_facts = self.policy, list[str](), list[str]()
        if (await self.model.prepare()).card.is_tiny:
            memory = memory.for_tiny()
        if memory.summary is not None and await self.summary_writer() is None:
            about_summaries.append(_TOO_SMALL.format(model=self.model, do="write summaries", option="Summary(model=…)"))
            if message_id is None or not await self.store.summaries(self.scope, message_id):
                memory = replace(memory, summary=None)
        if memory.facts is not None and memory.facts.learn and await self.learner() is None:
            about_facts.append(_TOO_SMALL.format(model=self.model, do="learn facts", option="Facts(learn=True, model=…)"))
        documents = await self._read_documents(room)
        if documents is not None:
            memory = replace(memory, reserved=documents.reserved)
        return _Frame(system, memory, documents, room, tuple(about_summaries), tuple(about_facts))

    async def _read_documents(self, room: int) -> Reading | None:
        """Gives the documents of the conversation; None if there are none."""
        if not await self.store.conversations(documents_owner(self.scope), limit=1):
            return None
        from anaphora.documents.choose import Reading

        return await Reading.of(self.store, self.scope, room)
