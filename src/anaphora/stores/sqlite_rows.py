"""Rows of the SQLite database and the values they stand for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from anaphora.codec import parts_from_json, parts_to_json, usage_from_json, usage_to_json
from anaphora.message import Message, Usage
from anaphora.stores.base import Scope
from anaphora.transcript import ConversationInfo, Entry, Extent, Size

_BEFORE = "before_messages, before_turns, before_tokens"
ENTRY = f'id, parent, "order", role, parts, status, tokens, counter, created, usage, model, key, {_BEFORE}'
CONVERSATION = "id, title, head, system, created, updated, messages, usage"
# Conditions for a table's rows, to be filled with key(scope).
THIS_CONVERSATION = "owner = ? AND id = ?"
ITS_MESSAGES = "owner = ? AND conversation = ?"


def key(scope: Scope) -> tuple[str, str]:
    """What begins every key."""
    return scope.owner, scope.conversation


def entry_row(entry: Entry) -> tuple[Any, ...]:
    """The columns ENTRY of a message."""
    place = (entry.id, entry.parent, entry.order, entry.role, parts_text(entry.message), entry.status)
    before = (entry.before.messages, entry.before.turns, entry.before.tokens)
    usage = usage_text(entry.usage)
    return (*place, entry.size.tokens, entry.size.counter, entry.created, usage, entry.model, entry.key, *before)


def entry_of(row: Sequence[Any]) -> Entry:
    """The message in the columns ENTRY."""
    message_id, parent, order, role, parts, status, tokens, counter, created, usage, model, key, *before = row
    return Entry(
        id=message_id,
        parent=parent,
        order=order,
        message=Message(role, parts_from_json(json.loads(parts))),
        status=status,
        size=Size(tokens, counter),
        created=created,
        usage=_usage(usage),
        model=model,
        key=key,
        before=Extent(*before),
    )


def conversation_of(row: Sequence[Any]) -> ConversationInfo:
    """The conversation in the columns CONVERSATION."""
    conversation_id, title, head, system, created, updated, messages, usage = row
    return ConversationInfo(conversation_id, title, head, system, created, updated, messages, _usage(usage) or Usage())


def parts_text(message: Message) -> str:
    """The parts of a message as they stand in a column."""
    return json.dumps(parts_to_json(message), ensure_ascii=False)


def usage_text(usage: Usage | None) -> str | None:
    """Usage as it stands in a column."""
    return None if usage is None else json.dumps(usage_to_json(usage))


def _usage(text: str | None) -> Usage | None:
    return usage_from_json(json.loads(text)) if text else None
