"""From names to objects, by entry points; ours are entries like any other's.

``provider:model`` to a provider: group ``anaphora.providers``, functions ``(ModelRef, ProviderOptions) -> Provider``.
``scheme://…`` to a store: group ``anaphora.stores``, functions ``(url) -> Store``; anything else is the path of a SQLite file.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from anaphora.errors import ConfigError, UnknownModel
from anaphora.providers.base import ModelRef, Provider, ProviderOptions
from anaphora.providers.models.vendors import VENDORS

GROUP = "anaphora.providers"


def parse_model(text: str, *, base_url: str | None = None) -> ModelRef:
    """``provider:model`` or a provider alone, taken apart. With a base URL a bare model name is enough.

    Raises UnknownModel, naming what comes nearest.
    """
    provider, colon, model = text.partition(":")
    known = _entry_points()
    if provider in known:
        ref = ModelRef(provider, model)
        return _with_default_model(ref)
    if base_url is not None:
        return ModelRef("openai-compatible", text)
    if text.endswith(".gguf"):
        raise UnknownModel(f"{text!r} looks like a file: write local:{text}")
    near = get_close_matches(provider, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}{colon}{model}?" if near else f"Providers: {', '.join(sorted(known))}."
    if not colon:
        hint = f"Write provider:model, for example openai:{text}. {hint}"
    raise UnknownModel(f"there is no provider {provider!r}. {hint}")


def parse_models(text: str, *, base_url: str | None = None) -> list[ModelRef]:
    """Several models with commas between them, in the order in which they are to be asked. Raises UnknownModel."""
    # A comma may also be in a file's name. A word with a colon is a provider, if only a misspelled one.
    known = "|".join(map(re.escape, _entry_points()))
    return [parse_model(one.strip(), base_url=base_url) for one in re.split(rf",(?=\s*(?:(?:{known})\s*(?:,|$)|[\w-]+:))", text)]


def open_provider(ref: ModelRef, options: ProviderOptions) -> Provider:
    """The provider for a model. Raises ConfigError or ProviderError."""
    factory = _entry_points()[ref.provider].load()
    provider: Provider = factory(ref, options)
    return provider


def _with_default_model(ref: ModelRef) -> ModelRef:
    vendor = VENDORS.get(ref.provider)
    if ref.model or vendor is None:
        return ref
    if vendor.model:
        return ModelRef(ref.provider, vendor.model)
    raise ConfigError(f"{ref.provider} needs a model: write {ref.provider}:NAME.")


@cache
def _entry_points() -> dict[str, EntryPoint]:
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if "local" not in found:
        raise ConfigError("anaphora is not installed properly (its entry points are missing): install it with pip.")
    return found
