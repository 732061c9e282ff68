"""Tools: functions that a model may call."""

from anaphora.tool import Caller, Tool, ToolFailed
from anaphora.tools.calculator import calculate
from anaphora.tools.clock import now
from anaphora.tools.files import file_tools
from anaphora.tools.functions import tool
from anaphora.tools.past import search_past

__all__ = ["Caller", "Tool", "ToolFailed", "calculate", "file_tools", "now", "search_past", "tool"]
