"""The immutable parts that all turns of a chatbot share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from anaphora.billing import Billing
from anaphora.context.budget import Budget
from anaphora.context.policy import Memory
from anaphora.memory.view import View
from anaphora.providers.base import Request
from anaphora.providers.model import Model
from anaphora.providers.retry import Retries
from anaphora.stores.base import Store
from anaphora.tools.toolbox import Toolbox
from anaphora.turn.timing import Timing
from anaphora.values.events import Ended
from anaphora.values.scope import Scope

if TYPE_CHECKING:
    from anaphora.guards.base import Guard
    from anaphora.memory.vectors import Embedder, VectorIndex
    from anaphora.schema.shape import Shape

BeforeCall = Callable[[Request], Request | Awaitable[Request | None] | None]
AfterCall = Callable[[Request, Ended], object | Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Bot:
    """The parts of one chatbot.

    The first of ``models`` answers; the others are asked in their order where it fails. ``system`` is the system prompt, None
    the model's default; it holds where a conversation has none of its own, or always if it ``overrides_system``. With
    ``titles`` a model is asked for better titles than the first words. ``summariser`` and ``extractor`` write summaries and
    find facts; None is the model that answers. ``before_call`` may change a request, ``after_call`` is told how it ended.
    """

    models: tuple[Model, ...]
    store: Store
    policy: Memory
    billing: Billing
    toolbox: Toolbox = field(default_factory=Toolbox)
    retries: Retries = field(default_factory=Retries)
    guards: tuple[Guard, ...] = ()
    system: str | None = None
    overrides_system: bool = False
    titles: bool = False
    summariser: Model | None = None
    extractor: Model | None = None
    embedder: Embedder | None = None
    vectors: VectorIndex | None = None
    before_call: BeforeCall | None = None
    after_call: AfterCall | None = None
    timing: Timing = field(default_factory=Timing)

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self.models[0]

    def view(self, scope: Scope, model: Model | None = None) -> View:
        """Gives a model's view of a conversation."""
        return View(
            scope=scope,
            model=model or self.model,
            store=self.store,
            policy=self.policy,
            system=self.system,
            overrides_system=self.overrides_system,
            summariser=self.summariser,
            extractor=self.extractor,
            vectors=self.vectors,
        )

    async def budget(self, model: Model, max_tokens: int | None, shape: Shape | None = None) -> Budget:
        """Gives the room for a prompt beside the schemas that go with it. Raises ContextTooLong."""
        budget = await model.budget(max_tokens)
        tools = await self.toolbox.offered(can_call=(await model.prepare()).card.tools is not False)
        schemas = await model.schema_tokens(tools, shape.instruction if shape else "")
        return replace(budget, tools=schemas)

    async def aclose(self) -> None:
        """Closes the models, the servers and the embedder. The store belongs to the caller."""
        for model in dict.fromkeys((*self.models, self.summariser, self.extractor)):
            if model is not None:
                await model.provider.aclose()
        await self.toolbox.aclose()
        if self.embedder is not None:
            await self.embedder.aclose()
