"""Reads the conversations of ChatGPT's data export: one ``mapping`` of linked nodes per conversation.

There is no published description. Old exports have one ``conversations.json``; exports of 2026 have many files, messages
without metadata, and links from one side only (LibreChat #15229, nowledge #261). The notes of convoviz list the kinds of
content (github.com/mohamed-chs/convoviz, docs/dev/chatgpt-spec.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from anaphora.transfer.chatgpt_text import canvas_text, media_kind, with_links
from anaphora.transfer.tree import Node, text_or, time_or, transcript
from anaphora.values.codec import Json
from anaphora.values.message import Message, Part, Role, Status, Text, Thinking, ToolResult, repaired_text
from anaphora.values.transcript import Transcript

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "tool": "tool", "system": "system"}
# ChatGPT's notes about the user and about its own thinking; they are no messages of the conversation.
_UNSAID = {"user_editable_context", "model_editable_context", "reasoning_recap"}


def from_chatgpt(value: Json) -> Transcript | None:
    """Reads one conversation; None if it has no messages. Raises ValueError with the reason."""
    mapping = value["mapping"]
    if not isinstance(mapping, dict):
        raise ValueError("its mapping is no object")
    created = time_or(value.get("create_time"), 0.0)
    parents = _parents(mapping)
    default_model = text_or(value.get("default_model_slug")) or text_or(value.get("model_slug"))
    nodes = {key: _node(key, parents[key], node, default_model) for key, node in mapping.items()}
    return transcript(
        nodes,
        conversation=text_or(value.get("conversation_id")) or text_or(value.get("id")),
        title=text_or(value.get("title")),
        created=created,
        updated=time_or(value.get("update_time"), created),
        head=text_or(value.get("current_node")),
    )


def _parents(mapping: Json) -> dict[str, str | None]:
    """Finds the parent of each node; a link may be given from either side."""
    parents: dict[str, str | None] = dict.fromkeys(mapping)
    for key, node in mapping.items():
        if not isinstance(node, dict):
            raise ValueError(f"its node {key!r} is no object")
        for child in node.get("children") or ():
            if child in parents:
                parents[child] = key
    for key, node in mapping.items():
        if node.get("parent") in mapping:
            parents[key] = node["parent"]
    return parents


def _node(key: str, parent: str | None, node: Json, default_model: str) -> Node:
    message = node.get("message")
    if not isinstance(message, dict):
        return Node(key, parent)
    metadata = _object(message, "metadata")
    author = _object(message, "author")
    content = _object(message, "content")
    role = _ROLES.get(str(author.get("role")), "system")
    is_hidden = metadata.get("is_visually_hidden_from_conversation") is True
    if is_hidden or content.get("content_type") in _UNSAID:
        return Node(key, parent)
    said = tuple(_readable(part, metadata) for part in _said(content, _names(metadata)))
    parts: tuple[Part, ...] = said
    if role == "tool":
        text = "\n".join(part.text for part in said if isinstance(part, Text))
        parts = (ToolResult(parent or "", text, text_or(author.get("name"))),) if text else ()
    elif role == "assistant" and message.get("recipient") not in {None, "all"}:
        parts = _to_tool(str(message["recipient"]), content, said)
    status: Status = "interrupted" if message.get("status") == "in_progress" else "complete"
    model = (text_or(metadata.get("model_slug")) or default_model) if role == "assistant" else ""
    return Node(key, parent, Message(role, parts), time_or(message.get("create_time"), None), status, model)


def _readable(part: Part, metadata: Json) -> Part:
    return Text(with_links(part.text, metadata)) if isinstance(part, Text) else part


def _to_tool(recipient: str, content: Json, said: tuple[Part, ...]) -> tuple[Part, ...]:
    """Gives a message to a tool. A document is what the user asked for; other messages are no answer to the user."""
    document = canvas_text(recipient, text_or(content.get("text")) or "".join(map(str, content.get("parts") or ())))
    if document:
        return (Text(repaired_text(document)),)
    return tuple(Thinking(f"{recipient}: {part.text}") for part in said if isinstance(part, Text))


def _said(content: Json, names: Mapping[str, str]) -> Iterator[Part]:
    """Yields the parts of a message, with attachments as their names."""
    kind = content.get("content_type")
    used: set[str] = set()
    if kind == "thoughts":
        thoughts = (one for one in content.get("thoughts") or () if isinstance(one, dict))
        yield Thinking("\n\n".join(repaired_text(text_or(one.get("content")) or text_or(one.get("summary"))) for one in thoughts))
        return
    texts: list[str] = []
    for part in content.get("parts") or ():
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            texts.append(_pointed(part, names, used))
    if not texts:
        texts = [text_or(content.get(name)) for name in ("text", "result", "content") if content.get(name)]
    if kind == "code" and texts:
        texts = [f"```{text_or(content.get('language')).replace('unknown', '')}\n{texts[0]}\n```"]
    if kind in {"tether_quote", "sonic_webpage"}:
        texts.insert(0, " ".join(filter(None, (text_or(content.get("title")), text_or(content.get("url"))))))
    texts += [f"[attached: {name}]" for key, name in names.items() if key not in used]
    text = repaired_text("\n".join(filter(None, texts)))
    if text.strip():
        yield Text(text)


def _pointed(part: Json, names: Mapping[str, str], used: set[str]) -> str:
    """Gives a placeholder for a picture or a sound, or the spoken words."""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    pointer = text_or(part.get("asset_pointer")).rpartition("/")[2]
    used.add(pointer)
    kind = media_kind(text_or(part.get("content_type")))
    dalle = _object(_object(part, "metadata"), "dalle")
    name = names.get(pointer) or text_or(dalle.get("prompt")) or pointer
    return f"[{kind}: {name}]" if name else f"[{kind}]"


def _names(metadata: Json) -> dict[str, str]:
    """Gives the names of the attachments, by their ids."""
    attachments = [one for one in metadata.get("attachments") or () if isinstance(one, dict)]
    return {text_or(one.get("id")) or f"#{place}": text_or(one.get("name")) or "a file" for place, one in enumerate(attachments)}


def _object(value: Json, name: str) -> Json:
    """Gives a member that may be missing or null; empty then."""
    found: Any = value.get(name)
    return found if isinstance(found, dict) else {}


def is_chatgpt(value: Any) -> bool:
    """True if a value looks like a conversation of ChatGPT."""
    return isinstance(value, dict) and "mapping" in value
