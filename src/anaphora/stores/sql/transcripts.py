"""The verbs of transcripts as functions of a database: each is one transaction's work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from anaphora.errors import MessageEnded, NotFound, UnreadableRow
from anaphora.stores.records import Begun, Change, Draft, Query, changed, hit, new_entry, restored
from anaphora.stores.run_records import NewRun
from anaphora.stores.sql import runs
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.leases import acquire, check_free, make, release
from anaphora.stores.sql.ledger import record
from anaphora.stores.sql.lines import line_of_new
from anaphora.stores.sql.memories import drop_derived, drop_evidence_of
from anaphora.stores.sql.pieces import add_piece, drop_pieces, whole_message, with_pieces
from anaphora.stores.sql.rows import (
    CONVERSATION,
    ENTRY,
    ITS_MESSAGES,
    ITS_NUMBER,
    THIS_CONVERSATION,
    conversation_of,
    entry_of,
    entry_row,
    key,
    parts_text,
    searchable_text,
    usage_text,
)
from anaphora.values.growth import growth
from anaphora.values.message import Usage
from anaphora.values.scope import Scope
from anaphora.values.transcript import START, ConversationInfo, Entry, Extent, Hit, Size

_MESSAGE = f"{ITS_MESSAGES} AND id = ?"
_STARTS_TURN = "CASE WHEN role = 'user' THEN 1 ELSE 0 END"
_EVERYTHING = (1 << 60,) * 3
# From a message back to the root, or to the user's message with which one of the three measures is exceeded.
# A parent is always older than its child, so the order of the messages is that of the path.
_PATH = f"""
WITH RECURSIVE path (number, parent, role, messages, turns, tokens) AS (
    SELECT number, parent, role, 1, {_STARTS_TURN}, tokens FROM messages WHERE {_MESSAGE}
    UNION ALL
    SELECT up.number, up.parent, up.role, path.messages + 1, path.turns + CASE WHEN up.role = 'user' THEN 1 ELSE 0 END,
        path.tokens + up.tokens
    FROM path JOIN messages AS up ON up.owner = ? AND up.conversation = ? AND up.id = path.parent
    WHERE path.role <> 'user' OR (path.messages <= ? AND path.turns <= ? AND path.tokens <= ?)
)
SELECT {ENTRY} FROM messages WHERE owner = ? AND number IN (SELECT number FROM path) ORDER BY "order"
"""


def begin(database: Database, scope: Scope, draft: Draft | None, seconds: float, run: NewRun | None = None) -> Begun:
    lease = acquire(database, scope=scope, seconds=seconds)
    entry = None if draft is None else append(database, scope=scope, draft=draft)
    if run is not None:
        runs.insert(database, scope, run, None if entry is None else entry.id)
    return Begun(lease, entry)


def append(database: Database, scope: Scope, draft: Draft) -> Entry:
    if draft.key is not None:
        known = database.execute(
            f"SELECT {ENTRY} FROM messages WHERE {ITS_MESSAGES} AND key = ?", (*key(scope), draft.key)
        ).fetchone()
        if known is not None:
            return entry_of(known)
    if draft.at_head:
        draft = replace(draft, parent=info(database, scope=scope).head)
    for above in draft.above:
        draft = replace(draft, parent=append(database, scope, replace(above, parent=draft.parent)).id)
    last, before = _place_below(database, scope, draft.parent)
    entry = new_entry(draft, before, order=last + 1)
    _grow(database, scope, draft, entry)
    _insert(database, scope, entry)
    if draft.call is not None:
        record(database, scope.owner, draft.call)
    return entry


def change(database: Database, scope: Scope, message_id: str, change: Change) -> Entry:
    row = database.execute(f"SELECT number, {ENTRY} FROM messages WHERE {_MESSAGE}", (*key(scope), message_id)).fetchone()
    if row is None:
        raise _no_message(message_id)
    number, entry = row[0], entry_of(row[1:])
    if entry.status != "pending" and not _resumes(database, scope, number, entry, change):
        raise MessageEnded(f"message {message_id} has ended ({entry.status}) and cannot be changed.")
    after = changed(entry, change)
    if after.status == "pending" and add_piece(database, scope, number, change):
        return after
    drop_pieces(database, scope, number)
    database.execute(
        f"UPDATE messages SET parts = ?, status = ?, tokens = ?, counter = ?, usage = ?, model = ? WHERE {ITS_NUMBER}",
        (
            parts_text(after.message),
            after.status,
            after.tokens,
            after.size.counter,
            usage_text(after.usage),
            after.model,
            scope.owner,
            number,
        ),
    )
    if after.status != "pending":
        _touch(database, scope, usage=None if change.call else change.usage)
        _conclude(database, scope, change, after)
    return after


def measure(database: Database, scope: Scope, message_id: str, size: Size) -> None:
    _found(database, scope, message_id)
    database.execute(
        f"UPDATE messages SET tokens = ?, counter = ? WHERE {_MESSAGE}",
        (size.tokens, size.counter, *key(scope), message_id),
    )


def move_head(database: Database, scope: Scope, message_id: str | None) -> None:
    make(database, scope)
    if message_id is not None:
        _found(database, scope, message_id)
    database.execute(f"UPDATE conversations SET head = ? WHERE {THIS_CONVERSATION}", (message_id, *key(scope)))


def branch(database: Database, scope: Scope, message_id: str | None, reach: Extent | None) -> list[Entry]:
    if message_id is None:
        return []
    most = _EVERYTHING if reach is None else (reach.messages, reach.turns, reach.tokens)
    rows = database.execute(_PATH, (*key(scope), message_id, *key(scope), *most, scope.owner)).fetchall()
    if not rows:
        raise _no_message(message_id)
    return _entries(database, scope, rows)


def children(database: Database, scope: Scope, message_id: str | None) -> list[Entry]:
    below, values = ("parent IS NULL", ()) if message_id is None else ("parent = ?", (message_id,))
    rows = database.execute(
        f'SELECT {ENTRY} FROM messages WHERE {ITS_MESSAGES} AND {below} ORDER BY "order"', (*key(scope), *values)
    )
    return _entries(database, scope, rows)


def leaves(database: Database, scope: Scope) -> list[Entry]:
    rows = database.execute(
        f"SELECT {ENTRY} FROM messages AS leaf WHERE {ITS_MESSAGES} AND NOT EXISTS (SELECT 1 FROM messages AS child"
        " WHERE child.owner = leaf.owner AND child.conversation = leaf.conversation AND child.parent = leaf.id)"
        ' ORDER BY "order"',
        key(scope),
    )
    return _entries(database, scope, rows)


def forget(database: Database, scope: Scope, message_id: str) -> None:
    from anaphora.search.words import tells_of

    row = database.execute(f"SELECT parts FROM messages WHERE {_MESSAGE}", (*key(scope), message_id)).fetchone()
    if row is None:
        raise _no_message(message_id)
    text = searchable_text(row[0])
    everywhere = "owner = ? AND id = ?"
    titles = database.execute(
        "SELECT id, title FROM conversations WHERE owner = ? AND id IN"
        " (SELECT conversation FROM messages WHERE owner = ? AND id = ?)",
        (scope.owner, scope.owner, message_id),
    ).fetchall()
    for conversation, title in titles:
        database.execute(
            f"UPDATE conversations SET forgotten = forgotten + 1 WHERE {THIS_CONVERSATION}", (scope.owner, conversation)
        )
        if tells_of(title, text):
            database.execute(f"UPDATE conversations SET title = '' WHERE {THIS_CONVERSATION}", (scope.owner, conversation))
    runs.forget_runs(database, scope.owner)
    drop_derived(database, owner=scope.owner, message_id=message_id)
    database.fulltext.remove(everywhere, (scope.owner, message_id))
    its_pieces = f"DELETE FROM pieces WHERE owner = ? AND number IN (SELECT number FROM messages WHERE {everywhere})"
    database.execute(its_pieces, (scope.owner, scope.owner, message_id))
    database.execute(f"UPDATE messages SET parts = '[]', tokens = 0, counter = '' WHERE {everywhere}", (scope.owner, message_id))


def delete(database: Database, scope: Scope) -> None:
    check_free(database, scope)
    drop_evidence_of(database, scope)
    database.fulltext.remove(ITS_MESSAGES, key(scope))
    database.execute(f"DELETE FROM conversations WHERE {THIS_CONVERSATION}", key(scope))
    # The bill stays, without the name of what it was for.
    database.execute(f"UPDATE calls SET conversation = '' WHERE {ITS_MESSAGES}", key(scope))


def transcript(database: Database, scope: Scope) -> list[Entry]:
    rows = database.execute(f'SELECT {ENTRY} FROM messages WHERE {ITS_MESSAGES} ORDER BY "order"', key(scope))
    return _entries(database, scope, rows)


def restore(database: Database, owner: str, given: ConversationInfo, entries: Sequence[Entry]) -> int:
    scope = Scope(owner, given.id)
    make(database, scope)
    check_free(database, scope)
    there = {entry.id: entry for entry in transcript(database, scope=scope)}
    before = info(database, scope=scope)
    missing = [entry for entry in entries if entry.id not in there]
    for entry in missing:
        if entry.parent is not None and entry.parent not in there:
            raise _no_message(entry.parent)
        before_it = START if entry.parent is None else there[entry.parent].before + there[entry.parent].extent
        there[entry.id] = restored(entry, before_it, order=len(there) + 1)
        _insert(database, scope, there[entry.id])
    after = given if before.messages == 0 else before
    if before.messages and missing:
        path = branch(database, scope=scope, message_id=given.head, reach=None)
        head = given.head if any(entry.id == before.head for entry in path) else before.head
        after = replace(before, head=head, usage=sum((entry.usage for entry in missing if entry.usage), before.usage))
    database.execute(
        "UPDATE conversations SET title = ?, system = ?, head = ?, created = ?, updated = ?, usage = ?, learned = ?, model = ?,"
        " messages = ?"
        f" WHERE {THIS_CONVERSATION}",
        (
            *(
                after.title,
                after.system,
                after.head,
                after.created,
                after.updated,
                usage_text(after.usage),
                after.learned,
                after.model,
            ),
            len(there),
            *key(scope),
        ),
    )
    return len(missing)


def info(database: Database, scope: Scope) -> ConversationInfo:
    row = database.execute(f"SELECT {CONVERSATION} FROM conversations WHERE {THIS_CONVERSATION}", key(scope)).fetchone()
    if row is None:
        now = time.time()
        return ConversationInfo(scope.conversation, "", None, None, now, now, 0)
    return conversation_of(row)


def describe(
    database: Database,
    scope: Scope,
    title: str | None,
    system: str | None,
    model: str | None,
    settings: Mapping[str, Any] | None,
) -> None:
    make(database, scope)
    database.execute(
        "UPDATE conversations SET title = coalesce(?, title), system = coalesce(?, system), model = coalesce(?, model),"
        f" settings = coalesce(?, settings) WHERE {THIS_CONVERSATION}",
        (title, system, model, None if settings is None else json.dumps(settings), *key(scope)),
    )


def conversations(database: Database, owner: str, limit: int | None) -> list[ConversationInfo]:
    newest = f"SELECT {CONVERSATION} FROM conversations WHERE owner = ? AND messages > 0 ORDER BY updated DESC"
    rows = database.execute(f"{newest} LIMIT {int(limit)}" if limit is not None else newest, (owner,))
    found: list[ConversationInfo] = []
    for row in rows:
        # One that cannot be read hides no other.
        with suppress(UnreadableRow):
            found.append(conversation_of(row))
    return found


def _insert(database: Database, scope: Scope, entry: Entry) -> None:
    row = (*key(scope), *entry_row(entry), line_of_new(database, scope, entry))
    insert = (
        f"INSERT INTO messages (owner, conversation, {ENTRY}, indexed, line) VALUES ({', '.join('?' * (len(row) - 1))}, 0, ?)"
    )
    database.execute(insert, row)


def _touch(database: Database, scope: Scope, *, usage: Usage | None) -> None:
    """The conversation has changed just now; what is None stays."""
    total = None if usage is None else usage_text(info(database, scope=scope).usage + usage)
    database.execute(
        f"UPDATE conversations SET updated = ?, usage = coalesce(?, usage) WHERE {THIS_CONVERSATION}",
        (time.time(), total, *key(scope)),
    )


def _grow(database: Database, scope: Scope, draft: Draft, entry: Entry) -> None:
    """Counts a new message, names the conversation if it has no name, moves the head and gives the lease back."""
    changes: str = "updated = ?, messages = messages + 1"
    values: tuple[object, ...] = (entry.created,)
    if draft.title:
        changes, values = f"{changes}, title = CASE WHEN title = '' THEN ? ELSE title END", (*values, draft.title)
    alone = f"UPDATE conversations SET {changes} WHERE {THIS_CONVERSATION}"
    if draft.head and draft.release is not None:
        whole = f"UPDATE conversations SET {changes}, head = ?, holder = NULL WHERE {THIS_CONVERSATION} AND holder = ?"
        if database.execute(whole, (*values, entry.id, *key(scope), draft.release.holder)).rowcount:
            return
        # The lease was lost: the message is kept, and the head stays.
        database.execute(alone, (*values, *key(scope)))
        return
    if not database.execute(alone, (*values, *key(scope))).rowcount:
        make(database, scope)
        database.execute(alone, (*values, *key(scope)))
    if draft.head:
        database.execute(f"UPDATE conversations SET head = ? WHERE {THIS_CONVERSATION}", (entry.id, *key(scope)))
    if draft.release is not None:
        release(database, draft.release)


def _conclude(database: Database, scope: Scope, ending: Change, entry: Entry) -> None:
    """Moves the head, records the call and gives the lease back, as far as a message asks for it.

    A writer that has lost its lease meanwhile moves no head.
    """
    if ending.head:
        held, holder = ("", ()) if ending.release is None else (" AND holder = ?", (ending.release.holder,))
        database.execute(f"UPDATE conversations SET head = ? WHERE {THIS_CONVERSATION}{held}", (entry.id, *key(scope), *holder))
    if ending.call is not None:
        record(database, owner=scope.owner, call=ending.call)
    if ending.release is not None:
        release(database, lease=ending.release)


def _place_below(database: Database, scope: Scope, parent: str | None) -> tuple[int, Extent]:
    """The order of the newest message, and the extent of the branch that ends with ``parent``. Raises NotFound."""
    last = f'SELECT coalesce(max("order"), 0) FROM messages WHERE {ITS_MESSAGES}'
    if parent is None:
        return int(database.execute(last, key(scope)).fetchone()[0]), START
    row = database.execute(
        f"SELECT ({last}), before_messages + 1, before_turns + {_STARTS_TURN}, before_tokens + tokens FROM messages"
        f" WHERE {_MESSAGE}",
        (*key(scope), *key(scope), parent),
    ).fetchone()
    if row is None:
        raise _no_message(parent)
    return row[0], Extent(*row[1:])


def _found(database: Database, scope: Scope, message_id: str) -> Entry:
    row = database.execute(f"SELECT {ENTRY} FROM messages WHERE {_MESSAGE}", (*key(scope), message_id)).fetchone()
    if row is None:
        raise _no_message(message_id)
    return _entries(database, scope, [row])[0]


def _entries(database: Database, scope: Scope, rows: Iterable[Sequence[Any]]) -> list[Entry]:
    """The messages in rows, those that are being written with everything that came so far. Raises UnreadableRow."""
    found = [entry_of(row) for row in rows]
    return [with_pieces(database, scope, entry) if entry.status == "pending" else entry for entry in found]


def _resumes(database: Database, scope: Scope, number: int, entry: Entry, change: Change) -> bool:
    """True if the writer of a message that was ended for it (it was suspended, perhaps) goes on with its own words."""
    if entry.status != "interrupted" or not change.resumes:
        return False
    return growth(whole_message(database, scope, number, entry.message), change.message) is not None


def _no_message(message_id: str) -> NotFound:
    return NotFound(f"no message {message_id!r} in this conversation.")


def search(database: Database, owner: str, query: Query) -> list[Hit]:
    """Finds the messages that have everything that a query asks for, the newest first."""
    found = f"SELECT conversation, {ENTRY} FROM messages WHERE {ITS_NUMBER}"
    about = f"SELECT {CONVERSATION} FROM conversations WHERE {THIS_CONVERSATION}"
    hits = []
    for number in database.fulltext.find(owner, query):
        row = database.execute(found, (owner, number)).fetchone()
        info = row and database.execute(about, (owner, row[0])).fetchone()
        # Another process may have deleted it just now.
        if info:
            with suppress(UnreadableRow):
                hits.append(hit(conversation_of(info), entry_of(row[1:]), query))
    return hits
