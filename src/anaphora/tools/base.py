"""A tool: what a model is told of it, and how it is run."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from anaphora.values.codec import Json
from anaphora.values.message import Message, ToolCall
from anaphora.values.transcript import Hit

Confirm = Callable[[ToolCall], bool | Awaitable[bool]]


class ToolFailed(Exception):
    """The failure of a tool; its text is told to the model as the result."""


class BadCall(ToolFailed):
    """A call that could not even be made: no such tool, or wrong arguments."""


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a tool is run: whose conversation, which, what was said in it so far, and a search in all that they ever said.

    A function with a parameter of this type is given it; the model does not see that parameter.
    """

    owner: str
    conversation: str
    messages: Sequence[Message] = ()
    search: Callable[[str], Awaitable[Sequence[Hit]]] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Tool:
    """``parameters`` is the JSON schema of the arguments; ``run`` takes them as an object and gives a text for the model.

    It raises ToolFailed with a sentence for the model. An ``acting`` one changes something in the world, and is run only after a
    yes. ``seconds`` is how long it may take, ``most`` how many characters of its result go to the model.
    """

    name: str
    description: str
    parameters: Json
    run: Callable[[Json, Caller], Awaitable[str]] = field(repr=False)
    acting: bool = False
    seconds: float = 60.0
    most: int = 20_000
    takes_caller: bool = False


def schemas_text(tools: Sequence[Tool]) -> str:
    """Gives the schemas of tools as a provider shows them to the model, as far as that is known."""
    return "".join(json.dumps([tool.name, tool.description, tool.parameters]) for tool in tools)
