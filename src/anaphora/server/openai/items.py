"""Stored messages as items of the API, and ids of items as ids of messages."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any

from anaphora.values.message import Image, Message, Text, Thinking, ToolCall, ToolResult
from anaphora.values.transcript import Entry

_STATUS = {"complete": "completed", "stopped": "incomplete", "interrupted": "incomplete", "failed": "incomplete"}
Item = dict[str, Any]


def item_status(status: str) -> str:
    """Gives the status of an item for the status of its message."""
    return "in_progress" if status == "pending" else _STATUS.get(status, "completed")


def item_id(kind: str, message_id: str, place: int) -> str:
    """Gives the id of an item: the first text of a message has the message's own."""
    rest = message_id.removeprefix("msg_")
    return message_id if kind == "msg" and place == 0 else f"{kind}_{rest}_{place}"


def message_of_item(id_: str) -> str:
    """Gives the id of the message that an item belongs to."""
    kind, _, rest = id_.partition("_")
    return id_ if kind == "msg" and rest.count("_") == 0 else f"msg_{rest.rpartition('_')[0] or rest}"


def items_of(entry: Entry) -> list[Item]:
    """Gives the items of a message; none for one that was forgotten."""
    message, status = entry.message, item_status(entry.status)
    items: list[Item] = []
    content: list[Item] = []
    counts: Counter[str] = Counter()
    for part in message.parts:
        # As a stream numbers them: each kind by itself.
        place = counts[type(part).__name__]
        counts[type(part).__name__] += 1
        match part:
            case Text(text):
                content.append(text_part(text) if message.role == "assistant" else {"type": "input_text", "text": text})
            case Image() if message.role == "assistant":
                items.append(picture_item(item_id("ig", entry.id, place), part))
            case Image(data, media_type):
                content.append({"type": "input_image", "detail": "auto", "image_url": data_url(data, media_type)})
            case Thinking(text, _):
                items.append(reasoning_item(item_id("rs", entry.id, place), text, status))
            case ToolCall():
                items.append(call_item(item_id("fc", entry.id, place), part, status))
            case ToolResult():
                items.append(output_item(item_id("fco", entry.id, place), part))
    if content:
        about = {"id": entry.id, "type": "message", "role": message.role, "status": status, "content": content}
        # Thinking stands before the words, calls after them.
        before = [item for item in items if item["type"] == "reasoning"]
        items = [*before, about, *(item for item in items if item["type"] != "reasoning")]
    return items


def items_of_messages(entries: Sequence[Entry]) -> list[Item]:
    """Gives the items of messages, in their order."""
    return [item for entry in entries for item in items_of(entry)]


def text_part(text: str) -> Item:
    """Gives a text that a model said."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def reasoning_item(id_: str, text: str, status: str) -> Item:
    """Gives thinking as an item."""
    return {"id": id_, "type": "reasoning", "summary": [{"type": "summary_text", "text": text}], "status": status}


def call_item(id_: str, call: ToolCall, status: str) -> Item:
    """Gives a call that the client runs."""
    about = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
    return {"id": id_, "type": "function_call", **about, "status": status}


def output_item(id_: str, result: ToolResult) -> Item:
    """Gives the result of a call."""
    return {"id": id_, "type": "function_call_output", "call_id": result.call_id, "output": result.text, "status": "completed"}


def picture_item(id_: str, image: Image) -> Item:
    """Gives a picture that a model made."""
    result = base64.b64encode(image.data).decode("ascii")
    return {"id": id_, "type": "image_generation_call", "status": "completed", "result": result}


def data_url(data: bytes, media_type: str) -> str:
    """Gives a picture as a data: URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def page(items: Sequence[Item], *, has_more: bool) -> dict[str, Any]:
    """Gives a list of items as the API pages it."""
    first, last = (items[0]["id"], items[-1]["id"]) if items else ("", "")
    return {"object": "list", "data": list(items), "first_id": first, "last_id": last, "has_more": has_more}


def message_text(message: Message) -> str:
    """Gives the words of a message as they are compared."""
    return message.text.strip()
