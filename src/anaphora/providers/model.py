"""The model of a conversation: its provider, name, context window and token counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from anaphora.concurrency import is_cancelled
from anaphora.context.budget import Budget, Prompt, budget_for
from anaphora.errors import AnaphoraError, PromptTooLong, ProviderError, error_text
from anaphora.providers.base import ModelInfo, Provider, Request
from anaphora.providers.models.card import ModelCard
from anaphora.tools.base import Tool, schemas_text
from anaphora.values.message import Message, Options, Usage, described, text_message
from anaphora.values.tokens import Estimate, Measure
from anaphora.values.transcript import Size
from anaphora.values.usage import Purpose

_KEPT_COUNTS = 32

# A stated cost of less than such a part of the price is not believed.
_LEAST_STATED = 100


class Model:
    """One model of one provider. ``context_window`` (tokens) overrides what the provider says."""

    def __init__(self, provider: Provider, name: str, *, context_window: int | None = None) -> None:
        self.provider = provider
        self.name = name
        self.estimate = Estimate()
        self._context_window = context_window
        self._info: ModelInfo | None = None
        self._prompt: Prompt | None = None
        self._counted: dict[str, int] = {}
        self._refused: set[str] = set()

    def __str__(self) -> str:
        return f"{self.provider.name}:{self.name}" if self.name else self.provider.name

    @property
    def refused_tools(self) -> Collection[str]:
        """The names of the tools that the service has refused."""
        return self._refused

    def learn_refused(self, tool: str) -> None:
        """Takes the name of a tool that the service refuses."""
        self._refused.add(tool)

    async def prepare(self) -> ModelInfo:
        """Connects to the provider and learns the facts about the model, once. Raises ProviderError or ConfigError."""
        if self._info is None:
            self._info = await _prepared(self.provider, self.name)
        return self._info

    def look_again(self) -> None:
        """Makes the next ``prepare`` ask the provider again if the context window is unknown: a server may have been away."""
        if self._info is not None and self._info.context_window is None:
            self._info = None

    @property
    def card(self) -> ModelCard:
        """The known facts of the model."""
        return self._info.card if self._info else ModelCard()

    async def system_prompt(self, text: str | None) -> Prompt:
        """Gives the system prompt with its size in tokens; ``text`` None takes the model's own default prompt."""
        info = await self.prepare()
        chosen = info.system if text is None else text
        # Counted once: a size that follows the estimate would move the room for the window, and with it the cut.
        if self._prompt is None or self._prompt.text != chosen:
            message = text_message("system", chosen) if chosen else Message("system", ())
            self._prompt = Prompt(chosen, (await self.size(message)).tokens)
        return self._prompt

    async def counter(self) -> str:
        """Gives the name of the exact tokenizer of this model; empty if there is none."""
        info = await self.prepare()
        return str(self) if info.count is not None else ""

    async def size(self, message: Message) -> Size:
        """Gives the size of a message, in tokens: exact if the provider has a tokenizer, else by the learned estimate."""
        info = await self.prepare()
        if info.count is not None:
            try:
                return Size(await info.count(message), str(self))
            except Exception:  # noqa: BLE001, S110 -- an error of a tokenizer must not lose an answer
                pass
        return Size(self.estimate.count(message))

    async def text_tokens(self, text: str) -> int:
        """Gives the size of a text, in tokens. Keeps the counts of the last 32 texts."""
        if text not in self._counted:
            while len(self._counted) >= _KEPT_COUNTS:
                del self._counted[next(iter(self._counted))]
            self._counted[text] = (await self.text_size(text)).tokens
        return self._counted[text]

    async def schema_tokens(self, tools: Sequence[Tool], instruction: str = "") -> int:
        """Estimates the tokens that tools and the ``instruction`` for a schema take in a prompt."""
        text = f"{schemas_text(tools)}{instruction}"
        return await self.text_tokens(text) if text else 0

    def forget_counts(self) -> None:
        """Drops the kept counts of texts."""
        self._counted.clear()

    async def text_size(self, text: str) -> Size:
        """Gives the size of a text, in tokens."""
        return await self.size(text_message("user", text))

    async def budget(self, max_tokens: int | None) -> Budget:
        """Gives the room for a prompt, in tokens, if the answer may have ``max_tokens``."""
        info = await self.prepare()
        window, longest = self._context_window or info.context_window, info.card.max_output
        budget = budget_for(window, max_tokens=max_tokens, exact=info.count is not None, longest=longest)
        return replace(budget, error=self.estimate.error if self.estimate.samples else None)

    def request(
        self,
        messages: Sequence[Message],
        options: Options,
        purpose: Purpose = "answer",
        *,
        stable: int | None = None,
        room: int | None = None,
    ) -> Request:
        """Builds a request (``stable`` and ``room`` as in Request), without temperature or images if the model takes none."""
        card = self.card
        if card.sampling is False:
            options = replace(options, temperature=None)
        if card.images is False:
            messages = [described(message) for message in messages]
        return Request(self.name, tuple(messages), options, purpose, stable, room)

    async def cost(self, usage: Usage) -> float | None:
        """Gives the cost of a usage, in dollars; None if the price is not known."""
        return (await self.prepare()).card.cost(usage)

    async def priced(self, usage: Usage | None) -> Usage | None:
        """Gives the usage with its cost, from the provider's report or from the model's prices."""
        if usage is None:
            return None
        own = await self.cost(usage)
        # A service that states next to nothing for a model with a price has left something out: a limit must hold.
        is_stated = usage.cost is not None and (own is None or usage.cost >= own / _LEAST_STATED)
        return usage if is_stated else replace(usage, cost=own)

    def calibrate(self, estimate: Estimate) -> None:
        """Sets an estimate that was learned earlier."""
        self.estimate = estimate

    def learn(self, sent: Measure, usage: Usage) -> None:
        """Corrects the estimate by the input tokens that a complete answer reported."""
        self.estimate = self.estimate.learned(sent, usage.input_tokens)

    def learn_window(self, error: PromptTooLong) -> None:
        """Takes the context window from an error that names it."""
        if error.context_window:
            self._context_window = error.context_window


async def _prepared(provider: Provider, model: str) -> ModelInfo:
    """Asks a provider for the facts. Raises ProviderError and ConfigError, also for errors of the provider's own."""
    name = str(getattr(provider, "name", "") or type(provider).__name__)
    try:
        info: object = await provider.prepare(model)
    except (AnaphoraError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if is_cancelled():
            raise
        raise ProviderError(f"{name}: the provider raised {error_text(error)}", provider=name) from error
    if not isinstance(info, ModelInfo):
        raise ProviderError(f"{name}: prepare must give ModelInfo(…), not {type(info).__name__}.", provider=name)
    return info
