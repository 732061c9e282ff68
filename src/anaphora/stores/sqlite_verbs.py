"""The verbs of the SQLite store as functions of a connection: each is what happens inside one transaction."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import sys
import time
from collections.abc import Sequence
from typing import Any

from anaphora.codec import parts_from_json, parts_to_json, usage_from_json, usage_to_json
from anaphora.errors import ConversationBusy, NotFound, StoreError
from anaphora.message import Message, Usage
from anaphora.stores.base import Change, Draft, Lease, Scope, busy, new_entry
from anaphora.transcript import ConversationInfo, Entry, Extent, Size

_BEFORE = "before_messages, before_turns, before_tokens"
_COLUMNS = f'id, parent, "order", role, parts, status, tokens, counter, created, usage, model, key, {_BEFORE}'
_INFO = "id, title, head, system, created, updated, messages, usage"
_HERE = "owner = ? AND conversation = ?"
_THIS = "owner = ? AND id = ?"
_EVERYTHING = (1 << 60,) * 3
# From a message back to the root, or to the user's message with which all three measures are exceeded.
# A parent is always older than its child, so the order of the messages is that of the path.
_PATH = f"""
WITH RECURSIVE path (number, parent, role, messages, turns, tokens) AS (
    SELECT number, parent, role, 1, role = 'user', tokens FROM messages WHERE {_HERE} AND id = ?
    UNION ALL
    SELECT up.number, up.parent, up.role, path.messages + 1, path.turns + (up.role = 'user'), path.tokens + up.tokens
    FROM path JOIN messages AS up ON up.owner = ? AND up.conversation = ? AND up.id = path.parent
    WHERE path.role <> 'user' OR path.messages <= ? OR path.turns <= ? OR path.tokens <= ?
)
SELECT {_COLUMNS} FROM messages WHERE number IN (SELECT number FROM path) ORDER BY "order"
"""


def acquire(database: sqlite3.Connection, *, scope: Scope, seconds: float) -> Lease:
    _make(database, scope)
    _check_free(database, scope)
    holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(8)}"
    database.execute(
        f"UPDATE conversations SET holder = ?, expires = ? WHERE {_THIS}", (holder, time.time() + seconds, *_key(scope))
    )
    database.execute(f"UPDATE messages SET status = 'interrupted' WHERE {_HERE} AND status = 'pending'", _key(scope))
    return Lease(scope, holder)


def renew(database: sqlite3.Connection, *, lease: Lease, seconds: float) -> None:
    held = database.execute(
        f"UPDATE conversations SET expires = ? WHERE {_THIS} AND holder = ?",
        (time.time() + seconds, *_key(lease.scope), lease.holder),
    )
    if not held.rowcount:
        raise ConversationBusy(f"conversation {lease.scope.conversation!r} was taken over by another writer.")


def release(database: sqlite3.Connection, *, lease: Lease) -> None:
    database.execute(f"UPDATE conversations SET holder = NULL WHERE {_THIS} AND holder = ?", (*_key(lease.scope), lease.holder))


def append(database: sqlite3.Connection, *, scope: Scope, draft: Draft) -> Entry:
    _make(database, scope)
    if draft.key is not None:
        before = database.execute(
            f"SELECT {_COLUMNS} FROM messages WHERE {_HERE} AND key = ?", (*_key(scope), draft.key)
        ).fetchone()
        if before is not None:
            return _entry(before)
    parent = None if draft.parent is None else _found(database, scope, draft.parent)
    last = database.execute(f'SELECT max("order") FROM messages WHERE {_HERE}', _key(scope)).fetchone()[0]
    entry = new_entry(draft, parent, order=(last or 0) + 1)
    places = ", ".join("?" * 17)
    database.execute(f"INSERT INTO messages (owner, conversation, {_COLUMNS}) VALUES ({places})", (*_key(scope), *_row(entry)))
    database.execute(
        f"UPDATE conversations SET updated = ?, messages = messages + 1 WHERE {_THIS}", (entry.created, *_key(scope))
    )
    return entry


def change(database: sqlite3.Connection, *, scope: Scope, message_id: str, change: Change) -> Entry:
    entry = _found(database, scope, message_id)
    if entry.status != "pending":
        raise StoreError(f"message {message_id} has ended ({entry.status}) and cannot be changed.")
    database.execute(
        f"UPDATE messages SET parts = ?, status = ?, tokens = ?, counter = ?, usage = ?, model = ? WHERE {_HERE} AND id = ?",
        (
            json.dumps(parts_to_json(change.message), ensure_ascii=False),
            change.status,
            change.size.tokens,
            change.size.counter,
            _usage_text(change.usage),
            change.model or entry.model,
            *_key(scope),
            message_id,
        ),
    )
    known = info(database, scope=scope)
    database.execute(
        f"UPDATE conversations SET updated = ?, usage = ?, head = ? WHERE {_THIS}",
        (
            time.time(),
            _usage_text(known.usage + change.usage if change.usage else known.usage),
            message_id if change.head else known.head,
            *_key(scope),
        ),
    )
    return _found(database, scope, message_id)


def measure(database: sqlite3.Connection, *, scope: Scope, message_id: str, size: Size) -> None:
    _found(database, scope, message_id)
    database.execute(
        f"UPDATE messages SET tokens = ?, counter = ? WHERE {_HERE} AND id = ?",
        (size.tokens, size.counter, *_key(scope), message_id),
    )


def move_head(database: sqlite3.Connection, *, scope: Scope, message_id: str | None) -> None:
    _make(database, scope)
    if message_id is not None:
        _found(database, scope, message_id)
    database.execute(f"UPDATE conversations SET head = ? WHERE {_THIS}", (message_id, *_key(scope)))


def branch(database: sqlite3.Connection, *, scope: Scope, message_id: str | None, reach: Extent | None) -> list[Entry]:
    if message_id is None:
        return []
    most = _EVERYTHING if reach is None else (reach.messages, reach.turns, reach.tokens)
    rows = database.execute(_PATH, (*_key(scope), message_id, *_key(scope), *most)).fetchall()
    if not rows:
        raise _no_message(message_id)
    return [_entry(row) for row in rows]


def children(database: sqlite3.Connection, *, scope: Scope, message_id: str | None) -> list[Entry]:
    rows = database.execute(
        f'SELECT {_COLUMNS} FROM messages WHERE {_HERE} AND parent IS ? ORDER BY "order"', (*_key(scope), message_id)
    )
    return [_entry(row) for row in rows]


def leaves(database: sqlite3.Connection, *, scope: Scope) -> list[Entry]:
    rows = database.execute(
        f"SELECT {_COLUMNS} FROM messages AS leaf WHERE {_HERE} AND NOT EXISTS (SELECT 1 FROM messages AS child"
        " WHERE child.owner = leaf.owner AND child.conversation = leaf.conversation AND child.parent = leaf.id)"
        ' ORDER BY "order"',
        _key(scope),
    )
    return [_entry(row) for row in rows]


def forget(database: sqlite3.Connection, *, scope: Scope, message_id: str) -> None:
    _found(database, scope, message_id)
    database.execute(
        f"UPDATE messages SET parts = '[]', tokens = 0, counter = '' WHERE {_HERE} AND id = ?", (*_key(scope), message_id)
    )


def delete(database: sqlite3.Connection, *, scope: Scope) -> None:
    _check_free(database, scope)
    database.execute(f"DELETE FROM conversations WHERE {_THIS}", _key(scope))


def info(database: sqlite3.Connection, *, scope: Scope) -> ConversationInfo:
    row = database.execute(f"SELECT {_INFO} FROM conversations WHERE {_THIS}", _key(scope)).fetchone()
    if row is None:
        now = time.time()
        return ConversationInfo(scope.conversation, "", None, None, now, now, 0)
    return _conversation(row)


def describe(database: sqlite3.Connection, *, scope: Scope, title: str | None, system: str | None) -> None:
    _make(database, scope)
    database.execute(
        f"UPDATE conversations SET title = coalesce(?, title), system = coalesce(?, system) WHERE {_THIS}",
        (title, system, *_key(scope)),
    )


def conversations(database: sqlite3.Connection, *, owner: str) -> list[ConversationInfo]:
    rows = database.execute(f"SELECT {_INFO} FROM conversations WHERE owner = ? AND messages > 0 ORDER BY updated DESC", (owner,))
    return [_conversation(row) for row in rows]


def _check_free(database: sqlite3.Connection, scope: Scope) -> None:
    """Raises NotFound, and ConversationBusy while somebody's lease runs."""
    row = database.execute(f"SELECT holder, expires FROM conversations WHERE {_THIS}", _key(scope)).fetchone()
    if row is None:
        raise NotFound(f"no conversation {scope.conversation!r}.")
    holder, expires = row
    if holder is not None and expires > time.time() and not _is_dead(holder):
        raise busy(scope)


