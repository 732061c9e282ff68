"""Records every call of a model with its cost, and makes no call that would pass the limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import anyio

from anaphora.errors import ConfigError, CostLimitReached
from anaphora.providers.base import Request
from anaphora.providers.contract import checked_events
from anaphora.providers.model import Model
from anaphora.providers.models.card import ModelCard
from anaphora.stores.base import Store
from anaphora.values.draft import AnswerDraft
from anaphora.values.events import Ended
from anaphora.values.message import Finish, Usage
from anaphora.values.scope import Scope
from anaphora.values.usage import Call, Purpose, Spent

_NO_LIMIT = "so no limit of its cost can be kept. Leave the limit out"


@dataclass(frozen=True, slots=True)
class Billing:
    """``limit`` is what one conversation may cost, in dollars; None is no limit. ``cards`` are the user's own, by full name."""

    store: Store
    limit: float | None = None
    cards: Mapping[str, ModelCard] = field(default_factory=dict)

    async def check(self, scope: Scope, model: Model, *, sent: int, answer: int) -> None:
        """Raises CostLimitReached if a call that sends and answers so many tokens may pass the limit.

        Raises ConfigError where no price is known.
        """
        if self.limit is None:
            return
        most = (await model.prepare()).card.most(sent, answer)
        if most is None:
            raise ConfigError(f"{model}'s price is not known: {_NO_LIMIT}, or put the price into the settings.")
        spent = sum([self._cost(one) for one in await self.store.spent(scope.owner, conversation=scope.conversation)])
        if spent + most > self.limit:
            raise CostLimitReached(spent=spent, most=most, limit=self.limit)

    def _cost(self, spent: Spent) -> float:
        """Gives the cost of calls; where it was not known then, what they would cost now."""
        from anaphora.providers.models.catalog import known_card

        provider, _, name = spent.model.partition(":")
        cost = known_card(provider, name, self.cards).cost(spent.usage) if spent.unpriced else spent.usage.cost
        if cost is None:
            raise ConfigError(f"what {spent.model} has cost in this conversation is not known: {_NO_LIMIT}, or begin a new one.")
        return cost

    async def call(
        self, scope: Scope, model: Model, purpose: Purpose, usage: Usage | None, *, estimated: bool = False
    ) -> Call | None:
        """A call as it is recorded, with its price; None if nothing is known of it."""
        usage = await model.priced(usage)
        if usage is None:
            return None
        return Call(scope.conversation, str(model), purpose, time.time(), usage, estimated)

    async def request(self, scope: Scope, model: Model, request: Request) -> tuple[str, Finish]:
        """Asks a model beside the conversation. Gives its text and why it ended. Raises ProviderError and CostLimitReached."""
        if self.limit is not None:
            sent = sum([(await model.size(message)).tokens for message in request.messages])
            room = (await model.budget(request.options.max_tokens)).answer
            await self.check(scope, model, sent=sent, answer=room)
        draft = AnswerDraft()
        ended = Ended("stop")
        try:
            async with aclosing(checked_events(model.provider, request)) as events:
                async for event in events:
                    if isinstance(event, Ended):
                        ended = event
                    else:
                        draft.add(event)
        finally:
            # What was cut short is paid for too.
            with anyio.CancelScope(shield=True):
                await self._record(scope, model, request, ended.usage, draft)
        return draft.message().text, ended.finish

    async def _record(self, scope: Scope, model: Model, request: Request, usage: Usage | None, draft: AnswerDraft) -> None:
        is_estimated = usage is None
        if usage is None and draft:
            sent = sum(model.estimate.count(message) for message in request.messages)
            usage = Usage(sent, 0, model.estimate.count(draft.message()))
        call = await self.call(scope, model, request.purpose, usage, estimated=is_estimated)
        if call is not None:
            await self.store.record(scope.owner, call)
