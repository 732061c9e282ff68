"""The options of an answer, checked before anything is sent."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from anaphora.errors import ConfigError
from anaphora.values.message import Options


class AnswerOptions(TypedDict, total=False):
    """Options of a bot's answers. An option that is not set is not sent.

    temperature: The randomness of the words, from 0 to 2.
    max_tokens: The longest answer, in tokens.
    seed: A number with which the provider repeats an answer, where it can.
    stop: A text, or several, that ends the answer.
    tool_choice: "auto" lets the model choose, "none" forbids tools, "required" or the name of a tool demands a call.
    extra: A dict that is merged into the body of the request as it is.
    """

    temperature: float | None
    max_tokens: int | None
    seed: int | None
    stop: str | Sequence[str] | None
    tool_choice: str | None
    extra: dict[str, Any] | None


def chosen_options(base: Options, options: AnswerOptions) -> Options:
    """The bot's options with one answer's own over them. Raises ConfigError."""
    unknown = set(options) - set(AnswerOptions.__annotations__)
    if unknown:
        raise ConfigError(f"unknown option {', '.join(sorted(unknown))}: use {', '.join(AnswerOptions.__annotations__)}.")
    changes: dict[str, Any] = dict(options)
    if "stop" in changes:
        stop = changes["stop"] or ()
        texts = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, Iterable) else (None,)
        if not all(isinstance(one, str) for one in texts):
            raise ConfigError(f"stop must be a text or several, not {stop!r}.")
        changes["stop"] = texts
    if "tool_choice" in changes:
        changes["tool_choice"] = changes["tool_choice"] or "auto"
    if "extra" in changes:
        changes["extra"] = {**base.extra, **(changes["extra"] or {})}
    result = replace(base, **changes)
    _check_number("max_tokens", result.max_tokens, int, at_least=1)
    _check_number("seed", result.seed, int)
    _check_number("temperature", result.temperature, float, at_least=0, at_most=2)
    try:
        json.dumps(result.extra)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"extra must hold what JSON can: {error}.") from error
    return result


def _check_number(name: str, value: Any, kind: type, *, at_least: float = -math.inf, at_most: float = math.inf) -> None:
    """Raises ConfigError for a value that no provider would take; None is not set."""
    if value is None:
        return
    fits = isinstance(value, int | kind) and not isinstance(value, bool)
    if not fits or not at_least <= value <= at_most:
        limits = f" from {at_least:g}" * (at_least > -math.inf) + f" to {at_most:g}" * (at_most < math.inf)
        raise ConfigError(f"{name} must be a {'whole ' * (kind is int)}number{limits}, not {value!r}.")
