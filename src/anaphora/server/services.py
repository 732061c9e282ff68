"""The parts that all endpoints of the server share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from anaphora.chat.chatbot import AsyncChatbot, open_conversations
from anaphora.chat.open_conversation import OpenConversation
from anaphora.server.auth import Auth, Grant
from anaphora.server.config import ServeConfig
from anaphora.server.live_run import LiveRun, RunPlan
from anaphora.server.metrics import Metrics
from anaphora.server.models import ModelTable, Places, ServedModel
from anaphora.server.run_keeper import RunKeeper
from anaphora.server.tracing import begin_span, end_span
from anaphora.stores.base import ServerStore
from anaphora.stores.records import busy
from anaphora.values.answer import Answer
from anaphora.values.message import Usage
from anaphora.values.scope import Scope
from anaphora.values.usage import Call

Embed = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]


@dataclass(frozen=True, slots=True)
class RunEngine:
    """A bot with its runs: one that keeps conversations, or one that forgets each when it has ended."""

    bot: AsyncChatbot
    keeper: RunKeeper

    @property
    def store(self) -> ServerStore:
        """The store of its conversations."""
        return self.keeper.store

    def conversation(self, scope: Scope) -> OpenConversation:
        """Gives a conversation, opened if need be."""
        return open_conversations(self.bot).get(scope)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a server.

    ``kept`` answers in conversations that stay, ``passing`` in those that are gone with their answer. ``places`` are for models
    that do one thing at a time. ``stopping`` is set when relays are to end. ``embed`` makes rows of numbers of texts, by the
    ``embedder``.
    """

    config: ServeConfig
    models: ModelTable
    auth: Auth
    kept: RunEngine
    passing: RunEngine
    metrics: Metrics = field(default_factory=Metrics)
    places: dict[str, Places] = field(default_factory=dict)
    stopping: anyio.Event = field(default_factory=anyio.Event)
    embedder: str = ""
    embed: Embed | None = None

    @property
    def store(self) -> ServerStore:
        """The store of everybody's conversations."""
        return self.kept.store

    @property
    def waiting(self) -> int:
        """The number of answers that wait for a model."""
        return sum(one.waiting for one in self.places.values())

    async def place(self, model: ServedModel) -> Places | None:
        """Takes the place at a model that does one thing at a time; None for other models. Raises ApiError in a long queue."""
        first = model.models[0]
        if not (await first.prepare()).one_at_a_time:
            return None
        places = self.places.setdefault(str(first), Places())
        await places.take()
        return places

    async def start(self, grant: Grant, engine: RunEngine, model: ServedModel, plan: RunPlan) -> LiveRun:
        """Begins a run within the limits of its owner's token. Raises AnaphoraError, and then nothing was stored."""
        self.kept.keeper.check_open()
        engine.keeper.check_open()
        await self.auth.admit(grant, plan.new.id)
        places: Places | None = None
        span = begin_span(str(model.models[0]))
        try:
            scope = plan.conversation.scope
            # Whoever waits for a place would hold a conversation that is busy for longer still.
            if (await model.models[0].prepare()).one_at_a_time and engine.keeper.answers_in(scope):
                raise busy(scope)
            places = await self.place(model)

            async def ended(answer: Answer[Any] | None) -> None:
                end_span(span, answer)
                await self._ended(grant, plan.new.id, places, answer, model)

            return await engine.keeper.begin(replace(plan, on_end=ended))
        except BaseException:
            end_span(span, None)
            await self._ended(grant, plan.new.id, places, None, model)
            raise

    async def _ended(
        self, grant: Grant, slot: str, places: Places | None, answer: Answer[Any] | None, model: ServedModel
    ) -> None:
        if places is not None:
            places.leave()
        usage = Usage() if answer is None else answer.usage or _estimated(answer)
        if usage.cost is None and usage != Usage():
            usage = await model.models[0].priced(usage) or usage
        if answer is not None:
            self.metrics.turn(answer.status, usage.input_tokens, usage.output_tokens, answer.first_seconds)
        await self.auth.leave(grant, slot, usage.total_tokens, usage.cost or 0.0)

    async def record(self, grant: Grant, model: ServedModel, usage: Usage | None) -> Usage | None:
        """Notes a call that belongs to no conversation, with its price. Gives the usage with the price."""
        usage = await model.models[0].priced(usage)
        if usage is not None:
            await self.store.record(grant.owner, Call("", str(model.models[0]), "answer", time.time(), usage, estimated=False))
        return usage


def _estimated(answer: Answer[Any]) -> Usage:
    """Estimates what an answer took that was cut before its service told."""
    if answer.context is None or not (answer.text or answer.thinking):
        return Usage()
    # Four characters are about a token.
    said = (len(answer.text) + len(answer.thinking)) // 4
    return Usage(answer.context.tokens, 0, said)
