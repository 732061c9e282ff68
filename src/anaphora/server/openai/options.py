"""The options of an answer in a request, for any provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anaphora.errors import ConfigError
from anaphora.server.error_bodies import ApiError
from anaphora.server.openai.fields import field, tool_choice_of, wrong
from anaphora.values.message import Options
from anaphora.values.options import AnswerOptions, chosen_options

# The fields that services with OpenAI's dialect take as they are.
_PASSED = ("top_p", "frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls", "reasoning_effort", "verbosity")
# Anthropic has this one under the same name.
_BOTH = ("top_p",)


def options_of(body: Mapping[str, Any], longest: str) -> Options:
    """Gives the options; ``longest`` is the field with the most tokens of an answer. Raises ApiError."""
    stop = field(body, "stop", (str, list), "a text or a list of texts")
    given: AnswerOptions = {
        "temperature": field(body, "temperature", (int, float), "a number from 0 to 2"),
        "max_tokens": field(body, longest, int, "a whole number from 1"),
        "seed": field(body, "seed", int, "a whole number"),
        "stop": stop,
        "tool_choice": tool_choice_of(body),
    }
    try:
        return chosen_options(Options(), given)
    except ConfigError as error:
        name = str(error).partition(" ")[0]
        raise ApiError(str(error).replace("max_tokens", longest), param=longest if name == "max_tokens" else name) from None


def extra_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the fields that go to services of OpenAI's dialect as they are. Raises ApiError."""
    extra = {name: body[name] for name in _PASSED if body.get(name) is not None}
    reasoning = field(body, "reasoning", dict, "an object")
    if reasoning and reasoning.get("effort"):
        extra["reasoning_effort"] = reasoning["effort"]
    top_p = extra.get("top_p")
    if top_p is not None and (isinstance(top_p, bool) or not isinstance(top_p, int | float) or not 0 <= top_p <= 1):
        raise wrong("top_p", f"must be a number from 0 to 1, not {top_p!r}.")
    return extra


def fitting_extra(extra: Mapping[str, Any], dialects: Sequence[str]) -> dict[str, Any]:
    """Gives those of the fields that services of these dialects take."""
    if all(dialect == "openai" for dialect in dialects):
        return dict(extra)
    is_known = all(dialect in {"openai", "anthropic"} for dialect in dialects)
    return {name: value for name, value in extra.items() if is_known and name in _BOTH}
