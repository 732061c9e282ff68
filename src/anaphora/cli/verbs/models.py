"""``anaphora models``: what the catalog knows, and what a provider says it has."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from anaphora.cli.exit import FAILED, OK
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.sanitize import sanitized
from anaphora.cli.verbs.local_models import local_models, remove_local
from anaphora.errors import ConfigError
from anaphora.providers.base import ModelRef, ProviderOptions
from anaphora.providers.http.service import open_provider
from anaphora.providers.models.card import ModelCard, own_cards
from anaphora.providers.models.catalog import known_card, known_models, origin
from anaphora.providers.models.vendors import VENDORS
from anaphora.settings import Settings
from anaphora.sync.portal import portal

_ABILITIES = ("thinking", "tools", "images")


def models(settings: Settings, arguments: argparse.Namespace) -> int:
    """Print the models whose names have all the words; gives the exit code. Raises ConfigError and ProviderError."""
    match arguments.words:
        case ["local"]:
            return local_models()
        case ["rm", *names]:
            return remove_local(names)
    own = own_cards(settings.models)
    found = _asked(arguments.ask, settings, own) if arguments.ask else _known(own)
    words = [word.lower() for word in arguments.words]
    matching = {name: card for name, card in found.items() if all(word in name.lower() for word in words)}
    if arguments.json:
        print(json.dumps([{"model": name, **asdict(card)} for name, card in matching.items()]))
        return OK
    for line in model_lines(matching):
        print(line)
    if not matching:
        notice("No model has such a name. anaphora models --ask PROVIDER asks the provider itself.")
        return FAILED
    made = origin()
    if not arguments.ask:
        notice(f"As of {made.date}, from {' and '.join(made.sources)}. Prices are in dollars for a million tokens.")
    return OK


def _known(own: Mapping[str, ModelCard]) -> dict[str, ModelCard]:
    cards = dict(known_models())
    cards.update({name: cards.get(name, ModelCard()).under(card) for name, card in own.items()})
    return dict(sorted(cards.items()))


def _asked(provider: str, settings: Settings, own: Mapping[str, ModelCard]) -> dict[str, ModelCard]:
    """Gives the models that a provider offers today, with their cards."""
    if provider not in VENDORS:
        raise ConfigError(f"there is no provider {provider!r} to ask: {', '.join(VENDORS)}.")
    service = open_provider(ModelRef(provider), ProviderOptions(base_url=settings.base_url))

    async def ask() -> Mapping[str, int | None]:
        try:
            return await service.models()
        finally:
            await service.aclose()

    offered = portal.call(ask)
    said = {name: ModelCard(context_window=window) for name, window in offered.items()}
    return {f"{provider}:{name}": known_card(provider, name, own).under(card) for name, card in sorted(said.items())}


def model_lines(cards: Mapping[str, ModelCard]) -> Iterable[str]:
    """A line for each: name, window, prices, and what it can."""
    rows = [(sanitized(name), _window(card), _prices(card), _abilities(card)) for name, card in cards.items()]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for name, window, prices, abilities in rows:
        yield f"{name:{widths[0]}}  {window:>{widths[1]}}  {prices:>{widths[2]}}  {abilities}".rstrip()


def _window(card: ModelCard) -> str:
    return f"{card.context_window:,} tokens" if card.context_window else "window unknown"


def _prices(card: ModelCard) -> str:
    if card.prices is None:
        return "price unknown"
    return f"${card.prices.input:g} in, ${card.prices.output:g} out"


def _abilities(card: ModelCard) -> str:
    can = [name for name in _ABILITIES if getattr(card, name)]
    return ", ".join([*can, *([f"until {card.retires}"] if card.retires else [])])
