"""An agent is the same turn with tools: it makes a plan, searches past conversations and documents, and reports.

usage: python examples/research_helper.py [MODEL] [FOLDER]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from anaphora import Chatbot
from anaphora.tools import file_tools, search_past
from anaphora.values.events import TextDelta, ToolEnded, ToolStarted

model = sys.argv[1] if len(sys.argv) > 1 else None
folder = sys.argv[2] if len(sys.argv) > 2 else str(Path(__file__).parent.parent / "docs" / "reference")
SYSTEM = "You research questions. First call plan with the steps, then do them with the other tools, then answer with sources."


@dataclass
class Plan:
    """The steps, and how far they are."""

    steps: list[str] = field(default_factory=list)

    def plan(self, steps: list[str]) -> str:
        """Write down what will be done, step by step. Call it first, and again when the plan changes."""
        self.steps = steps
        return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


with Chatbot(model, owner="me", system=SYSTEM, tools=[Plan().plan, search_past, *file_tools(folder)], max_steps=12) as helper:
    # Something to find among past conversations.
    helper.conversation("last week").say("We decided that a conversation may cost ten cents.")
    for event in helper.stream("What did we decide about costs, and how is that set?").events:
        match event:
            case TextDelta(text):
                print(text, end="", flush=True)
            case ToolStarted(call):
                print(f"\n[{call.name} {call.arguments}]")
            case ToolEnded(result):
                print(f"  {result.text[:100]}")
            case _:
                pass
    print()
