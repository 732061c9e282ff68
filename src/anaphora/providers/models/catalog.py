"""The catalog of models: what their providers publish of windows, limits, abilities and prices.

``models.jsonl`` is made by ``scripts/make_catalog.py``: a line on where it is from, then one line for each model. Only the
line that is asked for is parsed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from anaphora.providers.models.card import ModelCard, card_from_json

_FILE = "models.jsonl"


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of the catalog: its packages, and the day of their release (YYYY-MM-DD)."""

    date: str
    sources: tuple[str, ...]


def known_card(provider: str, model: str, own: Mapping[str, ModelCard] | None = None) -> ModelCard:
    """Gives the card of ``provider:model``; the user's ``own`` cards go first."""
    name = f"{provider}:{model}"
    published = _line(name)
    card = ModelCard() if published is None else _read(published)
    return card.under(own[name]) if own and name in own else card


def known_models() -> Iterator[tuple[str, ModelCard]]:
    """Everything in the catalog, as ``provider:model`` and its card, in the order of names."""
    for line in _catalog().splitlines()[1:]:
        value = json.loads(line)
        yield value.pop("model"), _read(value)


def origin() -> Origin:
    """Gives the origin of the catalog."""
    first = json.loads(_catalog().partition(b"\n")[0])
    return Origin(first["date"], tuple(first["sources"]))


def _read(value: Mapping[str, Any]) -> ModelCard:
    """A published card. Who is published with abilities, and not with eyes, has none."""
    card = card_from_json(value)
    return replace(card, images=False) if card.images is None and (card.tools or card.json_schema) else card


def _line(name: str) -> dict[str, Any] | None:
    data = _catalog()
    start = data.find(b'\n{"model":%s,' % json.dumps(name).encode())
    if start < 0:
        return None
    value: dict[str, Any] = json.loads(data[start : data.find(b"\n", start + 1)])
    del value["model"]
    return value


@cache
def _catalog() -> bytes:
    return (files("anaphora.providers.models") / _FILE).read_bytes()
