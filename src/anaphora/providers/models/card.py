"""A model's card: its window and limits, its abilities, its prices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

from anaphora.errors import ConfigError
from anaphora.values.message import Message, Usage

_MILLION = 1_000_000


# Models with fewer parameters see only those passages of the past that answer the question (bench/memory_helps.py).
TINY = 1_000_000_000
_SIZE = re.compile(r"(?:^|[-_:/ x])(\d+(?:\.\d+)?)([bBmM])(?![a-zA-Z\d])")


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in dollars for a million tokens. A price of None falls back to the price of ``input`` or ``output``."""

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    thinking: float | None = None

    def cost(self, usage: Usage) -> float:
        """Gives the cost of a usage, in dollars."""
        plain = max(usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, 0)
        spoken = max(usage.output_tokens - usage.thinking_tokens, 0)
        parts = (
            (plain, self.input),
            (usage.cached_tokens, self.input if self.cached is None else self.cached),
            (usage.cache_write_tokens, self.input if self.cache_write is None else self.cache_write),
            (spoken, self.output),
            (usage.thinking_tokens, self.output if self.thinking is None else self.thinking),
        )
        return sum(tokens * price for tokens, price in parts) / _MILLION


@dataclass(frozen=True, slots=True)
class Tier:
    """The prices of a call whose prompt has more than ``above`` tokens."""

    above: int
    prices: Prices


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The facts about a model; None always means unknown. ``context_window`` and ``max_output`` are in tokens.

    ``parameters``: the number of its parameters. ``sampling``: it takes a temperature. ``retires``: the day on which its provider
    withdraws it, as YYYY-MM-DD.
    """

    context_window: int | None = None
    max_output: int | None = None
    prices: Prices | None = None
    tiers: tuple[Tier, ...] = ()
    sampling: bool | None = None
    images: bool | None = None
    tools: bool | None = None
    json_schema: bool | None = None
    thinking: bool | None = None
    retires: str = ""
    parameters: int | None = None

    @property
    def is_tiny(self) -> bool:
        """True if added text misleads the model more often than it helps. A model of unknown size counts as large."""
        return self.parameters is not None and self.parameters < TINY

    def cost(self, usage: Usage) -> float | None:
        """Gives the cost of a call in dollars, by the tier of its prompt; None if no price is known."""
        prices = self._prices_for(usage.input_tokens)
        return None if prices is None else prices.cost(usage)

    def most(self, sent: int, answer: int) -> float | None:
        """Gives the highest cost of a call with these tokens in dollars, with or without a cache; None if no price is known."""
        prices = self._prices_for(sent)
        if prices is None:
            return None
        dearest = max(prices.input, prices.cache_write or 0.0), max(prices.output, prices.thinking or 0.0)
        return (sent * dearest[0] + answer * dearest[1]) / _MILLION

    def _prices_for(self, sent: int) -> Prices | None:
        prices = self.prices
        for tier in self.tiers:
            if sent > tier.above:
                prices = tier.prices
        return prices

    def under(self, own: ModelCard) -> ModelCard:
        """Gives this card, with the known values of ``own`` instead of its own."""
        empty = ModelCard()
        said = {name: getattr(own, name) for name in _NAMES if getattr(own, name) != getattr(empty, name)}
        if "prices" in said:
            said.setdefault("tiers", ())
        return replace(self, **said)


def parameters_in(name: str) -> int | None:
    """Reads the number of parameters from a model's name, such as ``llama3.2:1b`` or ``SmolLM2-135M``; None if it has none."""
    found = _SIZE.search(name)
    return None if found is None else int(float(found[1]) * (10**9 if found[2] in "bB" else 10**6))


FREE = ModelCard(prices=Prices(0.0, 0.0))
_NAMES = tuple(one.name for one in fields(ModelCard))
_PRICES = tuple(one.name for one in fields(Prices))
_NUMBERS = ("context_window", "max_output", "parameters")
_FLAGS = ("sampling", "images", "tools", "json_schema", "thinking")
CARD_KEYS = (*_NUMBERS, *_PRICES[:4], "thinking_price", "tiers", *_FLAGS, "retires")


def card_from_json(value: Mapping[str, Any]) -> ModelCard:
    """Reads a card in the flat form of the catalog and the settings, with prices in dollars for a million tokens.

    Raises ValueError with the reason.
    """
    unknown = sorted(set(value) - set(CARD_KEYS))
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r}; there are {', '.join(CARD_KEYS)}")
    for name in _NUMBERS:
        if name in value and (type(value[name]) is not int or value[name] < 1):
            raise ValueError(f"{name} must be a whole number{' of tokens' * (name != 'parameters')} from 1, not {value[name]!r}")
    for name in _FLAGS:
        if name in value and type(value[name]) is not bool:
            raise ValueError(f"{name} must be true or false, not {value[name]!r}")
    tiers = value.get("tiers", ())
    if not all(isinstance(tier, Mapping) and type(tier.get("above")) is int for tier in tiers):
        raise ValueError("every tier must say above how many tokens it is")
    found = (Tier(tier["above"], prices) for tier in tiers if (prices := _prices(tier)))
    return ModelCard(
        **{name: value[name] for name in (*_NUMBERS, *_FLAGS) if name in value},
        prices=_prices(value),
        tiers=tuple(sorted(found, key=lambda tier: tier.above)),
        retires=str(value.get("retires", "")),
    )


def own_cards(models: Mapping[Any, Any]) -> dict[str, ModelCard]:
    """Reads the user's own cards, by full name. Raises ConfigError."""
    cards: dict[str, ModelCard] = {}
    for name, value in models.items():
        if not isinstance(name, str) or ":" not in name or not isinstance(value, Mapping):
            raise ConfigError(f"models: write provider:model and what is known of it, not {name!r}: {value!r}.")
        try:
            cards[name] = card_from_json(value)
        except ValueError as error:
            raise ConfigError(f"the model {name!r}: {error}.") from error
    return cards


def _prices(value: Mapping[str, Any]) -> Prices | None:
    given = {name: value[name] for name in ("input", "output", "cached", "cache_write") if name in value}
    if "thinking_price" in value:
        given["thinking"] = value["thinking_price"]
    for name, price in given.items():
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < float("inf"):
            raise ValueError(f"{name} must be a price in dollars for a million tokens, not {price!r}")
    if not given:
        return None
    if not {"input", "output"} <= set(given):
        raise ValueError("a price needs both input and output")
    return Prices(**given)


class Counter(Protocol):
    """An exact counter of tokens, with the model's own tokenizer."""

    async def __call__(self, message: Message, /) -> int:
        """Counts the tokens of a message in a prompt, its role and marks included."""
        ...
