"""The built-in tools, by name; all of them only read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anaphora.errors import ConfigError
from anaphora.tools.base import Tool
from anaphora.tools.calculator import calculate
from anaphora.tools.clock import now
from anaphora.tools.files import file_tools
from anaphora.tools.functions import tool
from anaphora.tools.past import search_past
from anaphora.tools.score import score
from anaphora.tools.stock import stock

_BUILT_IN = {one.__name__: one for one in (now, calculate, search_past, score, stock)}
_FILES = "files:"
NAMES = (*_BUILT_IN, "files:FOLDER")


def _named(name: str) -> Tool:
    if name not in _BUILT_IN:
        raise ConfigError(f"there is no tool {name!r}. There are: {', '.join(NAMES)}.")
    return tool(_BUILT_IN[name])


def chosen_tools(tools: Iterable[Any]) -> tuple[Tool, ...]:
    """Turns functions and names of built-in tools into tools with distinct names. ``files:~/notes`` gives two tools for a folder.

    Raises ConfigError.
    """
    if isinstance(tools, str) or not isinstance(tools, Iterable):
        raise ConfigError(f"tools must be a list of functions and names, not {tools!r}.")
    chosen = list(tools)
    folders = [one.partition(":")[2] for one in chosen if isinstance(one, str) and one.startswith(_FILES)]
    # All folders share one pair of tools.
    others = [one for one in chosen if not (isinstance(one, str) and one.startswith(_FILES))]
    found: dict[str, Tool] = {one.name: one for one in (file_tools(*folders) if folders else ())}
    for one in others:
        made = _named(one) if isinstance(one, str) else one if isinstance(one, Tool) else _of_function(one)
        if made.name in found:
            raise ConfigError(f"there are two tools of the name {made.name!r}: give one another name, with tool(name=…).")
        found[made.name] = made
    return tuple(found.values())


def _of_function(what: Any) -> Tool:
    if not callable(what):
        raise ConfigError(f"a tool is a function, a Tool or the name of one, not {what!r}.")
    return tool(what)
