"""Asks for budget, dates and interests before it suggests anything; then gives the plan as a value.

usage: python examples/travel_planner.py [MODEL]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from anaphora import Chatbot
from anaphora.errors import InvalidAnswer


@dataclass
class Plan:
    """A journey."""

    place: str
    days: int
    euros: float


with Chatbot(sys.argv[1] if len(sys.argv) > 1 else None, persona="travel-planner", max_tokens=150) as planner:
    for text in ("I want to go away.", "800 euros.", "A week in May.", "Old towns and the sea."):
        print(f"You: {text}\nPlanner: {planner.say(text)}\n")
    try:
        plan = planner.say("Give me the plan that you like best.", output_type=Plan).value
        print(f"{plan.place}: {plan.days} days, {plan.euros:.0f} euros")
    except InvalidAnswer as error:
        print(f"No plan: {error.reason}")
