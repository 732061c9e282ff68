"""The full-text index of the SQLite store (FTS5), kept by the transactions that write the messages.

It holds terms (search/terms.py), not texts, and each only as a hash that is keyed by the database and its owner: what is found is
read from the messages, nobody's words are found by anybody else, and a message that is forgotten leaves no word behind, so that
nothing need be merged. FTS5's own ``secure-delete`` would do the same, but a file with it cannot be read before SQLite 3.42.

Every message knows whether it is in the index. What was written without it (by a Python whose SQLite lacks FTS5, or by an older
program) is added bit by bit, and found by reading until then. Where FTS5 is missing, a search reads the messages themselves.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import cache
from itertools import islice

from anaphora.errors import StoreError
from anaphora.stores.records import Query
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.rows import parts_of, searchable_text
from anaphora.stores.sql.term_hash import UNINDEXED_READ, hashed_row, hashed_terms, index_key
from anaphora.values.message import Message, Role

# Of the newest so many matches the newest by date are given: what was imported may be older than it was stored.
_CANDIDATES = 200
# Where the index knows no such words, letters inside of words are looked for in so many of the newest messages.
_SCANNED = 100_000
_ALL = 1 << 60
_MISSING = "indexed = 0 AND status <> 'pending'"
_CREATE = "CREATE VIRTUAL TABLE IF NOT EXISTS terms USING fts5 (text, content = '', columnsize = 0, tokenize = 'ascii')"


@cache
def has_fts5() -> bool:
    """True if this Python's SQLite has full-text search."""
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute("CREATE VIRTUAL TABLE probe USING fts5 (x)")
        except sqlite3.OperationalError:
            return False
    return True


def create_index(database: Database) -> None:
    """Make the index if it is not there, in the place of one that an older program made."""
    if has_fts5() and database.execute("SELECT 1 FROM sqlite_master WHERE name = 'terms'").fetchone() is None:
        database.execute("DROP TABLE IF EXISTS search")
        database.execute(_CREATE)


def index(database: Database, number: int, owner: str, message: Message) -> None:
    """Take an ended message into the index; its row says already that it is there."""
    row = (number, " ".join(hashed_terms(index_key(database), owner, message)))
    database.execute("INSERT INTO terms (rowid, text) VALUES (?, ?)", row)


def unindex(database: Database, where: str, values: Sequence[str]) -> None:
    """Take these messages out of the index. Raises StoreError if it cannot be written."""
    rows = database.execute(f"SELECT number, owner, role, parts FROM messages WHERE {where} AND indexed = 1", values).fetchall()
    if rows and not has_fts5():
        raise StoreError(
            "the search index cannot be changed: this Python's SQLite lacks FTS5. Do it with the Python that made the index."
        )
    if not rows:
        return
    key = index_key(database)
    database.executemany(
        "INSERT INTO terms (terms, rowid, text) VALUES ('delete', ?, ?)",
        ((number, " ".join(hashed_terms(key, owner, _message(parts, role)))) for number, owner, role, parts in rows),
    )
    database.executemany("UPDATE messages SET indexed = 0 WHERE number = ?", ((row[0],) for row in rows))


def unindexed(database: Database) -> int:
    """Counts the ended messages that are missing in the index."""
    if not has_fts5():
        return 0
    return int(database.execute(f"SELECT count(*) FROM messages WHERE {_MISSING}").fetchone()[0])


def is_behind(database: Database) -> bool:
    """True if ended messages are missing in the index."""
    return has_fts5() and database.execute(f"SELECT 1 FROM messages WHERE {_MISSING} LIMIT 1").fetchone() is not None


def catch_up(database: Database, most: int) -> bool:
    """Take into the index what ended without it, the newest first, at most so many messages; tells whether that was all."""
    rows = database.execute(
        f"SELECT number, owner, role, parts FROM messages WHERE {_MISSING} ORDER BY number DESC LIMIT ?", (most,)
    ).fetchall()
    for number, owner, role, parts in rows:
        index(database, number, owner, _message(parts, role))
        database.execute("UPDATE messages SET indexed = 1 WHERE number = ?", (number,))
    return len(rows) < most


