"""What every part of a memory has: a share of the budget, and perhaps a model of its own."""

from __future__ import annotations

from anaphora.errors import ConfigError


def check_part(part: object, share: object, model: object = None) -> None:
    """Raises ConfigError for a share or a model's name that cannot be."""
    check_number(part, "share", share, 0.001, 0.5)
    if model is not None and not isinstance(model, str):
        raise ConfigError(f"{part!r}: model must be a text like 'openai:gpt-5.4-mini'.")


def check_number(part: object, name: str, value: object, least: float, most: float) -> None:
    """Raises ConfigError for what is no number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConfigError(f"{part!r}: {name} must be a number from {least:g} to {most:g}.")
