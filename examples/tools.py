"""Functions that a model may call: with hints and a docstring that is all. What acts in the world is asked about first.

usage: python examples/tools.py [MODEL]
"""

from __future__ import annotations

import sys
from datetime import date
from typing import Literal

from anaphora import Chatbot
from anaphora.tools import calculate, now, tool
from anaphora.values.message import ToolCall

TABLES = {date(2026, 12, 24): 0, date(2026, 12, 27): 3}


def free_tables(day: date, meal: Literal["lunch", "dinner"] = "dinner") -> str:
    """How many tables are free.

    Args:
        day: on which day
    """
    return f"{TABLES.get(day, 5)} tables are free for {meal} on {day:%A, %d %B %Y}"


@tool(acting=True)
def book(day: date, guests: int) -> str:
    """Book a table."""
    TABLES[day] = TABLES.get(day, 5) - 1
    return f"booked for {guests} on {day}"


def confirm(call: ToolCall) -> bool:
    """Here a person would be asked."""
    print(f"  (allowed: {call.name} {call.arguments})")
    return True


with Chatbot(sys.argv[1] if len(sys.argv) > 1 else None, tools=[free_tables, book, calculate, now], confirm=confirm) as bot:
    answer = bot.say("Book a table for two on 27 December 2026, if one is free.")
    for step in answer.steps:
        for result in step.tool_results:
            print(f"  {result.name}: {result.text}")
    print(answer)
