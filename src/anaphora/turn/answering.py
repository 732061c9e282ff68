"""Getting one answer: plan what the model sees, ask, try again, ask the next model. What is stored, and when, is the turn's."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from anaphora.context.budget import Budget
from anaphora.context.cache import cache_loss
from anaphora.context.plan import Context
from anaphora.errors import (
    ConfigError,
    ConnectionFailed,
    ContextTooLong,
    CostLimitReached,
    InvalidAnswer,
    LocalModelError,
    PromptTooLong,
    ProviderError,
    ProviderTimeout,
    RateLimited,
    RequestRejected,
    ServerFailed,
    StreamInterrupted,
    UnreadableAnswer,
)
from anaphora.guards.gate import Gate, Refused
from anaphora.memory.background import Upkeep
from anaphora.memory.branch_reader import measured
from anaphora.providers.model import Model
from anaphora.providers.retry import Retries, next_delay
from anaphora.schema.shape import Shape
from anaphora.schema.values import NotOfType
from anaphora.tools.base import Tool, schemas_text
from anaphora.tools.run import shortened
from anaphora.turn.bot import Setup
from anaphora.turn.mailbox import Mailbox
from anaphora.values.codec import Json
from anaphora.values.draft import AnswerDraft
from anaphora.values.events import Ended, Planned, ProviderEvent, Retrying, TextDelta, Warned
from anaphora.values.message import Image, Message, Options, Text, Usage, text_message
from anaphora.values.report import Asides
from anaphora.values.scope import Scope
from anaphora.values.tokens import measure_of
from anaphora.values.transcript import Entry

# Of an answer that was wrong, so many characters are shown to the model again.
_WRONG = 1_000
# An estimate is rarely wrong by more.
_UNSURE = 1.15
# Where these go wrong, another model may do better; the others are the user's to mend.
_THEIR_FAULTS = (
    ConnectionFailed,
    LocalModelError,
    ProviderTimeout,
    RateLimited,
    ServerFailed,
    StreamInterrupted,
    UnreadableAnswer,
)


def estimated_usage(model: Model, context: Context, said: Message) -> Usage:
    """What an answer took whose usage was not reported: our own count, thoughts included."""
    thought = model.estimate.count(text_message("assistant", said.thinking)) if said.thinking else 0
    return Usage(context.report.tokens, 0, model.estimate.count(said) + thought, thought)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user set for an answer, and the shape that it is to have."""

    options: Options = field(default_factory=Options)
    shape: Shape | None = None


