"""Asks the models for one answer: tries again, asks the next model, asks once more for another shape."""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio

from anaphora.errors import InvalidAnswer, PromptTooLong, ProviderError, RequestRejected, StreamInterrupted
from anaphora.providers.base import Request
from anaphora.providers.contract import checked_events
from anaphora.providers.retry import next_delay
from anaphora.tools.base import schemas_text
from anaphora.turn.prepare import Prepared, Step, prepare_next, prepare_shorter
from anaphora.turn.record import Record
from anaphora.turn.request import TurnParts
from anaphora.values.codec import Json
from anaphora.values.events import Ended, ProviderEvent, Refused, Retrying, TextDelta, Warned
from anaphora.values.message import Message, Text, Usage, text_message
from anaphora.values.tokens import measure_of

if TYPE_CHECKING:
    from anaphora.schema.shape import Shape

# The characters of a wrong answer that are shown to the model again.
_WRONG = 1_000


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """One whole answer of a model.

    ``refusal`` is the text for the user if a guard refused the answer, ``value`` the answer as the type that was asked for.
    ``replaced`` are the usages of answers that were dropped for this one.
    """

    prepared: Prepared
    message: Message
    ended: Ended
    refusal: str | None = None
    value: Any = None
    cache_loss: str = ""
    replaced: tuple[Usage | None, ...] = ()


# Estimates are not wrong by such a factor.
_LEAST_REPORTED = 20


def estimated_usage(prepared: Prepared, said: Message) -> Usage:
    """Estimates the usage of an answer whose provider reported none, thinking included."""
    model = prepared.model
    thought = model.estimate.count(text_message("assistant", said.thinking)) if said.thinking else 0
    return Usage(prepared.context.report.tokens, 0, model.estimate.count(said) + thought, thought)


def believable(usage: Usage | None, estimate: Usage) -> Usage | None:
    """Gives a reported usage with our estimate where it reports next to nothing: nobody answers for nothing."""
    if usage is None:
        return None
    sent = usage.input_tokens if usage.input_tokens * _LEAST_REPORTED >= estimate.input_tokens else estimate.input_tokens
    said = usage.output_tokens if usage.output_tokens * _LEAST_REPORTED >= estimate.output_tokens else estimate.output_tokens
    return replace(usage, input_tokens=sent, output_tokens=said)


async def ask_model(turn: TurnParts, step: Step, prepared: Prepared, record: Record, *, follows: bool) -> ModelAnswer:
    """Asks until an answer is whole. ``follows``: text of the same turn stands before it, so it is a paragraph of its own.

    Raises the error after which there is no other way.
    """
    asking = _Asking(turn, step, record, follows)
    while True:
        try:
            answer = await asking.attempts(prepared)
        except ProviderError as error:
            if not error.may_fall_back or not prepared.others or asking.is_shown:
                raise
            await asking.begin_anew(prepared, None)
            prepared = await prepare_next(turn, step, prepared.models, error)
            record.drop(prepared)
        else:
            await asking.learn(answer)
            shape = turn.request.shape
            if shape is not None and not answer.message.tool_calls and answer.refusal is None:
                return await asking.read(answer, shape)
            return answer


