"""Reads the body of a request for a response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from anaphora.schema.shape import Shape
from anaphora.server.error_bodies import ApiError
from anaphora.server.openai.fields import field as read
from anaphora.server.openai.fields import metadata_of, parts_of, result_of, shape_of_format, text_field, tools_of, wrong
from anaphora.server.openai.options import extra_of, options_of
from anaphora.tools.base import Tool
from anaphora.values.message import Image, Message, Options, Part, Role, Text, ToolCall, ToolResult, valid_text

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
# What a response repeats of its request, as it came.
_REPEATED = (
    "instructions",
    "temperature",
    "top_p",
    "max_output_tokens",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
)


@dataclass(frozen=True, slots=True)
class NewInput:
    """The input of a request: messages in their order, the last of which is to be answered; or results of tools."""

    messages: tuple[Message, ...]

    @property
    def results(self) -> tuple[ToolResult, ...]:
        """The results of tools at the end of the input."""
        last = self.messages[-1] if self.messages else None
        return last.tool_results if last is not None and last.role == "tool" else ()


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """A request for a response.

    ``echo``: the fields that the response repeats. ``extra``: those that go to services of OpenAI's dialect.
    """

    model: str
    input: NewInput
    options: Options
    extra: Mapping[str, Any]
    instructions: str | None = None
    conversation: str | None = None
    previous: str | None = None
    stored: bool = True
    stream: bool = False
    background: bool = False
    truncation: Literal["auto", "disabled"] | None = None
    tools: tuple[Tool, ...] = ()
    shape: Shape | None = None
    echo: Mapping[str, Any] = field(default_factory=dict)


def response_request(body: Mapping[str, Any]) -> ResponseRequest:
    """Reads the body. Raises ApiError for a field that is wrong."""
    conversation, previous = conversation_of(body), text_field(body, "previous_response_id")
    if conversation is not None and previous is not None:
        raise wrong("conversation", "give either conversation or previous_response_id, not both.", "mutually_exclusive")
    truncation = body.get("truncation")
    if truncation not in (None, "auto", "disabled"):
        raise wrong("truncation", f"must be auto or disabled, not {truncation!r}.")
    stored = read(body, "store", bool, "true or false")
    background = read(body, "background", bool, "true or false") or False
    if background and stored is False:
        raise wrong("background", "a response in the background must be stored: leave store out.")
    text = read(body, "text", dict, "an object") or {}
    tools = tools_of(body, nested=False)
    repeated = {name: body[name] for name in _REPEATED if body.get(name) is not None}
    return ResponseRequest(
        model=text_field(body, "model") or "",
        input=NewInput(input_messages(body.get("input"))),
        options=options_of(body, "max_output_tokens"),
        extra=extra_of(body),
        instructions=text_field(body, "instructions"),
        conversation=conversation,
        previous=previous,
        stored=stored is not False,
        stream=read(body, "stream", bool, "true or false") or False,
        background=background,
        truncation=cast("Literal['auto', 'disabled'] | None", truncation),
        tools=tools,
        shape=shape_of_format(text.get("format"), "text.format"),
        echo={
            **repeated,
            "metadata": metadata_of(body),
            "tools": body.get("tools") or [],
            "truncation": truncation or "auto",
            "background": background,
            "previous_response_id": previous,
        },
    )


def conversation_of(body: Mapping[str, Any]) -> str | None:
    """Gives the id of the conversation: a text, or an object with an id. Raises ApiError."""
    value = body.get("conversation")
    if isinstance(value, Mapping):
        value = value.get("id")
    if value is None or (isinstance(value, str) and value.strip()):
        return None if value is None else valid_text(value, "conversation")
    raise wrong("conversation", "must be the id of a conversation, or an object with its id.", "invalid_type")


def input_messages(value: Any, where: str = "input") -> tuple[Message, ...]:
    """Gives the messages of an input: a text, or a list of items. Raises ApiError."""
    if isinstance(value, str):
        if not value.strip():
            raise wrong(where, "is empty: write something.")
        return (Message("user", parts_of(value, where)),)
    if not isinstance(value, Sequence) or not value:
        raise wrong(
            where, "must be a text or a list of items.", "missing_required_parameter" if value is None else "invalid_type"
        )
    messages: list[Message] = []
    for place, item in enumerate(value):
        message = item_message(item, f"{where}[{place}]")
        if message is not None:
            _add(messages, message)
    if not messages:
        raise wrong(where, "has no message.")
    return tuple(messages)


def _add(messages: list[Message], message: Message) -> None:
    """Adds a message; calls and results of one round stand in one message."""
    last = messages[-1] if messages else None
    is_round = message.role == "tool" or bool(message.tool_calls)
    if last is not None and is_round and last.role == message.role:
        messages[-1] = Message(last.role, (*last.parts, *message.parts))
    else:
        messages.append(message)


def item_message(item: Any, where: str) -> Message | None:
    """Gives the message of an item; None for thinking, which only its own service can read. Raises ApiError."""
    if not isinstance(item, Mapping):
        raise wrong(where, "must be an object.", "invalid_type")
    kind = item.get("type") or ("message" if "role" in item else None)
    match kind:
        case "message":
            return _message(item, where)
        case "function_call":
            call, name, arguments = (item.get(one) for one in ("call_id", "name", "arguments"))
            if not (isinstance(call, str) and isinstance(name, str) and isinstance(arguments, str) and call and name):
                raise wrong(where, "a function_call has a call_id, a name and arguments, all of them texts.")
            call, name, arguments = (valid_text(one, where) for one in (call, name, arguments))
            return Message("assistant", (ToolCall(call, name, arguments or "{}"),))
        case "function_call_output":
            return Message("tool", (result_of(item, where),))
        case "reasoning" | "compaction":
            return None
        case "item_reference":
            raise wrong(where, "item_reference is not read here: give the conversation or previous_response_id.")
        case _:
            raise wrong(where, f"items of type {kind!r} are not read here.", "unsupported_item")


def _message(item: Mapping[str, Any], where: str) -> Message:
    role = _ROLES.get(str(item.get("role")))
    if role is None:
        raise wrong(f"{where}.role", f"must be user, assistant, system or developer, not {item.get('role')!r}.")
    parts = parts_of(item.get("content"), f"{where}.content")
    text: tuple[Part, ...] = tuple(part for part in parts if isinstance(part, Text))
    if not parts or (role != "user" and not text):
        raise wrong(f"{where}.content", "is empty: write something.")
    return said(role, parts)


def said(role: Role, parts: Sequence[Part]) -> Message:
    """Gives a message of pictures and one text."""
    pictures = tuple(part for part in parts if isinstance(part, Image))
    text = "\n\n".join(part.text for part in parts if isinstance(part, Text))
    return Message(role, (*pictures, Text(text)) if text else pictures)


def answerable(messages: Sequence[Message]) -> None:
    """Checks that the last message can be answered. Raises ApiError."""
    if not messages or messages[-1].role not in {"user", "tool"}:
        raise ApiError("the input must end with a message of the user or with function_call_output items.", param="input")