@dataclass(slots=True)
class Answering:
    """One answer in the making: what came of it (``draft``), how it ended, what the model was sent.

    ``setup.model`` is the model that is asked just now, ``tools`` what it is offered. With ``show`` the words go to the mailbox
    as they come. ``replaced`` is what answers took that were asked for again, ``value`` what the answer was read into;
    ``refusal`` is what the user is told if a guard refused it.
    """

    setup: Setup
    scope: Scope
    wish: Wish
    mailbox: Mailbox
    upkeep: Upkeep
    show: bool
    tools: tuple[Tool, ...] = ()
    draft: AnswerDraft = field(default_factory=AnswerDraft)
    first: float | None = None
    ended: Ended | None = None
    context: Context | None = None
    budget: Budget | None = None
    cache_loss: str = ""
    value: Any = None
    replaced: list[Usage | None] = field(default_factory=list)
    refusal: str | None = None
    follows: bool = False
    _at: Entry | None = None
    _remembered: Asides | None = None
    _correction: tuple[Message, ...] = ()
    _no_schema_mode: bool = False

    async def plan(self, user: Entry, at: Entry | None = None) -> Context:
        """What the model will see, for the next step of a turn too, which goes on ``at`` the results of tools.

        If it cannot even be prepared, what the next one will. Raises AnaphoraError.
        """
        self._at, self.draft, self.ended, self._correction = at or user, AnswerDraft(), None, ()
        try:
            return await self._plan(user)
        except _THEIR_FAULTS as error:
            if not self.setup.fallbacks:
                raise
            return await self._next_model(user, error)

    async def _plan(self, user: Entry) -> Context:
        self.setup.model.look_again()
        card = (await self.setup.model.prepare()).card
        if card.images is False and any(isinstance(part, Image) for part in user.message.parts):
            raise ConfigError(
                f"{self.setup.model} cannot see pictures: choose a model that can (anaphora models lists them). "
                'If it can after all: models={"PROVIDER:MODEL": {"images": True}}.'
            )
        await measured(self.setup.store, self.setup.model, self.scope, user)
        self.tools = await self._offered()
        self.budget = await self.setup.budget(self.wish.options.max_tokens, self.wish.shape)
        return await self._planned(user, self.budget)

    async def _offered(self) -> tuple[Tool, ...]:
        """The tools. One that is demanded is offered to every model. Raises ConfigError if there is none of that name."""
        choice = self.wish.options.tool_choice
        if choice in {"auto", "none"}:
            tools = await self.setup.offered()
            if self.setup.model.card.tools is False and (self.setup.tools or self.setup.servers) and not self.upkeep.told:
                self.upkeep.told = True
                self.mailbox.put(Warned(f"{self.setup.model} cannot call tools, so it is told of none"))
        else:
            tools = await self.setup.all_tools()
            if not tools or (choice != "required" and choice not in {tool.name for tool in tools}):
                raise ConfigError(f"there is no tool {choice!r}: tool_choice is auto, none, required or the name of a tool.")
        for problem in filter(None, [server.news() for server in self.setup.servers]):
            self.mailbox.put(Warned(problem))
        return tools

    async def run(self, user: Entry, context: Context) -> None:
        """Ask until an answer is whole. Raises the error that ended hope."""
        while True:
            try:
                await self._attempts(user, context)
            except _THEIR_FAULTS as error:
                if not self.setup.fallbacks or self._shown():
                    raise
                context = await self._next_model(user, error)
            else:
                await self._learn(context)
                if self.wish.shape is not None and not self.draft.message().tool_calls and self.refusal is None:
                    await self._read(user, context, self.wish.shape)
                return

    async def _read(self, user: Entry, context: Context, shape: Shape) -> None:
        """Make of the answer what was asked for; if it is not of that shape, ask once more. Raises InvalidAnswer."""
        for is_last in (False, True):
            if self.refusal is not None:
                return
            text = self.draft.message().text
            try:
                self.value = shape.read(text)
            except NotOfType as error:
                reason = (
                    "it was cut at the longest answer allowed" if self.ended and self.ended.finish == "length" else str(error)
                )
                if is_last:
                    raise InvalidAnswer(text, reason) from None
                self.mailbox.put(Warned(f"the answer was not of the shape that was asked for ({reason}); it is asked for again"))
                again = f"This is not what was asked for: {reason}. {shape.instruction}"
                wrong = text_message("assistant", shortened(text, _WRONG) or "(nothing)")
                self._correction = (wrong, text_message("user", again))
                self.replaced.append(await self._begin_anew(context))
                more = sum(self.setup.model.estimate.count(message) for message in self._correction)
                sent = self._most_sent(context) + more
                await self.setup.spending.check(self.scope, self.setup.model, sent=sent, answer=self._most())
                await self._attempts(user, context)
            else:
                return

    async def _next_model(self, user: Entry, error: ProviderError) -> Context:
        """Go over to the next of the models that can answer this; it is tried once. Raises the error if there is none."""
        failed = self.setup.model
        if self.context is not None:
            await self._begin_anew(self.context)
        while True:
            model, *others = self.setup.fallbacks
            self.setup = replace(self.setup, model=model, fallbacks=tuple(others), retries=Retries(attempts=0))
            self._remembered, self._no_schema_mode = None, False
            try:
                await self.setup.calibrate(self.scope.owner)
                context = await self._plan(user)
            except (ConfigError, ContextTooLong, CostLimitReached, ProviderError) as caught:
                # This one cannot answer; why the first did not is what counts.
                if not others:
                    raise error from caught
            else:
                self.mailbox.put(Warned(f"{failed} did not answer ({str(error).rstrip('.')}); {model} is asked instead"))
                return context

    async def _planned(self, user: Entry, budget: Budget) -> Context:
        at = self._at or user
        context = await self.setup.context(
            self.scope, at.id, budget, self.upkeep.notes, self._remembered, reader=self.upkeep.reader
        )
        await self.setup.spending.check(self.scope, self.setup.model, sent=self._most_sent(context), answer=budget.answer)
        self._remembered = context.asides
        self.context = context.after(self.upkeep.sent)
        self.mailbox.put(Planned(self.context.report))
        return self.context

    async def _attempts(self, user: Entry, context: Context) -> None:
        """Ask one model until it has answered. Raises the error after which it is asked no more."""
        attempt, trimmed = 0, False
        while True:
            try:
                await self._attempt(context)
            except PromptTooLong as error:
                if trimmed or self._shown():
                    raise
                self.setup.model.learn_window(error)
                context, trimmed = await self._shorter(user, context, error), True
            except ProviderError as error:
                if isinstance(error, RequestRejected) and self._schema() is not None:
                    # Not every model takes every schema, whatever the catalog says; in words it can always be said.
                    self._no_schema_mode = True
                    continue
                delay = None if self._shown() else next_delay(error, attempt, self.setup.retries, jitter=random.random())
                if delay is None:
                    raise
                attempt += 1
                self.mailbox.put(Retrying(error, delay))
                await anyio.sleep(delay)
            else:
                return
            await self._begin_anew(context)
            await self.setup.spending.check(self.scope, self.setup.model, sent=self._most_sent(context), answer=self._most())

    async def _attempt(self, context: Context) -> None:
        model, draft, mailbox = self.setup.model, self.draft, self.mailbox
        self.ended = None
        before, self.upkeep.sent = self.upkeep.sent, replace(context.sent, model=str(model), tools=schemas_text(self.tools))
        options = self.wish.options
        if self.setup.max_cost is not None and self.budget is not None:
            # The limit of the cost was checked for an answer of at most this length.
            options = replace(options, max_tokens=self.budget.answer)
        if self._correction:
            # What is asked for now is words.
            options = replace(options, tool_choice="none")
        report, margin = context.report, self.budget.margin if self.budget else 0
        room = max(report.context_window - report.tokens - margin, 1)
        stable = context.stable if not self._correction else 0
        request = model.request(self._messages(context), options, stable=stable, room=None if report.assumed else room)
        request = replace(request, tools=self.tools, schema=self._schema())
        asked = time.monotonic()
        async with aclosing(model.provider.stream(request)) as events:
            async for event in self._guarded(events):
                if isinstance(event, Ended):
                    self.ended = event
                    continue
                if self.first is None:
                    self.first = time.monotonic()
                draft.add(event)
                if self.show:
                    if self.follows and isinstance(event, TextDelta):
                        # What was said before the tools is another paragraph.
                        self.follows = False
                        mailbox.put(TextDelta("\n\n"))
                    mailbox.put(event)
        if self.ended is None:
            name = model.provider.name
            raise StreamInterrupted(f"{name}: the answer stopped without saying why. Try again.", provider=name)
        cached = self.ended.usage.cached_tokens if self.ended.usage else 0
        if before is not None:
            pause = asked - self.upkeep.asked
            self.cache_loss = cache_loss(before, self.upkeep.sent, cached, was=self.upkeep.cached, pause=pause)
        self.upkeep.asked, self.upkeep.cached = asked, cached

    async def _guarded(self, events: AsyncIterator[ProviderEvent]) -> AsyncGenerator[ProviderEvent, None]:
        """What a provider says as far as the guards let it through; after a refusal, that it has ended."""
        gate = Gate(self.setup.guards)
        usage: Usage | None = None
        try:
            async for event in events:
                if not gate or not isinstance(event, TextDelta | Ended):
                    yield event
                    continue
                usage = event.usage if isinstance(event, Ended) else None
                await (gate.end() if isinstance(event, Ended) else gate.feed(event.text))
                if gate.passed:
                    yield TextDelta(gate.passed)
                if isinstance(event, Ended):
                    yield event
        except Refused as refused:
            self.refusal = refused.refusal.text
            if gate.passed:
                yield TextDelta(gate.passed)
            yield Ended("content_filter", usage)

    def _schema(self) -> Json | None:
        """The schema, where the model has a mode for it. Beside tools it is asked for in words: not all can do both."""
        is_plain = not self.tools or bool(self._correction)
        return self.wish.shape.schema if self.wish.shape and is_plain and self._has_schema_mode() else None

    def _has_schema_mode(self) -> bool:
        return self.setup.model.card.json_schema is True and not self._no_schema_mode

    def _messages(self, context: Context) -> Sequence[Message]:
        """What is sent: the context, with what the answer is to look like if that must be said in words."""
        messages = [*context.messages, *self._correction]
        if self.wish.shape and not self._correction and self._schema() is None:
            newest = next(index for index in reversed(range(len(messages))) if messages[index].role == "user")
            words = Text(f"\n\n{self.wish.shape.instruction}")
            messages[newest] = replace(messages[newest], parts=(*messages[newest].parts, words))
        return messages

    async def _learn(self, context: Context) -> None:
        """Take from the whole answer how the model counts; a count that is far too low says that the prompt was cut off."""
        model = self.setup.model
        usage = self.ended.usage if self.ended else None
        if usage is None or context.measure.images or self.wish.shape:
            # What a picture counts is each vendor's own affair, and teaches nothing about words.
            return
        if model.estimate.is_cut(context.report.tokens, usage.input_tokens):
            read = f"{model} read {usage.input_tokens} tokens of about {context.report.tokens} that were sent"
            smaller = "its context window is smaller than it says, and the beginning was cut off"
            self.mailbox.put(Warned(f"{read}: {smaller}. Set context_window (--context-window) to its real size."))
            return
        before = model.estimate
        model.learn(context.measure + measure_of([text_message("system", schemas_text(self.tools))]), usage)
        if not context.report.exact and model.estimate.differs(before):
            await self.setup.store.keep_estimate(self.scope.owner, str(model), model.estimate)

    async def _begin_anew(self, context: Context) -> Usage | None:
        """Let go of what came, which is paid for all the same: a retry never joins two different answers. Gives what it took."""
        lost, self.draft = self.draft, AnswerDraft()
        if not lost:
            return None
        model = self.setup.model
        reported = self.ended.usage if self.ended else None
        usage = reported or estimated_usage(model, context, lost.message())
        call = await self.setup.spending.call(self.scope, model, "answer", usage, estimated=reported is None)
        if call is not None:
            await self.setup.store.record(self.scope.owner, call)
        return call.usage if call else None

    def _most(self) -> int:
        return self.budget.answer if self.budget else 0

    def _most_sent(self, context: Context) -> int:
        """The tokens of a context, with what our own count may be wrong by."""
        return context.report.tokens if context.report.exact else int(context.report.tokens * _UNSURE)

    def _shown(self) -> bool:
        return bool(self.draft) and self.show

    async def _shorter(self, user: Entry, context: Context, error: PromptTooLong) -> Context:
        """The same branch in a smaller view, by the provider's numbers; by half if it gave none.

        Raises the error if it cannot be smaller.
        """
        budget = self.budget
        if budget is None:
            raise error
        sent = context.report.tokens
        target = sent // 2
        if error.prompt_tokens and error.context_window:
            target = int(sent * min((error.context_window - budget.answer) / error.prompt_tokens, 0.9))
        smaller = replace(budget, context_window=max(target, 0) + budget.answer + budget.margin)
        self._remembered = None
        try:
            return await self._planned(user, smaller)
        except ContextTooLong:
            raise error from None
