"""Tools: their description for the model, and their function."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from anaphora.values.codec import Json
from anaphora.values.message import Message, ToolCall
from anaphora.values.transcript import Hit

Confirm = Callable[[ToolCall], bool | Awaitable[bool]]


class ToolFailed(Exception):
    """The failure of a tool; the model gets its text as the result."""


class BadCall(ToolFailed):
    """The failure of a call before the tool runs: no such tool, or wrong arguments."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a tool: the owner, the conversation, its messages so far, and a search in all the owner's conversations.

    A function with a parameter of this type gets it; the model does not see that parameter.
    """

    owner: str
    conversation: str
    messages: Sequence[Message] = ()
    search: Callable[[str], Awaitable[Sequence[Hit]]] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool. ``parameters``: the JSON schema of the arguments; ``run`` takes them as an object and gives a text for the model.

    ``run`` raises ToolFailed with a sentence for the model. An ``acting`` tool changes something in the world and runs only after
    a confirmation. ``seconds`` limits its time, ``most`` the characters of its result for the model. An ``outside`` tool is run
    by the caller: an answer that calls it ends the turn, and the next one brings its result.
    """

    name: str
    description: str
    parameters: Json
    run: Callable[[Json, Caller], Awaitable[str]] = field(repr=False)
    acting: bool = False
    seconds: float = 60.0
    most: int = 20_000
    takes_caller: bool = False
    outside: bool = False


def schemas_text(tools: Sequence[Tool]) -> str:
    """Gives the schemas of tools about as a provider shows them to the model."""
    return "".join(json.dumps([tool.name, tool.description, tool.parameters]) for tool in tools)
