"""Finds rows that cannot be read, and moves them aside. Nothing is deleted: the row stays in ``quarantine``, word for word."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anaphora.errors import UnreadableRow
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.memories import is_fact
from anaphora.stores.sql.rows import CONVERSATION, ENTRY, conversation_of, entry_of, parts_text, settings_of, usage_of
from anaphora.values.message import text_message

_PLACEHOLDER = "(A message that could not be read stood here; it was moved aside.)"
_UNREADABLE = "'unreadable_' || lower(hex(id))"
# More messages than a conversation has.
_BEYOND = 1_000_000_000
_FACT = "id, text, origin, created, superseded, successor, conversation"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be read: its table, its owner, its id, the conversation if it is a message's, and the reason."""

    table: str
    owner: str
    id: str
    conversation: str
    reason: str


def check(database: Database) -> list[Unreadable]:
    """Gives all rows that cannot be read."""
    return [one for one, _ in _found(database)]


def quarantine(database: Database) -> list[Unreadable]:
    """Moves rows that cannot be read aside, and puts readable ones in their place. Gives what was moved."""
    found = list(_found(database))
    for one, place in found:
        whole = database.execute(f"SELECT * FROM {one.table} WHERE {_WHERE[one.table]}", place)
        names = [column[0] for column in whole.description]
        row = json.dumps(dict(zip(names, map(_plain, whole.fetchone()), strict=True)), ensure_ascii=False)
        database.execute(
            "INSERT INTO quarantine (owner, source, row, reason, moved) VALUES (?, ?, ?, ?, ?)",
            (one.owner, one.table, row, one.reason, time.time()),
        )
        _mend(database, one, place)
    return [one for one, _ in found]


_USAGE, _SETTINGS = "its usage cannot be read", "its settings cannot be read"
# The column of a conversation that alone is emptied; its messages and its title stay.
_SMALL = {_USAGE: "usage", _SETTINGS: "settings"}
_WHERE = {"messages": "number = ?", "conversations": "owner = ? AND id = ?", "facts": "owner = ? AND id = ?"}


def _found(database: Database) -> Iterator[tuple[Unreadable, tuple[Any, ...]]]:
    for number, owner, conversation, *row in database.execute(
        f"SELECT number, owner, conversation, {ENTRY} FROM messages ORDER BY number"
    ).fetchall():
        reason = _reason_of_message(row)
        if reason:
            yield Unreadable("messages", str(owner), str(row[0]), str(conversation), reason), (number,)
    for owner, *row in database.execute(f"SELECT owner, {CONVERSATION} FROM conversations").fetchall():
        try:
            conversation_of(row)
            small = (_USAGE, usage_of(row[7])), (_SETTINGS, settings_of(row[11]))
            reason = next((told for told, value in small if value is None), "")
        except UnreadableRow as error:
            reason = error.reason
        if reason:
            yield Unreadable("conversations", str(owner), str(row[0]), str(row[0]), reason), (owner, row[0])
    for owner, *row in database.execute(f"SELECT owner, {_FACT} FROM facts").fetchall():
        if not is_fact(row):
            yield Unreadable("facts", str(owner), str(row[0]), "", "a column has a value of the wrong type"), (owner, row[0])


def _reason_of_message(row: Sequence[Any]) -> str:
    try:
        entry_of(row)
    except UnreadableRow as error:
        return error.reason
    usage = row[9]
    return "its usage cannot be read" if usage is not None and usage_of(usage) is None else ""


def _mend(database: Database, one: Unreadable, place: tuple[Any, ...]) -> None:
    kept = database.kept
    name = kept("id", "text", _UNREADABLE)
    if one.table == "facts":
        database.execute("DELETE FROM facts WHERE owner = ? AND id = ?", place)
    elif one.table == "conversations" and one.reason in _SMALL:
        column = _SMALL[one.reason]
        database.execute(f"UPDATE conversations SET {column} = '{{}}' WHERE owner = ? AND id = ?", place)
    elif one.table == "conversations":
        number = (
            "coalesce((SELECT count(*) FROM messages"
            " WHERE messages.owner = conversations.owner AND conversation = conversations.id), 0)"
        )
        created, updated, head = kept("created", "real", "0.0"), kept("updated", "real", "0.0"), kept("head", "text", "NULL")
        database.execute(
            f"UPDATE conversations SET id = {name}, title = '', system = NULL, usage = '{{}}', model = '', learned = 0,"
            f" settings = '{{}}', forgotten = 0, messages = {number}, created = {created}, updated = {updated}, head = {head}"
            " WHERE owner = ? AND id = ?",
            place,
        )
    elif "usage" in one.reason:
        database.execute("UPDATE messages SET usage = NULL WHERE number = ?", place)
    else:
        columns = ("before_messages", "before_turns", "before_tokens")
        before = ", ".join(f"{column} = {kept(column, 'integer', '0')}" for column in columns)
        order, parent = kept('"order"', "integer", f"{_BEYOND} + number"), kept("parent", "text", "NULL")
        database.execute(
            f'UPDATE messages SET id = {name}, parent = {parent}, "order" = {order}, parts = ?,'
            " role = CASE WHEN role IN ('system', 'user', 'assistant', 'tool') THEN role ELSE 'user' END,"
            " status = CASE WHEN status IN ('complete', 'stopped', 'failed', 'refused') THEN status ELSE 'interrupted' END,"
            f" tokens = 0, counter = '', usage = NULL, model = '', key = NULL, {before},"
            f" created = {kept('created', 'real', '0.0')} WHERE number = ?",
            (parts_text(text_message("user", _PLACEHOLDER)), *place),
        )


def _plain(value: Any) -> Any:
    return f"bytes: {value.hex()}" if isinstance(value, bytes) else value
