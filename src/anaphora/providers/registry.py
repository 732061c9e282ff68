"""Opens the provider that ``provider:model`` names: one of ours, or one from an installed package.

Packages add providers by the entry-point group ``anaphora.providers``: functions ``(ModelRef, ProviderOptions) -> Provider``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from importlib import import_module

from anaphora.errors import ConfigError, UnknownModel
from anaphora.providers.base import ModelRef, Provider, ProviderOptions
from anaphora.providers.models.vendors import VENDORS

GROUP = "anaphora.providers"
_OURS = {
    "local": "anaphora.providers.local.provider:open_provider",
    "scripted": "anaphora.providers.scripted:open_provider",
    **dict.fromkeys(VENDORS, "anaphora.providers.http.service:open_provider"),
}


def parse_model(text: str, *, base_url: str | None = None) -> ModelRef:
    """Parses ``provider:model`` or a provider alone. With a base URL, a bare model name is enough.

    Raises UnknownModel with the nearest name, ConfigError for a provider without a default model.
    """
    provider, colon, model = text.partition(":")
    if provider in _OURS or provider in (known := _factories()):
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
    """Parses model names with commas between them, in the order in which they are tried. Raises UnknownModel or ConfigError."""
    # A file name may contain a comma, so only a comma before a provider separates. A word before a colon counts as a provider.
    if "," not in text:
        return [parse_model(text.strip(), base_url=base_url)]
    known = "|".join(map(re.escape, _factories()))
    return [parse_model(one.strip(), base_url=base_url) for one in re.split(rf",(?=\s*(?:(?:{known})\s*(?:,|$)|[\w-]+:))", text)]


def meant_provider(refs: Sequence[ModelRef]) -> str:
    """Gives the provider that an address, a key and a window are meant for: openai-compatible, else that of the first model."""
    return next((ref.provider for ref in refs if ref.provider == "openai-compatible"), refs[0].provider)


def open_provider(ref: ModelRef, options: ProviderOptions) -> Provider:
    """Opens the provider of a model. Raises ConfigError or ProviderError."""
    place = _OURS.get(ref.provider) or _factories()[ref.provider]
    module, _, name = place.partition(":")
    provider: Provider = getattr(import_module(module), name)(ref, options)
    return provider


def _with_default_model(ref: ModelRef) -> ModelRef:
    vendor = VENDORS.get(ref.provider)
    if ref.model or vendor is None:
        return ref
    if vendor.model:
        return ModelRef(ref.provider, vendor.model)
    raise ConfigError(f"{ref.provider} needs a model: write {ref.provider}:NAME.")


@cache
def _factories() -> dict[str, str]:
    """Gives the place of every provider's function; ours win. Cached, since reading the installed packages is slow."""
    from importlib.metadata import entry_points

    return {**{entry.name: entry.value for entry in entry_points(group=GROUP)}, **_OURS}
