"""The additions to a message while it is written: each is a row, so that a long answer is not written again and again."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from anaphora.stores.records import Change
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.rows import ENTRY as COLUMNS
from anaphora.stores.sql.rows import ITS_MESSAGES, entry_of, key, parts_text
from anaphora.values.growth import grown, growth
from anaphora.values.message import Message
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry


def add_piece(database: Database, number: int, change: Change) -> bool:
    """Adds what came since the last write. Gives False if the message must be written as a whole."""
    added = None if change.since is None else growth(change.since, change.message)
    if added is None:
        return False
    place = int(database.execute("SELECT count(*) FROM pieces WHERE number = ?", (number,)).fetchone()[0])
    database.execute(
        "INSERT INTO pieces (number, place, added) VALUES (?, ?, ?)", (number, place, json.dumps(added, ensure_ascii=False))
    )
    size = change.size
    database.execute("UPDATE messages SET tokens = ?, counter = ? WHERE number = ?", (size.tokens, size.counter, number))
    return True


def whole_message(database: Database, number: int, message: Message) -> Message:
    """Gives a message with its pieces; without those from the first that cannot be read."""
    for (added,) in database.execute("SELECT added FROM pieces WHERE number = ? ORDER BY place", (number,)).fetchall():
        try:
            message = grown(message, json.loads(added))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            break
    return message


def with_pieces(database: Database, scope: Scope, entry: Entry) -> Entry:
    """Gives a message that is being written, with everything that came so far."""
    number = database.execute(f"SELECT number FROM messages WHERE {ITS_MESSAGES} AND id = ?", (*key(scope), entry.id)).fetchone()
    return replace(entry, message=whole_message(database, number[0], entry.message))


def _set_aside_unreadable(database: Database, scope: Scope, number: int, message: Message) -> None:
    """Moves the pieces from the first that cannot be read into the quarantine: nothing is deleted."""
    rows = database.execute("SELECT place, added FROM pieces WHERE number = ? ORDER BY place", (number,)).fetchall()
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
    pieces = f"SELECT number, {COLUMNS} FROM messages WHERE {pending} AND number IN (SELECT number FROM pieces)"
    for number, *row in database.execute(pieces, key(scope)).fetchall():
        message = whole_message(database, number, entry_of(row).message)
        _set_aside_unreadable(database, scope, number, entry_of(row).message)
        database.execute("UPDATE messages SET parts = ? WHERE number = ?", (parts_text(message), number))
        database.execute("DELETE FROM pieces WHERE number = ?", (number,))
    database.execute(f"UPDATE messages SET status = 'interrupted' WHERE {pending}", key(scope))
