"""What all turns of a bot share, and the context it plans for a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from anaphora.billing import Spending
from anaphora.context.budget import Budget, Prompt
from anaphora.context.plan import Context, Memory, plan
from anaphora.context.window import cut, following, reach
from anaphora.documents.choose import Reading
from anaphora.guards.guard import Guard
from anaphora.memory.branch_reader import BranchReader, end_of_branch
from anaphora.memory.gather import Rememberer, View
from anaphora.memory.vectors import Embedder, VectorIndex
from anaphora.providers.model import Model
from anaphora.providers.models.card import ModelCard
from anaphora.providers.retry import Retries
from anaphora.schema.shape import Shape
from anaphora.stores.base import Store
from anaphora.tools.base import Tool
from anaphora.tools.mcp import MCPServer, server_tools
from anaphora.tools.run import Confirm
from anaphora.values.report import Asides
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry

_TOO_SMALL = "{model} is too small to {do}: name another model for it ({option}; memory_model in the settings)"


@dataclass(frozen=True, slots=True)
class Sight:
    """The end of a branch, how many of its messages lie before the window, and where that will begin after its next move."""

    branch: Sequence[Entry]
    start: int
    following: int | None
    room: int


@dataclass(frozen=True, slots=True)
class Setup:
    """``system`` None means the model's default prompt; ``titles``: the model is asked for better ones than the first words.

    The ``fallbacks`` are asked in their order where the model fails. ``max_cost`` is what one conversation may cost, in
    dollars; ``cards`` are what the user knows of models. ``summariser`` and ``extractor`` write summaries and find facts;
    None is the model that answers. ``tools``, and those of ``servers``, may be called, those that act if ``confirm`` says yes,
    in at most ``max_steps`` rounds; ``guards`` look at what is said.
    """

    model: Model
    store: Store
    memory: Memory
    retries: Retries
    system: str | None = None
    titles: bool = False
    summariser: Model | None = None
    extractor: Model | None = None
    embedder: Embedder | None = None
    vectors: VectorIndex | None = None
    fallbacks: tuple[Model, ...] = ()
    max_cost: float | None = None
    cards: Mapping[str, ModelCard] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    servers: tuple[MCPServer, ...] = ()
    confirm: Confirm | None = None
    max_steps: int = 8
    guards: tuple[Guard, ...] = ()

    @property
    def spending(self) -> Spending:
        """Who asks beside the conversation, and records what calls took."""
        return Spending(self.store, self.max_cost, self.cards)

    async def all_tools(self) -> tuple[Tool, ...]:
        """Our own, and those of servers."""
        return (*self.tools, *await server_tools(self.servers)) if self.servers else self.tools

    async def offered(self) -> tuple[Tool, ...]:
        """The tools that the model is told of: none where it is known to call none."""
        return () if (await self.model.prepare()).card.tools is False else await self.all_tools()

    async def budget(self, max_tokens: int | None, shape: Shape | None = None) -> Budget:
        """The room for a prompt beside the schemas that go with it. Raises ContextTooLong."""
        budget = await self.model.budget(max_tokens)
        schemas = await self.model.schema_tokens(await self.offered(), shape.instruction if shape else "")
        return replace(budget, tools=schemas)

    async def calibrate(self, owner: str) -> None:
        """Take up what was learned earlier of how this model counts."""
        if self.model.estimate.samples == 0:
            known = await self.store.estimate(owner, str(self.model))
            if known is not None:
                self.model.estimate = known

    async def system_prompt(self, scope: Scope) -> Prompt:
        """The conversation's own system prompt, else the bot's, else the model's, with its size."""
        own = (await self.store.info(scope)).system
        return await self.model.system_prompt(self.system if own is None else own)

    async def system_text(self, scope: Scope) -> str:
        """Its text alone. The model is asked only where nobody else says it."""
        own = (await self.store.info(scope)).system
        chosen = self.system if own is None else own
        return (await self.model.system_prompt(None)).text if chosen is None else chosen

    async def summary_writer(self) -> Model | None:
        """Who writes summaries; None if nobody does."""
        if self.memory.summary is None or (self.summariser is None and (await self.model.prepare()).small):
            return None
        return self.summariser or self.model

    async def learner(self) -> Model | None:
        """Who finds facts; None if nobody does."""
        facts = self.memory.facts
        if facts is None or not facts.learn or (self.extractor is None and (await self.model.prepare()).small):
            return None
        return self.extractor or self.model

    async def context(
        self,
        scope: Scope,
        message_id: str | None,
        budget: Budget,
        notes: Sequence[str] = (),
        remembered: Asides | None = None,
        reader: BranchReader | None = None,
    ) -> Context:
        """What the model sees of the branch that ends at a message. Only as much is read as may go in.

        A ``reader`` knows what was read for the turn before. ``notes`` go into the report. What is ``remembered`` already is not
        looked for again: within a turn it stays as it is.
        Raises ContextTooLong.
        """
        system = await self.system_prompt(scope)
        memory, about_summaries, about_facts = await self._memory(scope, message_id)
        room = budget.prompt - system.tokens
        reading = await Reading.of(self.store, scope, room)
        memory = replace(memory, reserved=reading.reserved)
        reader = reader or BranchReader()
        if message_id is None:
            return plan((), system=system, memory=memory, budget=budget)
        branch = await reader.read(self.store, self.model, scope, message_id, reach(memory.limits(room)))
        window = reader.window(branch, memory, room)
        view = View(scope, window, room)
        tiny = (await self.model.prepare()).card.is_tiny
        rememberer = Rememberer(self.store, self.model, memory, reading, self.vectors, is_tiny=tiny)
        beside = remembered or await rememberer.remembered(view)
        if (self.tools or self.servers) and (await self.model.prepare()).card.tools is False:
            about_facts.append(f"{self.model} cannot call tools: it is not told of any")
        about_facts += [server.problem for server in self.servers if server.problem]
        # Who sees everything misses no summary.
        said = (*(about_summaries if view.start else ()), *about_facts, *memory.notes, *notes)
        beside = beside if remembered else replace(beside, notes=beside.notes + said)
        return plan(branch, system=system, memory=memory, budget=budget, asides=beside, window=window)

    async def sight(self, scope: Scope, message_id: str, budget: Budget) -> Sight:
        """What upkeep must know of the branch that ends with a message."""
        system = await self.system_prompt(scope)
        memory, _, _ = await self._memory(scope, message_id)
        room = budget.prompt - system.tokens
        memory = replace(memory, reserved=(await Reading.of(self.store, scope, room)).reserved)
        limits = memory.limits(room)
        branch = await end_of_branch(self.store, self.model, scope, message_id, reach(limits))
        first = cut(branch, limits)
        return Sight(branch, branch[first].before.messages, following(branch, limits, first), room)

    async def _memory(self, scope: Scope, message_id: str | None) -> tuple[Memory, list[str], list[str]]:
        """The memory without what nobody can do here, and what is to be said of that: of summaries, of facts.

        A small model keeps the summaries that a better one wrote, but no room for those that will never come.
        """
        memory, of_summaries, of_facts = self.memory, list[str](), list[str]()
        if (await self.model.prepare()).card.is_tiny:
            memory = memory.for_tiny()
        if memory.summary is not None and await self.summary_writer() is None:
            of_summaries.append(_TOO_SMALL.format(model=self.model, do="write summaries", option="Summary(model=…)"))
            if message_id is None or not await self.store.summaries(scope, message_id):
                memory = replace(memory, summary=None)
        if memory.facts is not None and memory.facts.learn and await self.learner() is None:
            of_facts.append(_TOO_SMALL.format(model=self.model, do="learn facts", option="Facts(learn=True, model=…)"))
        return memory, of_summaries, of_facts
