"""The additions to a message while it is written: each is a row, so that a long answer is not written again and again."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from anaphora.stores.records import Change
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.rows import ENTRY as COLUMNS
from anaphora.stores.sql.rows import ITS_MESSAGES, ITS_NUMBER, entry_of, key, parts_text
from anaphora.values.growth import grown, growth
from anaphora.values.message import Message
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry


def add_piece(database: Database, scope: Scope, number: int, change: Change) -> bool:
    """Adds what came since the last write. Gives False if the message must be written as a whole."""
    added = None if change.since is None else growth(change.since, change.message)
    if added is None:
        return False
    its = scope.owner, number
    place = int(database.execute(f"SELECT count(*) FROM pieces WHERE {ITS_NUMBER}", its).fetchone()[0])
    text = json.dumps(added, ensure_ascii=False)
    database.execute("INSERT INTO pieces (owner, number, place, added) VALUES (?, ?, ?, ?)", (*its, place, text))
    size = change.size
    database.execute(f"UPDATE messages SET tokens = ?, counter = ? WHERE {ITS_NUMBER}", (size.tokens, size.counter, *its))
    return True


def drop_pieces(database: Database, scope: Scope, number: int) -> None:
    """Removes the pieces of a message that has been put together."""
    database.execute(f"DELETE FROM pieces WHERE {ITS_NUMBER}", (scope.owner, number))


def _pieces(database: Database, scope: Scope, number: int) -> list[tuple[int, str]]:
    rows = database.execute(f"SELECT place, added FROM pieces WHERE {ITS_NUMBER} ORDER BY place", (scope.owner, number))
    return [(place, added) for place, added in rows.fetchall()]


def whole_message(database: Database, scope: Scope, number: int, message: Message) -> Message:
    """Gives a message with its pieces; without those from the first that cannot be read."""
    for _, added in _pieces(database, scope, number):
        try:
            message = grown(message, json.loads(added))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            break
    return message


def with_pieces(database: Database, scope: Scope, entry: Entry) -> Entry:
    """Gives a message that is being written, with everything that came so far."""
    number = database.execute(f"SELECT number FROM messages WHERE {ITS_MESSAGES} AND id = ?", (*key(scope), entry.id)).fetchone()
    return replace(entry, message=whole_message(database, scope, number[0], entry.message))


def _set_aside_unreadable(database: Database, scope: Scope, number: int, message: Message) -> None:
    """Moves the pieces from the first that cannot be read into the quarantine: nothing is deleted."""
    rows = _pieces(database, scope, number)
    for index, (_, added) in enumerate(rows):
        try:
            message = grown(message, json.loads(added))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            for place, text in rows[index:]:
                row = json.dumps({"number": number, "place": place, "added": str(text)}, ensure_ascii=False)
                database.execute(
                    "INSERT INTO quarantine (owner, source, row, reason, moved) VALUES (?, 'pieces', ?, ?, ?)",
                    (scope.owner, row, "a piece of a message that was being written cannot be read", time.time()),
                )
            return


def end_pending(database: Database, scope: Scope) -> None:
    """Ends what a dead writer left unfinished in a conversation: it is interrupted, and its pieces are put together."""
    pending = f"{ITS_MESSAGES} AND status = 'pending'"
    pieces = f"SELECT number, {COLUMNS} FROM messages WHERE {pending} AND number IN (SELECT number FROM pieces WHERE owner = ?)"
    for number, *row in database.execute(pieces, (*key(scope), scope.owner)).fetchall():
        message = whole_message(database, scope, number, entry_of(row).message)
        _set_aside_unreadable(database, scope, number, entry_of(row).message)
        database.execute(f"UPDATE messages SET parts = ? WHERE {ITS_NUMBER}", (parts_text(message), scope.owner, number))
        drop_pieces(database, scope, number)
    database.execute(f"UPDATE messages SET status = 'interrupted' WHERE {pending}", key(scope))