def _is_dead(holder: str) -> bool:
    """Whether the holder of a lease was a process of this machine that has ended: nobody need wait for its lease to run out."""
    host, number, _ = holder.split("/")
    # On Windows asking for a process by a signal would end it.
    if host != socket.gethostname() or sys.platform == "win32":
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _key(scope: Scope) -> tuple[str, str]:
    return scope.owner, scope.conversation


def _make(database: sqlite3.Connection, scope: Scope) -> None:
    now = time.time()
    database.execute(
        "INSERT INTO conversations (owner, id, created, updated) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*_key(scope), now, now),
    )


def _found(database: sqlite3.Connection, scope: Scope, message_id: str) -> Entry:
    row = database.execute(f"SELECT {_COLUMNS} FROM messages WHERE {_HERE} AND id = ?", (*_key(scope), message_id)).fetchone()
    if row is None:
        raise _no_message(message_id)
    return _entry(row)


def _no_message(message_id: str) -> NotFound:
    return NotFound(f"no message {message_id!r} in this conversation.")


def _row(entry: Entry) -> tuple[Any, ...]:
    parts = json.dumps(parts_to_json(entry.message), ensure_ascii=False)
    place = (entry.id, entry.parent, entry.order, entry.role, parts, entry.status)
    before = (entry.before.messages, entry.before.turns, entry.before.tokens)
    usage = _usage_text(entry.usage)
    return (*place, entry.size.tokens, entry.size.counter, entry.created, usage, entry.model, entry.key, *before)


def _entry(row: Sequence[Any]) -> Entry:
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


def _conversation(row: Sequence[Any]) -> ConversationInfo:
    conversation_id, title, head, system, created, updated, messages, usage = row
    return ConversationInfo(conversation_id, title, head, system, created, updated, messages, _usage(usage) or Usage())


def _usage_text(usage: Usage | None) -> str | None:
    return None if usage is None else json.dumps(usage_to_json(usage))


def _usage(text: str | None) -> Usage | None:
    return usage_from_json(json.loads(text)) if text else None
