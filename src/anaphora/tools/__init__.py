"""Tools: functions that a model may call. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anaphora.tools.base import Caller as Caller
    from anaphora.tools.base import Tool as Tool
    from anaphora.tools.base import ToolFailed as ToolFailed
    from anaphora.tools.calculator import calculate as calculate
    from anaphora.tools.clock import now as now
    from anaphora.tools.files import file_tools as file_tools
    from anaphora.tools.functions import tool as tool
    from anaphora.tools.past import search_past as search_past

_HOMES = {
    "Caller": "anaphora.tools.base",
    "Tool": "anaphora.tools.base",
    "ToolFailed": "anaphora.tools.base",
    "calculate": "anaphora.tools.calculator",
    "file_tools": "anaphora.tools.files",
    "now": "anaphora.tools.clock",
    "search_past": "anaphora.tools.past",
    "tool": "anaphora.tools.functions",
}
__all__ = ["Caller", "Tool", "ToolFailed", "calculate", "file_tools", "now", "search_past", "tool"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'anaphora.tools' has no attribute {name!r}")
