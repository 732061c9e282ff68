"""Real signatures for functions that take ``**options``: ``help``, ``inspect`` and Jupyter's ``?`` show every option.

The docstring of a TypedDict holds one line ``name: text`` for each option, further lines of it indented.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, ForwardRef, TypeVar

from anaphora.errors import ConfigError
from anaphora.values.options import AnswerOptions

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTION = re.compile(r"^(\w+): ", re.MULTILINE)
# Names from other libraries.
_FOREIGN = {
    "api_base": "base_url",
    "completions": "candidates",
    "context_length": "context_window",
    "history": "messages",
    "instructions": "system",
    "into": "output_type",
    "key_api": "api_key",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "max_retries": "retries",
    "num_ctx": "context_window",
    "prompt": "system",
    "response_format": "output_type",
    "response_model": "output_type",
    "session": "conversation",
    "stop_sequences": "stop",
    "system_message": "system",
    "system_prompt": "system",
    "timeout": "deadlines",
    "user": "owner",
}


def option_docs(options: type) -> dict[str, str]:
    """Gives the text of each option of a TypedDict, those of every answer first."""
    # A TypedDict does not know its bases.
    found: dict[str, str] = {}
    for known in (AnswerOptions, options):
        parts = _OPTION.split(inspect.cleandoc(known.__doc__ or ""))
        found |= {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    return found


def shows_options(options: type) -> Callable[[Function], Function]:
    """Makes a function with ``**options`` show each of them in its signature and its docstring."""

    def decorated(function: Function) -> Function:
        signature = inspect.signature(function)
        known = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(hint))
            for name, hint in options.__annotations__.items()
            if name not in signature.parameters
        ]
        function.__signature__ = signature.replace(parameters=[*known, *more])  # type: ignore[attr-defined]
        lines = [f"    {name}: {text}" for name, text in option_docs(options).items()]
        function.__doc__ = "\n".join([inspect.cleandoc(function.__doc__ or ""), "", "Options:", *lines]).strip()
        return function

    return decorated


def check_options(given: object, options: type) -> None:
    """Raises ConfigError for an option that does not exist, naming the right one."""
    known = options.__annotations__
    unknown = sorted(set(given) - set(known)) if isinstance(given, dict) else []
    if not unknown:
        return
    name = unknown[0]
    near = _FOREIGN.get(name.lower(), "")
    if near not in known:
        near = next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), "")
    hint = f"Did you mean {near}?" if near else f"Use {', '.join(sorted(known))}."
    raise ConfigError(f"unknown option {', '.join(unknown)}. {hint}")


def _annotation(hint: Any) -> Any:
    return hint.__forward_arg__ if isinstance(hint, ForwardRef) else hint
