"""Rows of the database and the values they stand for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, get_args

from anaphora.errors import UnreadableRow
from anaphora.values.codec import parts_from_json, parts_to_json, usage_from_json, usage_to_json
from anaphora.values.message import Message, Part, Role, Status, Text, Usage
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Extent, Size

_BEFORE = "before_messages, before_turns, before_tokens"
ENTRY = f'id, parent, "order", role, parts, status, tokens, counter, created, usage, model, key, {_BEFORE}'
CONVERSATION = "id, title, head, system, created, updated, messages, usage, learned, forgotten, model, settings"
# Made once: json.dumps would make one each time.
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_DECODER = json.JSONDecoder()
# What parts_text writes before a text that is alone.
_ONE_TEXT = '[{"type": "text", "text": "'
_ROLES, _STATUSES = frozenset(get_args(Role)), frozenset(get_args(Status))
_TEXT_OR_NONE = frozenset({str, type(None)})
# Conditions for a table's rows, to be filled with key(scope).
THIS_CONVERSATION = "owner = ? AND id = ?"
ITS_MESSAGES = "owner = ? AND conversation = ?"
# Of one row of messages, or of what belongs to it.
ITS_NUMBER = "owner = ? AND number = ?"


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
    """The message in the columns ENTRY. Raises UnreadableRow."""
    message_id, parent, order, role, parts, status, tokens, counter, created, usage, model, key, messages, turns, before = row
    try:
        if role not in _ROLES or status not in _STATUSES:
            raise ValueError(f"its role is {role!r} and its status {status!r}")
        # Written out, since this is done for every message of every context.
        if not (type(order) is type(tokens) is type(messages) is type(turns) is type(before) is int):
            raise ValueError("a column has a value of the wrong type")
        if not (type(message_id) is type(counter) is type(model) is str):
            raise ValueError("a column has a value of the wrong type")
        if type(parent) not in _TEXT_OR_NONE or type(key) not in _TEXT_OR_NONE:
            raise ValueError("its parent or its key is no text")
        # By position, since this is done for every message of every context.
        return Entry(
            message_id,
            parent,
            order,
            Message(role, parts_of(parts)),
            status,
            Size(tokens, counter),
            float(created),
            None if usage is None else usage_of(usage),
            model,
            key,
            Extent(messages, turns, before),
        )
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableRow(f"the message {message_id!r}", str(error)) from None


def readable(rows: Iterable[Sequence[Any]]) -> Iterator[Entry]:
    """Yields the messages in rows with the columns ENTRY, without those that cannot be read."""
    for row in rows:
        with suppress(UnreadableRow):
            yield entry_of(row)


def conversation_of(row: Sequence[Any]) -> ConversationInfo:
    """The conversation in the columns CONVERSATION. Raises UnreadableRow."""
    conversation_id, title, head, system, created, updated, messages, usage, learned, forgotten, model, settings = row
    if not _all(str, conversation_id, title, model) or not _all(int, messages, learned, forgotten):
        raise UnreadableRow(f"the conversation {conversation_id!r}", "a column has a value of the wrong type")
    if not _all(float, created, updated) or not isinstance(head, str | None) or not isinstance(system, str | None):
        raise UnreadableRow(f"the conversation {conversation_id!r}", "a column has a value of the wrong type")
    total = usage_of(usage) or Usage()
    about = (conversation_id, title, head, system, created, updated, messages, total, learned, forgotten, model)
    return ConversationInfo(*about, settings_of(settings) or {})


def settings_of(text: Any) -> dict[str, Any] | None:
    """The options in a column; None if they cannot be read: they take no words with them."""
    try:
        settings = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return settings if isinstance(settings, dict) else None


def usage_of(text: Any) -> Usage | None:
    """The usage in a column; None if it cannot be read: a bill that is lost takes no words with it."""
    try:
        return usage_from_json(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None


def searchable_text(parts: Any) -> str:
    """The text in a column of parts that can be searched; empty if it cannot be read."""
    from anaphora.search.words import searchable

    try:
        return searchable(Message("user", parts_of(parts)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return ""


def parts_of(text: str) -> tuple[Part, ...]:
    """The parts in a column. A single text, which is most messages, is read without the detour over JSON values."""
    if text.startswith(_ONE_TEXT):
        said, end = _DECODER.raw_decode(text, len(_ONE_TEXT) - 1)
        if text[end:] == "}]":
            return (Text(said),)
    return parts_from_json(json.loads(text))


def _all(kind: type, *values: Any) -> bool:
    return all(type(value) is kind for value in values)


def parts_text(message: Message) -> str:
    """The parts of a message as they stand in a column."""
    return _ENCODER.encode(parts_to_json(message))


def usage_text(usage: Usage | None) -> str | None:
    """Usage as it stands in a column."""
    return None if usage is None else json.dumps(usage_to_json(usage))
