"""Python functions as tools: the type hints become the schema, the docstring becomes the description."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints, overload

from anaphora.concurrency import run_in_thread
from anaphora.errors import ConfigError
from anaphora.schema.hints import Field, object_schema
from anaphora.schema.values import NotOfType, converted_fields
from anaphora.tools.base import BadCall, Caller, Tool
from anaphora.values.codec import Json

# The names that all providers accept.
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
Function = Callable[..., Any]


@overload
def tool(function: Function, /) -> Tool: ...
@overload
def tool(
    *, name: str | None = None, acting: bool = False, seconds: float = 60.0, most: int = 20_000
) -> Callable[[Function], Tool]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    acting: bool = False,
    seconds: float = 60.0,
    most: int = 20_000,
) -> Tool | Callable[[Function], Tool]:
    """Turns a function into a tool; also a decorator, with or without options (see Tool for ``acting``, ``seconds``, ``most``).

    A synchronous function runs in a worker thread, so it must work in any thread. Raises ConfigError for a parameter that JSON
    cannot express.
    """
    if function is None:
        return partial(_made, name=name, acting=acting, seconds=seconds, most=most)
    return _made(function, name=name, acting=acting, seconds=seconds, most=most)


def _made(function: Function, *, name: str | None, acting: bool, seconds: float, most: int) -> Tool:
    called: str = name or getattr(function, "__name__", "") or type(function).__name__
    if not _NAME.fullmatch(called):
        raise ConfigError(f"{called!r} is no name for a tool: up to 64 letters, digits, _ and -. Give one with tool(name=…).")
    fields, caller = _fields(function, called)
    description, texts = _documented(function)
    return Tool(
        called,
        description,
        object_schema(fields, texts),
        partial(_run, function, fields, caller),
        acting=acting,
        seconds=seconds,
        most=most,
        takes_caller=bool(caller),
    )


def _fields(function: Function, name: str) -> tuple[list[Field], str]:
    """Gives the parameters, and the name of the one that takes the Caller.

    Raises ConfigError for a parameter that cannot be given by name or has no readable hint.
    """
    try:
        hints = get_type_hints(function if inspect.isroutine(function) else type(function).__call__, include_extras=True)
        signature = inspect.signature(function)
    except (NameError, TypeError, ValueError) as error:
        raise ConfigError(f"the tool {name}: its type hints cannot be read: {error}.") from error
    fields: list[Field] = []
    caller = ""
    for parameter in signature.parameters.values():
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            raise ConfigError(f"the tool {name}: {parameter} cannot be given by name, as a model gives it.")
        if parameter.name not in hints:
            raise ConfigError(f"the tool {name}: {parameter.name} has no type hint, so no model knows what to give.")
        if hints[parameter.name] is Caller:
            caller = parameter.name
        else:
            fields.append(Field(parameter.name, hints[parameter.name], parameter.default is parameter.empty))
    return fields, caller


def _documented(function: Function) -> tuple[str, dict[str, str]]:
    """Reads a docstring in any usual style: the description, and that of each parameter."""
    text = inspect.getdoc(function)
    if not text:
        return "", {}
    import docstring_parser

    parsed = docstring_parser.parse(text)
    whole = "\n\n".join(filter(None, (parsed.short_description, parsed.long_description)))
    return whole, {one.arg_name: " ".join((one.description or "").split()) for one in parsed.params}


async def _run(function: Function, fields: list[Field], takes_caller: str, arguments: Json, caller: Caller) -> str:
    """Calls the function with the model's arguments. Raises BadCall if they are wrong, and the function's own errors."""
    try:
        values = converted_fields(fields, arguments)
    except NotOfType as error:
        raise BadCall(f"the arguments are wrong: {error}") from None
    if takes_caller:
        values[takes_caller] = caller
    call = partial(function, **values)
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004 -- of an object
        return result_text(await call())
    result = await run_in_thread(call, abandon=True)
    return result_text(await result if inspect.isawaitable(result) else result)


def result_text(result: Any) -> str:
    """Gives a result as text for the model: a text as it is, any other value as JSON."""
    if result is None:
        return "(done)"
    if isinstance(result, str):
        return result
    return json.dumps(_plain(result), ensure_ascii=False, default=str)


def json_value(result: Any) -> Any:
    """Converts a result to a JSON value."""
    return json.loads(json.dumps(_plain(result), default=str))


def _plain(result: Any) -> Any:
    if hasattr(result, "model_dump") and not isinstance(result, type):
        return result.model_dump(mode="json")
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return {one.name: _plain(getattr(result, one.name)) for one in dataclasses.fields(result)}
    if isinstance(result, dict):
        return {str(key): _plain(value) for key, value in result.items()}
    if isinstance(result, list | tuple | set | frozenset):
        return [_plain(one) for one in result]
    return result