class SQLiteTerms:
    """The index as the ranking asks it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.key = index_key(database)

    def in_a_row(self, terms: Sequence[str]) -> str:
        """Gives the expression for hashed terms in a row."""
        return in_a_row(terms)

    def any_of(self, expressions: Sequence[str]) -> str:
        """Gives the expression for one of several."""
        return f"({' OR '.join(expressions)})"

    def all_of(self, expressions: Sequence[str]) -> str:
        """Gives the expression for all of several."""
        return f"({' AND '.join(expressions)})"

    def newest(self, expression: str, limit: int, conversation: str) -> list[int]:
        """Gives the numbers of the newest rows with an expression."""
        if not conversation:
            found = "SELECT rowid FROM terms WHERE terms MATCH ? ORDER BY rowid DESC LIMIT ?"
            return [number for (number,) in self._database.execute(found, (expression, limit)).fetchall()]
        found = (
            "SELECT terms.rowid FROM terms JOIN messages ON messages.number = terms.rowid WHERE terms MATCH ?"
            " AND messages.conversation = ? ORDER BY terms.rowid DESC LIMIT ?"
        )
        return [number for (number,) in self._database.execute(found, (expression, conversation, limit)).fetchall()]

    def count(self, expression: str, most: int) -> int:
        """Counts the rows with an expression, up to so many."""
        some = "SELECT count(*) FROM (SELECT 1 FROM terms WHERE terms MATCH ? LIMIT ?)"
        return int(self._database.execute(some, (expression, most)).fetchone()[0])

    def count_newest(self, expression: str, rows: int) -> int:
        """Counts the rows with an expression among so many of the newest."""
        newest = "SELECT count(*) FROM terms WHERE terms MATCH ? AND rowid > (SELECT max(number) FROM messages) - ?"
        return int(self._database.execute(newest, (expression, rows)).fetchone()[0])

    def is_behind(self, owner: str) -> bool:
        """True if ended messages are missing in the index."""
        del owner
        return is_behind(self._database)


def find(database: Database, owner: str, query: Query) -> list[int]:
    """The rows of the messages that have all that a query asks for, newest first.

    First those with its words, in any form; if there are none, with its letters anywhere, in the newest messages.
    """
    from anaphora.search.words import phrases

    wanted = phrases(query.text)
    rows: list[int] = []
    scanned = _ALL
    if wanted and has_fts5():
        rows = _matches(database, _expression(database, wanted, owner), owner, query)
        if is_behind(database):
            rows = _newest(database, [*rows, *_scan_words(database, owner, query, unindexed_only=True)], query)
        scanned = _SCANNED
    elif wanted:
        rows = _scan_words(database, owner, query)
    chunks = [chunk.casefold() for chunk in query.text.split()]
    return rows or _scan(
        database, owner, query, lambda text: all(chunk in text.casefold() for chunk in chunks), chunks=chunks, newest=scanned
    )


def _matches(database: Database, expression: str, owner: str, query: Query) -> list[int]:
    rows = database.execute(
        "SELECT number FROM (SELECT messages.number, messages.created FROM terms"
        " JOIN messages ON messages.number = terms.rowid"
        " WHERE terms MATCH ? AND messages.owner = ? AND (? IS NULL OR messages.conversation = ?)"
        " ORDER BY terms.rowid DESC LIMIT ?) ORDER BY created DESC, number DESC LIMIT ?",
        (expression, owner, query.conversation, query.conversation, max(_CANDIDATES, query.limit), query.limit),
    )
    return [row[0] for row in rows]


def _newest(database: Database, numbers: Sequence[int], query: Query) -> list[int]:
    """These rows by date, as many as the query wants."""
    dates = {
        number: database.execute("SELECT created FROM messages WHERE number = ?", (number,)).fetchone() for number in numbers
    }
    there = [number for number, created in dates.items() if created]
    return sorted(there, key=lambda number: (dates[number], number), reverse=True)[: query.limit]


def _expression(database: Database, wanted: Sequence[Sequence[str]], owner: str) -> str:
    """Gives the FTS5 expression: every phrase, in one of the languages it may be in."""
    from anaphora.search.languages import languages_of

    key = index_key(database)
    languages = languages_of([word for phrase in wanted for word in phrase])
    return " AND ".join(_phrase(key, owner, phrase, languages) for phrase in wanted)


def _phrase(key: bytes, owner: str, phrase: Sequence[str], languages: Sequence[str]) -> str:
    from anaphora.search.terms import forms

    rows = dict.fromkeys(tuple(form for word in phrase for form in forms(word, (language,))[0]) for language in languages)
    return f"({' OR '.join(in_a_row(hashed_row(key, owner, row)) for row in rows)})"


def in_a_row(terms: Iterable[str]) -> str:
    """Gives the FTS5 expression for hashed terms in a row."""
    return f'"{" ".join(terms)}"'


def _scan_words(database: Database, owner: str, query: Query, *, unindexed_only: bool = False) -> list[int]:
    """Without the index: the messages that have the words, by reading them."""
    from anaphora.search.words import has_all, patterns, searchable

    wanted = patterns(query.text)
    if unindexed_only:
        rows = database.execute(
            f"SELECT number, owner, conversation, parts FROM messages WHERE {_MISSING} ORDER BY number DESC LIMIT ?",
            (UNINDEXED_READ,),
        )
        mine = ((number, parts) for number, whose, where, parts in rows if whose == owner and query.conversation in {None, where})
        return list(islice((number for number, parts in mine if has_all(searchable(_message(parts)), wanted)), query.limit))
    return _scan(database, owner, query, lambda text: has_all(text, wanted))


def _scan(
    database: Database,
    owner: str,
    query: Query,
    fits: Callable[[str], bool],
    *,
    chunks: Sequence[str] = (),
    newest: int = _ALL,
) -> list[int]:
    """Without the index: the messages whose text fits. Those with ``chunks`` somewhere in their JSON are looked at."""
    likes = "".join(" AND parts LIKE ? ESCAPE '\\'" for _ in chunks)
    rows = database.execute(
        # By the number of the row: an index would be read for all that the owner ever said.
        "SELECT number, parts FROM messages NOT INDEXED WHERE number > (SELECT coalesce(max(number), 0) FROM messages) - ?"
        f" AND owner = ? AND (? IS NULL OR conversation = ?) AND status <> 'pending'{likes} ORDER BY number DESC",
        (newest, owner, query.conversation, query.conversation, *map(_like, chunks)),
    )
    return list(islice((number for number, parts in rows if fits(searchable_text(parts))), query.limit))


def _like(chunk: str) -> str:
    """A pattern for text as it stands inside of JSON."""
    inside = json.dumps(chunk, ensure_ascii=False)[1:-1]
    return "%" + inside.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _message(parts: str, role: Role = "user") -> Message:
    """Gives a message as it is indexed; without parts if they cannot be read."""
    try:
        return Message(role, parts_of(parts))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Message(role, ())