@dataclass(frozen=True, slots=True)
class _Asking:
    """The parts of one request to the models. A ``correction`` is appended after an answer of the wrong shape."""

    turn: TurnParts
    step: Step
    record: Record
    follows: bool
    correction: tuple[Message, ...] = ()
    replaced: tuple[Usage | None, ...] = field(default=())

    @property
    def is_shown(self) -> bool:
        """True if the user has seen a part of the answer: then it is not tried again."""
        return self.record.has_words and self.turn.request.is_streamed

    async def attempts(self, prepared: Prepared) -> ModelAnswer:
        """Asks one model until it has answered. Raises the error after which it is asked no more."""
        turn, attempt, trimmed = self.turn, 0, False
        while True:
            try:
                return await self._attempt(prepared)
            except PromptTooLong as error:
                if trimmed or self.is_shown:
                    raise
                prepared.model.learn_window(error)
                prepared, trimmed = await prepare_shorter(turn, self.step, prepared, error), True
            except ProviderError as error:
                without = self._without_refused(prepared, error)
                if without is not None:
                    prepared = without
                    continue
                if isinstance(error, RequestRejected) and self._schema(prepared) is not None:
                    # Not every model takes every schema, whatever the catalog says; in words it can always be said.
                    prepared = replace(prepared, has_schema_mode=False)
                    continue
                delay = None if self.is_shown else next_delay(error, attempt, prepared.retries, jitter=random.random())
                if delay is None:
                    raise
                attempt += 1
                turn.events.put(Retrying(error, delay))
                await anyio.sleep(delay)
            await self.begin_anew(prepared, None)
            await turn.bot.billing.check(turn.scope, prepared.model, sent=prepared.sent_tokens, answer=prepared.budget.answer)

    def _without_refused(self, prepared: Prepared, error: ProviderError) -> Prepared | None:
        """Gives the call without the tool that the service refused; None if the error names none."""
        if not isinstance(error, RequestRejected) or not prepared.tools or self.is_shown:
            return None
        from anaphora.providers.wires.tool_form import refused_tool

        refused = refused_tool(str(error), prepared.tools)
        if refused is None:
            return None
        prepared.model.learn_refused(refused.name)
        self.turn.events.put(Warned(f"the tool {refused.name} is left out, since {str(error).rstrip('.')}"))
        return replace(prepared, tools=tuple(tool for tool in prepared.tools if tool is not refused))

    async def read(self, answer: ModelAnswer, shape: Shape) -> ModelAnswer:
        """Reads the answer as the type that was asked for; if it is not of it, asks once more. Raises InvalidAnswer."""
        from anaphora.schema.values import NotOfType
        from anaphora.tools.run import shortened

        try:
            return replace(answer, value=shape.read(answer.message.text))
        except NotOfType as error:
            reason = _wrong_reason(answer, error)
            if self.is_shown:
                # A second answer below the one that was shown would be taken for its rest.
                raise InvalidAnswer(answer.message.text, reason) from None
        prepared, turn, text = answer.prepared, self.turn, answer.message.text
        turn.events.put(Warned(f"the answer was not of the shape that was asked for ({reason}); it is asked for again"))
        again = f"This is not what was asked for: {reason}. {shape.instruction}"
        wrong = text_message("assistant", shortened(text, _WRONG) or "(nothing)")
        correction = (wrong, text_message("user", again))
        replaced = await self.begin_anew(prepared, answer.ended)
        more = sum(prepared.model.estimate.count(message) for message in correction)
        answered = prepared.budget.answer
        await turn.bot.billing.check(turn.scope, prepared.model, sent=prepared.sent_tokens + more, answer=answered)
        second = await replace(self, correction=correction).attempts(prepared)
        second = replace(second, replaced=(*answer.replaced, replaced))
        if second.refusal is not None:
            return second
        try:
            return replace(second, value=shape.read(second.message.text))
        except NotOfType as error:
            raise InvalidAnswer(second.message.text, _wrong_reason(second, error)) from None

    async def begin_anew(self, prepared: Prepared, ended: Ended | None) -> Usage | None:
        """Drops what came, so that a retry never joins two answers. It is paid for all the same; gives its usage."""
        lost = self.record.drop(prepared)
        if not lost.parts:
            return None
        turn, reported = self.turn, ended.usage if ended else None
        usage = reported or estimated_usage(prepared, lost)
        call = await turn.bot.billing.call(turn.scope, prepared.model, "answer", usage, estimated=reported is None)
        if call is not None:
            await turn.bot.store.record(turn.scope.owner, call)
        return call.usage if call else None

    async def learn(self, answer: ModelAnswer) -> None:
        """Learns from the reported usage how the model counts; a count that is far too low says that the prompt was cut."""
        turn, context, model = self.turn, answer.prepared.context, answer.prepared.model
        usage = answer.ended.usage
        if usage is None or context.measure.images or turn.request.shape:
            # Each vendor counts pictures and schemas in its own way, which teaches nothing about words.
            return
        if model.estimate.is_cut(context.report.tokens, usage.input_tokens):
            read = f"{model} read {usage.input_tokens} tokens of about {context.report.tokens} that were sent"
            smaller = "its context window is smaller than it says, and the beginning was cut off"
            turn.events.put(Warned(f"{read}: {smaller}. Set context_window (--context-window) to its real size."))
            return
        before = model.estimate
        model.learn(context.measure + measure_of([text_message("system", schemas_text(answer.prepared.tools))]), usage)
        if not context.report.exact and model.estimate.differs(before):
            await turn.bot.store.save_estimate(turn.scope.owner, str(model), model.estimate)

    async def _attempt(self, prepared: Prepared) -> ModelAnswer:
        model, turn = prepared.model, self.turn
        last_call = turn.state.last_call
        request = await self._request(prepared)
        sent = replace(prepared.context.sent, model=str(model), tools=schemas_text(prepared.tools))
        before, at = last_call.replace(sent), time.monotonic()
        ended, refusal, follows = None, None, self.follows
        async with aclosing(checked_events(model.provider, request)) as events:
            async for event in self._guarded(events):
                if isinstance(event, Refused):
                    refusal = event.text
                elif isinstance(event, Ended):
                    ended = event
                else:
                    self.record.add(event)
                    if turn.request.is_streamed:
                        if follows and isinstance(event, TextDelta):
                            follows = False
                            turn.events.put(TextDelta("\n\n"))
                        turn.events.put(event)
        if ended is None:
            name = model.provider.name
            raise StreamInterrupted(f"{name}: the answer stopped without saying why. Try again.", provider=name)
        await _called(turn.bot.after_call, request, ended)
        loss = last_call.ended(before, at=at, cached=ended.usage.cached_tokens if ended.usage else 0)
        return ModelAnswer(prepared, self.record.message, ended, refusal, cache_loss=loss)

    def _guarded(self, events: AsyncIterator[ProviderEvent]) -> AsyncIterator[ProviderEvent | Refused]:
        """Lets the guards on answers look at what the model says."""
        guards = self.turn.bot.guards
        if not guards:
            return events
        from anaphora.guards.gate import guarded_events

        return guarded_events(events, guards)

    async def _request(self, prepared: Prepared) -> Request:
        options, report = self.step.options, prepared.context.report
        if self.turn.bot.billing.limit is not None:
            # The limit was checked for an answer of at most this length.
            options = replace(options, max_tokens=prepared.budget.answer)
        if self.correction:
            # Words are asked for now.
            options = replace(options, tool_choice="none")
        if options.tool_choice not in {"auto", "none", "required", *(tool.name for tool in prepared.tools)}:
            # The service does not take the tool that was demanded.
            options = replace(options, tool_choice="auto")
        room = max(report.context_window - report.tokens - prepared.budget.margin, 1)
        stable = prepared.context.stable if not self.correction else 0
        messages = self._messages(prepared)
        request = prepared.model.request(messages, options, stable=stable, room=None if report.assumed else room)
        request = replace(request, tools=prepared.tools, schema=self._schema(prepared))
        changed = await _called(self.turn.bot.before_call, request)
        return changed if isinstance(changed, Request) else request

    def _schema(self, prepared: Prepared) -> Json | None:
        """Gives the schema if the model has a mode for it. Beside tools it is asked for in words: not all can do both."""
        shape = self.turn.request.shape
        is_plain = not prepared.tools or bool(self.correction)
        return shape.schema if shape and is_plain and prepared.has_schema_mode else None

    def _messages(self, prepared: Prepared) -> Sequence[Message]:
        """Gives the context, with the words that ask for a shape where the model has no mode for schemas."""
        shape = self.turn.request.shape
        messages = [*prepared.context.messages, *self.correction]
        if shape and not self.correction and self._schema(prepared) is None:
            newest = next(index for index in reversed(range(len(messages))) if messages[index].role == "user")
            words = Text(f"\n\n{shape.instruction}")
            messages[newest] = replace(messages[newest], parts=(*messages[newest].parts, words))
        return messages


async def _called(hook: Any, *arguments: Any) -> Any:
    """Calls a function of the user's, if there is one, and waits for it if it is asynchronous."""
    if hook is None:
        return None
    given = hook(*arguments)
    return await given if inspect.isawaitable(given) else given


def _wrong_reason(answer: ModelAnswer, error: Exception) -> str:
    return "it was cut at the longest answer allowed" if answer.ended.finish == "length" else str(error)
