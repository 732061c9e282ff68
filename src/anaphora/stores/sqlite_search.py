"""The full-text index of the SQLite store (FTS5), kept by the transactions that write the messages.

It holds words, not texts: what is found is read from the messages. Every message knows whether it is in the index, so that what
was written without it (by a Python whose SQLite lacks FTS5, or before there was an index) is added by the next search.
Where FTS5 is missing, a search reads the messages themselves.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import islice

from anaphora.codec import parts_from_json
from anaphora.errors import StoreError
from anaphora.fulltext import has_all, patterns, phrases, searchable, words
from anaphora.message import Message
from anaphora.stores.base import Query, hit
from anaphora.stores.sqlite_rows import CONVERSATION, ENTRY, THIS_CONVERSATION, conversation_of, entry_of
from anaphora.transcript import Hit

# Of the newest so many matches the newest by date are given: what was imported may be older than it was stored.
_CANDIDATES = 200
# Where the index knows no such words, letters inside of words are looked for in so many of the newest messages.
_SCANNED = 10_000
# Fewer letters begin too many words.
_LEAST_PREFIX = 4
_ALL = 1 << 60
_MISSING = "indexed = 0 AND status <> 'pending'"
_CREATE = """
CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5 (
    text, owner, content = '', tokenize = "porter unicode61 categories 'L* N* Co S*' tokenchars '#%&@\\'"
)
"""


@cache
def has_fts5() -> bool:
    """Whether this Python's SQLite has full-text search."""
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            database.execute("CREATE VIRTUAL TABLE probe USING fts5 (x)")
        except sqlite3.OperationalError:
            return False
    return True


def create_index(database: sqlite3.Connection) -> None:
    """Make the index if it is not there."""
    if has_fts5():
        database.execute(_CREATE)


def index(database: sqlite3.Connection, number: int, owner: str, message: Message) -> None:
    """Take an ended message into the index; its row says already that it is there."""
    insert = "INSERT INTO search (rowid, text, owner) VALUES (?, ?, ?)"
    database.execute(insert, (number, " ".join(words(searchable(message))), mark(owner)))


def unindex(database: sqlite3.Connection, where: str, values: Sequence[str]) -> None:
    """Take these messages out of the index, every trace of them. Raises StoreError if it cannot be written."""
    rows = database.execute(f"SELECT number, owner, parts FROM messages WHERE {where} AND indexed = 1", values).fetchall()
    if rows and not has_fts5():
        raise StoreError(
            "the search index cannot be changed: this Python's SQLite lacks FTS5. Do it with the Python that made the index."
        )
    if rows:
        delete = "INSERT INTO search (search, rowid, text, owner) VALUES ('delete', ?, ?, ?)"
        database.executemany(
            delete, ((number, " ".join(words(searchable(_message(parts)))), mark(owner)) for number, owner, parts in rows)
        )
        database.executemany("UPDATE messages SET indexed = 0 WHERE number = ?", ((row[0],) for row in rows))
        # A deleted word stays in its segment until segments are merged.
        database.execute("INSERT INTO search (search) VALUES ('optimize')")


def is_behind(database: sqlite3.Connection) -> bool:
    """Whether ended messages are missing in the index."""
    return has_fts5() and database.execute(f"SELECT 1 FROM messages WHERE {_MISSING} LIMIT 1").fetchone() is not None


def catch_up(database: sqlite3.Connection) -> None:
    """Take into the index what ended without it: interrupted answers, and what a program without FTS5 wrote."""
    for number, owner, parts in database.execute(f"SELECT number, owner, parts FROM messages WHERE {_MISSING}").fetchall():
        index(database, number, owner, _message(parts))
        database.execute("UPDATE messages SET indexed = 1 WHERE number = ?", (number,))


def search(database: sqlite3.Connection, *, owner: str, query: Query) -> list[Hit]:
    """The verb of the store."""
    found = f"SELECT conversation, {ENTRY} FROM messages WHERE number = ?"
    about = f"SELECT {CONVERSATION} FROM conversations WHERE {THIS_CONVERSATION}"
    hits = []
    for number in find(database, owner, query):
        row = database.execute(found, (number,)).fetchone()
        info = row and database.execute(about, (owner, row[0])).fetchone()
        # Another process may have deleted it just now.
        if info:
            hits.append(hit(conversation_of(info), entry_of(row[1:]), query))
    return hits


def find(database: sqlite3.Connection, owner: str, query: Query) -> list[int]:
    """The rows of the messages that have all that a query asks for, newest first.

    First those with its words, in any form; if there are none, with words that begin so; if there are none, with its
    letters anywhere, in the newest messages.
    """
    wanted = phrases(query.text)
    rows: list[int] = []
    scanned = _ALL
    if wanted and has_fts5():
        marked = owner if has_others(database, owner) else None
        rows = _matches(database, _expression(wanted, marked), owner, query) or _matches(
            database, _expression(wanted, marked, prefix=True), owner, query
        )
        scanned = _SCANNED
    elif wanted:
        forms = patterns(query.text)
        rows = _scan(database, owner, query, lambda text: has_all(text, forms))
    chunks = [chunk.casefold() for chunk in query.text.split()]
    return rows or _scan(
        database, owner, query, lambda text: all(chunk in text.casefold() for chunk in chunks), chunks=chunks, newest=scanned
    )


def _matches(database: sqlite3.Connection, expression: str, owner: str, query: Query) -> list[int]:
    rows = database.execute(
        "SELECT number FROM (SELECT messages.number, messages.created FROM search"
        " JOIN messages ON messages.number = search.rowid"
        " WHERE search MATCH ? AND messages.owner = ? AND (? IS NULL OR messages.conversation = ?)"
        " ORDER BY search.rowid DESC LIMIT ?) ORDER BY created DESC, number DESC LIMIT ?",
        (expression, owner, query.conversation, query.conversation, max(_CANDIDATES, query.limit), query.limit),
    )
    return [row[0] for row in rows]


def _expression(wanted: Sequence[Sequence[str]], owner: str | None, *, prefix: bool = False) -> str:
    """What FTS5 is asked for; ``owner`` None where there is only one."""
    stars = ("*" if prefix and len(phrase[-1]) >= _LEAST_PREFIX else "" for phrase in wanted)
    every = " AND ".join(f'"{" ".join(phrase)}"{star}' for phrase, star in zip(wanted, stars, strict=True))
    return f"text : ({every})" + (f' AND owner : "{mark(owner)}"' if owner is not None else "")


def has_others(database: sqlite3.Connection, owner: str) -> bool:
    """Whether it is worth the while to look for this owner's words only."""
    others = "SELECT 1 FROM conversations WHERE owner < ? UNION ALL SELECT 1 FROM conversations WHERE owner > ? LIMIT 1"
    return database.execute(others, (owner, owner)).fetchone() is not None


def _scan(
    database: sqlite3.Connection,
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
    return list(islice((number for number, parts in rows if fits(searchable(_message(parts)))), query.limit))


def _like(chunk: str) -> str:
    """A pattern for text as it stands inside of JSON."""
    inside = json.dumps(chunk, ensure_ascii=False)[1:-1]
    return "%" + inside.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _message(parts: str) -> Message:
    return Message("user", parts_from_json(json.loads(parts)))


@lru_cache(maxsize=1_000)
def mark(owner: str) -> str:
    """A word for an owner that no text has: only digits, so that no stemmer changes it."""
    return str(int.from_bytes(blake2b(owner.encode(), digest_size=8).digest()))
