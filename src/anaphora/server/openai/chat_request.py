"""Reads the body of a request for a chat completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anaphora.schema.shape import Shape
from anaphora.server.openai.fields import field as read
from anaphora.server.openai.fields import metadata_of, parts_of, result_of, shape_of_format, text_field, tools_of, wrong
from anaphora.server.openai.options import extra_of, options_of
from anaphora.server.openai.responses_request import conversation_of, said
from anaphora.tools.base import Tool
from anaphora.values.message import Message, Options, Part, Role, ToolCall, valid_text

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_MOST_CHOICES = 16


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request for a chat completion: the system prompt, and the messages below it.

    ``has_usage``: the stream ends with the usage. ``choices``: so many answers.
    """

    model: str
    system: str | None
    messages: tuple[Message, ...]
    options: Options
    extra: Mapping[str, Any]
    conversation: str | None = None
    stream: bool = False
    has_usage: bool = False
    choices: int = 1
    tools: tuple[Tool, ...] = ()
    shape: Shape | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def chat_request(body: Mapping[str, Any]) -> ChatRequest:
    """Reads the body. Raises ApiError for a field that is wrong."""
    system, messages = _messages(body.get("messages"))
    longest = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    stream_options = read(body, "stream_options", dict, "an object") or {}
    choices = read(body, "n", int, "a whole number") or 1
    if not 1 <= choices <= _MOST_CHOICES:
        raise wrong("n", f"must be a whole number from 1 to {_MOST_CHOICES}, not {choices}.")
    return ChatRequest(
        model=text_field(body, "model") or "",
        system=system,
        messages=messages,
        options=options_of(body, longest),
        extra=extra_of(body),
        conversation=conversation_of(body),
        stream=read(body, "stream", bool, "true or false") or False,
        has_usage=bool(stream_options.get("include_usage")),
        choices=choices,
        tools=tools_of(body, nested=True),
        shape=shape_of_format(body.get("response_format"), "response_format"),
        metadata=metadata_of(body),
    )


def _messages(value: Any) -> tuple[str | None, tuple[Message, ...]]:
    """Gives the system prompt and the messages: those of the system that stand first are the prompt."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        told = "must be a list of messages, each with a role and a content."
        raise wrong("messages", told, "missing_required_parameter" if value is None else "invalid_type")
    found = [_message(one, f"messages[{place}]") for place, one in enumerate(value)]
    first = next((place for place, message in enumerate(found) if message.role != "system"), len(found))
    prompt = "\n\n".join(message.text for message in found[:first])
    messages: list[Message] = []
    for message in found[first:]:
        if message.role == "tool" and messages and messages[-1].role == "tool":
            messages[-1] = Message("tool", (*messages[-1].parts, *message.parts))
        elif message.parts:
            messages.append(message)
    if not messages:
        raise wrong("messages", "there is no message to answer.")
    return prompt if first else None, tuple(messages)


def _message(value: Any, where: str) -> Message:
    if not isinstance(value, Mapping):
        raise wrong(where, "must be an object.", "invalid_type")
    if value.get("role") in ("tool", "function"):
        return Message("tool", (result_of(value, where),))
    role = _ROLES.get(str(value.get("role")))
    if role is None:
        raise wrong(f"{where}.role", f"must be system, developer, user, assistant or tool, not {value.get('role')!r}.")
    parts: tuple[Part, ...] = parts_of(value.get("content"), f"{where}.content")
    calls = value.get("tool_calls") if role == "assistant" else None
    message = said(role, parts)
    if calls:
        message = Message(role, (*message.parts, *(_call(one, f"{where}.tool_calls[{at}]") for at, one in enumerate(calls))))
    if role == "user" and not message.parts:
        raise wrong(f"{where}.content", "is empty: write something.")
    return message


def _call(value: Any, where: str) -> ToolCall:
    about = value.get("function") if isinstance(value, Mapping) else None
    name = about.get("name") if isinstance(about, Mapping) else None
    call = value.get("id") if isinstance(value, Mapping) else None
    if not isinstance(about, Mapping) or not isinstance(name, str) or not isinstance(call, str) or not name:
        raise wrong(where, "a call has an id and a function with a name and arguments.")
    arguments = str(about.get("arguments") or "{}")
    return ToolCall(valid_text(call, where), valid_text(name, where), valid_text(arguments, where))
