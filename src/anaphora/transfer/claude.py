"""Reads the conversations of Claude's data export: a list of ``chat_messages`` per conversation.

There is no published description. Newer exports name the parent of each message, so branches are kept; older exports are in
order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Any

from anaphora.transfer.tree import Node, text_or, time_or, transcript
from anaphora.values.codec import Json
from anaphora.values.message import Message, Part, Role, Text, Thinking
from anaphora.values.transcript import Transcript

# Old exports have artifacts inside of the text.
_ARTIFACT = re.compile(r'<antArtifact\b[^>]*?\btitle="([^"]*)"[^>]*>')
_ROLES: dict[str, Role] = {"human": "user", "assistant": "assistant"}


def is_claude(value: Any) -> bool:
    """True if a value looks like a conversation of Claude."""
    return isinstance(value, dict) and "chat_messages" in value


def from_claude(value: Json) -> Transcript | None:
    """Reads one conversation; None if it has no messages. Raises ValueError with the reason."""
    messages = value["chat_messages"]
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ValueError("its chat_messages are no list of objects")
    conversation = text_or(value.get("uuid"))
    made = conversation or blake2b(json.dumps(messages).encode(), digest_size=12).hexdigest()
    has_links = any(message.get("parent_message_uuid") for message in messages)
    nodes: dict[str, Node] = {}
    before: str | None = None
    for place, message in enumerate(messages):
        key = text_or(message.get("uuid")) or f"{made}_{place}"
        if key in nodes:
            key = f"{key}_{place}"
        parent = message.get("parent_message_uuid") if has_links else before
        nodes[key] = _node(key, parent, message)
        before = key
    return transcript(
        nodes,
        conversation=conversation,
        title=text_or(value.get("name")),
        created=_seconds(value.get("created_at")) or 0.0,
        updated=_seconds(value.get("updated_at")) or 0.0,
        head=text_or(value.get("current_leaf_message_uuid")) or before or "",
    )


def _node(key: str, parent: str | None, message: Json) -> Node:
    role = _ROLES.get(str(message.get("sender")), "system")
    parts = tuple(_parts(message))
    return Node(key, parent, Message(role, parts), _seconds(message.get("created_at")))


def _parts(message: Json) -> Iterator[Part]:
    blocks = [block for block in message.get("content") or () if isinstance(block, dict)]
    texts: list[str] = []
    for block in blocks:
        match block.get("type"):
            case "text":
                texts.append(_with_sources(block))
            case "thinking":
                yield Thinking(text_or(block.get("thinking")))
            case "tool_use" if document := _document(block):
                texts.append(document)
            case "tool_use" | "tool_result" as kind:
                what = block.get("input") if kind == "tool_use" else block.get("content")
                yield Thinking(f"{text_or(block.get('name')) or kind}: {json.dumps(what, ensure_ascii=False)}")
    if not any(texts):
        texts = [text_or(message.get("text"))]
    for attached in (*(message.get("attachments") or ()), *(message.get("files") or ())):
        if isinstance(attached, dict):
            texts.append(f"[attached: {text_or(attached.get('file_name')) or 'a file'}]")
            texts.append(text_or(attached.get("extracted_content")))
    text = "\n".join(filter(None, texts))
    if text.strip():
        yield Text(text)


def _document(block: Json) -> str:
    """Gives the document that Claude wrote with a tool: an artifact or a file. Empty if the block is another call."""
    given = block.get("input")
    if block.get("name") not in {"artifacts", "create_file"} or not isinstance(given, dict):
        return ""
    name = text_or(given.get("title")) or text_or(given.get("path")) or text_or(given.get("id"))
    text = next((given[key] for key in ("content", "file_text", "new_str") if isinstance(given.get(key), str) and given[key]), "")
    return f"**{name}**\n\n{text}" if name and text else text


def _with_sources(block: Json) -> str:
    """Gives a text with the addresses that it cites."""
    citations = [one for one in block.get("citations") or () if isinstance(one, dict)]
    details = [one.get("details") if isinstance(one.get("details"), dict) else one for one in citations]
    urls = dict.fromkeys(text_or(one.get("url")) for one in details if isinstance(one, dict))
    text = _ARTIFACT.sub(lambda found: f"\n\n**{found[1]}**\n\n", text_or(block.get("text"))).replace("</antArtifact>", "\n\n")
    sources = ", ".join(url for url in urls if url and url not in text)
    return f"{text} ({sources})" if sources and text else text


def _seconds(value: Any) -> float | None:
    try:
        return time_or(datetime.fromisoformat(value).timestamp(), None) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
