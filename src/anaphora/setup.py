"""What all turns of a bot share, and the context it plans for a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from anaphora.context.plan import Budget, Context, Memory, Prompt, plan
from anaphora.context.window import reach
from anaphora.model import Model
from anaphora.providers.retry import Retries
from anaphora.stores.base import Scope, Store
from anaphora.transcript import START, Entry, Extent


@dataclass(frozen=True, slots=True)
class Setup:
    """``system`` None means the model's default prompt; ``titles``: the model is asked for better ones than the first words."""

    model: Model
    store: Store
    memory: Memory
    retries: Retries
    system: str | None = None
    titles: bool = False

    async def system_prompt(self, scope: Scope) -> Prompt:
        """The conversation's own system prompt, else the bot's, else the model's, with its size."""
        own = (await self.store.info(scope)).system
        return await self.model.system_prompt(self.system if own is None else own)

    async def system_text(self, scope: Scope) -> str:
        """Its text alone. The model is asked only where nobody else says it."""
        own = (await self.store.info(scope)).system
        chosen = self.system if own is None else own
        return (await self.model.system_prompt(None)).text if chosen is None else chosen

    async def context(self, scope: Scope, message_id: str | None, budget: Budget) -> Context:
        """What the model sees of the branch that ends at a message. Only as much is read as may go in.

        Raises ContextTooLong.
        """
        system = await self.system_prompt(scope)
        most = reach(self.memory.window.limits(budget.prompt - system.tokens))
        branch = await self._end_of_branch(scope, message_id, most)
        return plan(branch, system=system, memory=self.memory, budget=budget)

    async def _end_of_branch(self, scope: Scope, message_id: str | None, most: Extent) -> Sequence[Entry]:
        """The messages up to this one, back to where they exceed ``most``.

        What another model's tokenizer counted is counted anew, if this one's can.
        """
        counter = await self.model.counter()
        far = most
        while True:
            branch = await self.store.branch(scope, message_id, reach=far)
            if counter:
                branch = [entry if entry.size.counter == counter else await self.measured(scope, entry) for entry in branch]
            if not branch or branch[0].parent is None or sum((entry.extent for entry in branch), START).exceeds(most):
                return branch
            # By this model's count it is less.
            far += far + Extent(1, 1, 1)

    async def measured(self, scope: Scope, entry: Entry) -> Entry:
        """The same message with the size this model counts."""
        size = await self.model.size(entry.message)
        if size == entry.size:
            return entry
        await self.store.measure(scope, entry.id, size)
        return replace(entry, size=size)
