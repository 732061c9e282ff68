"""What a bot spends: every call is recorded with what it took, and one that would pass the limit is not made."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass

from anaphora.calls import Call, Purpose, total
from anaphora.errors import ConfigError, CostLimitReached
from anaphora.events import AnswerDraft, Ended
from anaphora.message import Finish, Usage
from anaphora.model import Model
from anaphora.providers.base import Request
from anaphora.stores.base import Scope, Store


@dataclass(frozen=True, slots=True)
class Spending:
    """``limit`` is what one conversation may cost, in dollars; None is no limit."""

    store: Store
    limit: float | None = None

    async def check(self, scope: Scope, model: Model, *, sent: int, answer: int) -> None:
        """Raises CostLimitReached if a call that sends and answers so many tokens may pass the limit.

        Raises ConfigError where no price is known.
        """
        if self.limit is None:
            return
        spent = total(await self.store.spent(scope.owner, conversation=scope.conversation)).cost
        most = await model.cost(Usage(input_tokens=sent, output_tokens=answer))
        if most is None or spent is None:
            unknown = f"{model}'s price is not known" if most is None else "what this conversation has cost is not known"
            raise ConfigError(
                f"{unknown}, so a limit of its cost cannot be kept: leave the limit out, or put the price into the settings."
            )
        if spent + most > self.limit:
            raise CostLimitReached(spent=spent, most=most, limit=self.limit)

    async def call(
        self, scope: Scope, model: Model, purpose: Purpose, usage: Usage | None, *, estimated: bool = False
    ) -> Call | None:
        """A call as it is recorded, with its price; None if nothing is known of it."""
        usage = await model.priced(usage)
        if usage is None:
            return None
        return Call(scope.conversation, str(model), purpose, time.time(), usage, estimated)

    async def ask(self, scope: Scope, model: Model, request: Request) -> tuple[str, Finish]:
        """What a model says to a question of ours beside the conversation. Raises ProviderError and CostLimitReached."""
        if self.limit is not None:
            sent = sum([(await model.size(message)).tokens for message in request.messages])
            room = (await model.budget(request.options.max_tokens)).answer
            await self.check(scope, model, sent=sent, answer=room)
        draft = AnswerDraft()
        ended = Ended("stop")
        async with aclosing(model.provider.stream(request)) as events:
            async for event in events:
                if isinstance(event, Ended):
                    ended = event
                else:
                    draft.add(event)
        call = await self.call(scope, model, request.purpose, ended.usage)
        if call is not None:
            await self.store.record(scope.owner, call)
        return draft.message().text, ended.finish
