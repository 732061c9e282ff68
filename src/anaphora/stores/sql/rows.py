"""Rows of the SQLite database and the values they stand for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from anaphora.values.codec import parts_from_json, parts_to_json, usage_from_json, usage_to_json
from anaphora.values.message import Message, Part, Text, Usage
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Extent, Size

_BEFORE = "before_messages, before_turns, before_tokens"
ENTRY = f'id, parent, "order", role, parts, status, tokens, counter, created, usage, model, key, {_BEFORE}'
CONVERSATION = "id, title, head, system, created, updated, messages, usage, learned, forgotten, model"
# What parts_text writes before a text that is alone.
# Made once: json.dumps would make one each time.
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_DECODER = json.JSONDecoder()
_ONE_TEXT = '[{"type": "text", "text": "'
# Conditions for a table's rows, to be filled with key(scope).
THIS_CONVERSATION = "owner = ? AND id = ?"
ITS_MESSAGES = "owner = ? AND conversation = ?"


def key(scope: Scope) -> tuple[str, str]:
    """Gives the beginning of every key."""
    return scope.owner, scope.conversation


def entry_row(entry: Entry) -> tuple[Any, ...]:
    """The columns ENTRY of a message."""
    place = (entry.id, entry.parent, entry.order, entry.role, parts_text(entry.message), entry.status)
    before = (entry.before.messages, entry.before.turns, entry.before.tokens)
    usage = usage_text(entry.usage)
    return (*place, entry.size.tokens, entry.size.counter, entry.created, usage, entry.model, entry.key, *before)


def entry_of(row: Sequence[Any]) -> Entry:
    """The message in the columns ENTRY."""
    message_id, parent, order, role, parts, status, tokens, counter, created, usage, model, key, messages, turns, before = row
    # By position, since this is done for every message of every context.
    return Entry(
        message_id,
        parent,
        order,
        Message(role, _parts(parts)),
        status,
        Size(tokens, counter),
        created,
        None if usage is None else usage_from_json(json.loads(usage)),
        model,
        key,
        Extent(messages, turns, before),
    )


def conversation_of(row: Sequence[Any]) -> ConversationInfo:
    """The conversation in the columns CONVERSATION."""
    conversation_id, title, head, system, created, updated, messages, usage, learned, forgotten, model = row
    total = usage_from_json(json.loads(usage))
    return ConversationInfo(conversation_id, title, head, system, created, updated, messages, total, learned, forgotten, model)


def _parts(text: str) -> tuple[Part, ...]:
    """The parts in a column. A single text, which is most messages, is read without the detour over JSON values."""
    if text.startswith(_ONE_TEXT):
        said, end = _DECODER.raw_decode(text, len(_ONE_TEXT) - 1)
        if text[end:] == "}]":
            return (Text(said),)
    return parts_from_json(json.loads(text))


def parts_text(message: Message) -> str:
    """The parts of a message as they stand in a column."""
    return _ENCODER.encode(parts_to_json(message))


def usage_text(usage: Usage | None) -> str | None:
    """Usage as it stands in a column."""
    return None if usage is None else json.dumps(usage_to_json(usage))
