"""Prepares the next call of a turn: the model that is asked, its context, its budget and its tools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from anaphora.context.budget import Budget
from anaphora.context.plan import Context
from anaphora.errors import ConfigError, ContextTooLong, CostLimitReached, PromptTooLong, ProviderError
from anaphora.memory.branch_reader import measured
from anaphora.providers.base import ModelInfo
from anaphora.providers.model import Model
from anaphora.providers.retry import Retries
from anaphora.tools.base import Tool
from anaphora.turn.request import TurnParts
from anaphora.values.events import Planned, Warned
from anaphora.values.message import Image, Options
from anaphora.values.report import Asides
from anaphora.values.transcript import Entry

# An estimate of tokens is rarely wrong by more.
_UNSURE = 1.15


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a turn: the user's message, and the tool results after which the answer continues (``last``).

    ``asides`` were gathered in an earlier step of the turn.
    """

    user: Entry
    last: Entry | None = None
    options: Options = field(default_factory=Options)
    asides: Asides | None = None

    @property
    def end(self) -> Entry:
        """The message that the branch ends with."""
        return self.last or self.user


@dataclass(frozen=True, slots=True)
class Prepared:
    """One call that is ready to be sent. The ``others`` may answer instead if the model fails.

    ``has_schema_mode``: a schema can be sent as such; else it is asked for in words.
    """

    model: Model
    others: tuple[Model, ...]
    retries: Retries
    context: Context
    budget: Budget
    tools: tuple[Tool, ...]
    has_schema_mode: bool

    @property
    def sent_tokens(self) -> int:
        """The tokens of the context; an estimate with what it may be wrong by."""
        report = self.context.report
        return report.tokens if report.exact else int(report.tokens * _UNSURE)

    @property
    def models(self) -> tuple[Model, ...]:
        """The model and those that may answer instead."""
        return (self.model, *self.others)


async def prepare(turn: TurnParts, step: Step, models: Sequence[Model], retries: Retries) -> Prepared:
    """Prepares a call of the first model that can take it. Raises AnaphoraError."""
    try:
        return await _prepared(turn, step, models, retries)
    except ProviderError as error:
        if not error.may_fall_back or len(models) < 2:
            raise
        return await prepare_next(turn, step, models, error)


async def prepare_next(turn: TurnParts, step: Step, models: Sequence[Model], error: ProviderError) -> Prepared:
    """Prepares a call of the next model that can take it, after the first of ``models`` failed. It is tried once.

    Raises the error if there is no other model.
    """
    failed, *others = models
    while True:
        try:
            prepared = await _prepared(turn, replace(step, asides=None), others, Retries(attempts=0))
        except (ConfigError, ContextTooLong, CostLimitReached, ProviderError) as caught:
            # This one cannot answer; the reason why the first did not is what counts.
            if len(others) < 2:
                raise error from caught
            others = others[1:]
        else:
            turn.events.put(Warned(f"{failed} did not answer ({str(error).rstrip('.')}); {prepared.model} is asked instead"))
            return prepared


async def prepare_shorter(turn: TurnParts, step: Step, prepared: Prepared, error: PromptTooLong) -> Prepared:
    """Prepares the same call with a smaller context: by the provider's numbers, by half if it gave none.

    Raises the error if it cannot be smaller.
    """
    budget = prepared.budget
    sent = prepared.context.report.tokens
    target = sent // 2
    if error.prompt_tokens and error.context_window:
        target = int(sent * min((error.context_window - budget.answer) / error.prompt_tokens, 0.9))
    smaller = replace(budget, context_window=max(target, 0) + budget.answer + budget.margin)
    try:
        context = await _planned(turn, replace(step, asides=None), prepared.model, smaller)
    except ContextTooLong:
        raise error from None
    return replace(prepared, context=context)


async def _prepared(turn: TurnParts, step: Step, models: Sequence[Model], retries: Retries) -> Prepared:
    model, *others = models
    bot, shape = turn.bot, turn.request.shape
    await bot.view(turn.scope, model).calibrate()
    model.look_again()
    card = (await model.prepare()).card
    if card.images is False and any(isinstance(part, Image) for part in step.user.message.parts):
        raise ConfigError(
            f"{model} cannot see pictures: choose a model that can (anaphora models lists them). "
            'If it can after all: models={"PROVIDER:MODEL": {"images": True}}.'
        )
    await measured(bot.store, model, turn.scope, step.user)
    tools = await _offered(turn, step, model)
    budget = await bot.budget(model, step.options.max_tokens, shape)
    context = await _planned(turn, step, model, budget)
    return Prepared(model, tuple(others), retries, context, budget, tools, card.json_schema is True)


async def _offered(turn: TurnParts, step: Step, model: Model) -> tuple[Tool, ...]:
    """Gives the tools. A tool that is demanded is offered to every model. Raises ConfigError if there is none of that name."""
    toolbox, choice = turn.bot.toolbox, step.options.tool_choice
    if choice in {"auto", "none"}:
        can_call = model.card.tools is not False
        tools = await toolbox.offered(can_call=can_call)
        if not can_call and toolbox and turn.state.last_call.is_news("no tools"):
            turn.events.put(Warned(f"{model} cannot call tools, so it is told of none"))
    else:
        tools = await toolbox.all()
        if not tools or (choice != "required" and choice not in {tool.name for tool in tools}):
            raise ConfigError(f"there is no tool {choice!r}: tool_choice is auto, none, required or the name of a tool.")
    for problem in toolbox.news():
        turn.events.put(Warned(problem))
    return _fitting(turn, step, model, tools, await model.prepare()) if tools else ()


def _fitting(turn: TurnParts, step: Step, model: Model, tools: Sequence[Tool], info: ModelInfo) -> tuple[Tool, ...]:
    """Gives the tools that the service takes, and tells of the others."""
    from anaphora.providers.wires.tool_form import fitted_tools

    # A tool that is demanded is not the one to be left out.
    taken = sorted(
        (tool for tool in tools if tool.name not in model.refused_tools), key=lambda tool: tool.name != step.options.tool_choice
    )
    found, left = fitted_tools(taken, most=info.most_tools, longest=info.longest_description)
    if left and turn.state.last_call.is_news(left):
        turn.events.put(Warned(left))
    return found


async def _planned(turn: TurnParts, step: Step, model: Model, budget: Budget) -> Context:
    """Plans the context and tells of it. Raises ContextTooLong and CostLimitReached."""
    bot, state = turn.bot, turn.state
    notes = [*state.background.notes, *bot.toolbox.problems]
    if bot.toolbox and model.card.tools is False:
        notes.append(f"{model} cannot call tools: it is not told of any")
    view = bot.view(turn.scope, model)
    context = await view.context(step.end.id, budget, notes=notes, asides=step.asides, reader=state.reader)
    sent = context.report.tokens if context.report.exact else int(context.report.tokens * _UNSURE)
    await bot.billing.check(turn.scope, model, sent=sent, answer=budget.answer)
    context = state.last_call.compared(context)
    turn.events.put(Planned(context.report))
    return context
