"""The calls of models with their tokens and cost, those in the background too. They hold no words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from anaphora.values.message import Usage

Purpose = Literal["answer", "title", "summary", "facts"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model (``provider:model``) for a conversation. ``created`` in seconds since 1970.

    ``estimated``: the answer was cut before its usage came, so the tokens are our own count.
    """

    conversation: str
    model: str
    purpose: Purpose
    created: float
    usage: Usage
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """All calls of one day (YYYY-MM-DD, by the clock of this machine) of one model for one purpose.

    ``usage.cost`` is of those whose price is known; ``unpriced`` are the others.
    """

    day: str
    model: str
    purpose: Purpose
    calls: int
    unpriced: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Total:
    """Calls taken together."""

    calls: int = 0
    unpriced: int = 0
    usage: Usage = field(default_factory=lambda: Usage(cost=0.0))

    @property
    def known_usage(self) -> Usage:
        """The usage, with a cost of None if the price of any call is not known."""
        return replace(self.usage, cost=self.cost)

    @property
    def cost(self) -> float | None:
        """The dollars for all of them; None if the price of any is not known."""
        return None if self.unpriced else self.usage.cost

    def __add__(self, other: Spent) -> Total:
        return Total(self.calls + other.calls, self.unpriced + other.unpriced, self.usage + other.usage)


def taken_together(calls: Iterable[Call]) -> list[Spent]:
    """Calls by day, model and purpose, in that order."""
    found: dict[tuple[str, str, Purpose], Spent] = {}
    for call in calls:
        day = datetime.fromtimestamp(call.created).astimezone().date().isoformat()
        key = (day, call.model, call.purpose)
        before = found.get(key, Spent(*key, 0, 0, Usage(cost=0.0)))
        usage = before.usage + replace(call.usage, cost=call.usage.cost or 0.0)
        found[key] = Spent(*key, before.calls + 1, before.unpriced + (call.usage.cost is None), usage)
    return [found[key] for key in sorted(found)]


def totals(spent: Iterable[Spent], by: Literal["day", "model", "purpose"]) -> dict[str, Total]:
    """Gives the sums for each day, model or purpose, in the order of their names."""
    found: dict[str, Total] = defaultdict(Total)
    for one in spent:
        found[getattr(one, by)] += one
    return dict(sorted(found.items()))


def total(spent: Iterable[Spent]) -> Total:
    """Gives the sum of everything."""
    whole = Total()
    for one in spent:
        whole += one
    return whole
