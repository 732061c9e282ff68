"""The catalog of models: the windows, limits, abilities and prices that their providers publish.

``scripts/make_catalog.py`` makes ``models.jsonl``: a line about its origin, then one line for each model. A look-up parses
only the line of its model.
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
    """Gives the card of ``provider:model``; the user's ``own`` cards override the catalog."""
    name = f"{provider}:{model}"
    published = _line(name)
    card = ModelCard() if published is None else _read(published)
    return card.under(own[name]) if own and name in own else card


def known_models() -> Iterator[tuple[str, ModelCard]]:
    """Yields every ``provider:model`` of the catalog with its card, in the order of names."""
    for line in _catalog().splitlines()[1:]:
        value = json.loads(line)
        yield value.pop("model"), _read(value)


def origin() -> Origin:
    """Gives the origin of the catalog."""
    first = json.loads(_catalog().partition(b"\n")[0])
    return Origin(first["date"], tuple(first["sources"]))


def _read(value: Mapping[str, Any]) -> ModelCard:
    """Reads a published card. A card that lists abilities without images means that the model takes no images."""
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
