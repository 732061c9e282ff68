"""The full-text index of the Postgres store: hashed terms in a tsvector, with their places, below a GIN index.

The terms of an owner are hashed with the owner's name, so one index serves all and finds nobody else's words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from anaphora.stores.records import Query
from anaphora.stores.sql.database import Database, Ranking
from anaphora.stores.sql.ranking import WordRanking
from anaphora.stores.sql.rows import parts_of, searchable_text
from anaphora.stores.sql.term_hash import UNINDEXED_READ, hashed_row, hashed_terms, index_key
from anaphora.values.message import Message, Role

if TYPE_CHECKING:
    from anaphora.search.candidates import Cue

_MISSING = "indexed = 0 AND status <> 'pending'"
# Where the index knows no such words, letters inside of words are looked for in so many of the newest messages.
_SCANNED = 100_000
# A tsvector knows places up to this one.
_LAST_PLACE = 16_383


class PostgresFullText:
    """The full-text index of one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove(self, where: str, values: Sequence[str]) -> None:
        """Removes the messages of a condition."""
        self._database.execute(f"UPDATE messages SET terms = NULL, indexed = 0 WHERE {where} AND indexed = 1", values)

    def find(self, owner: str, query: Query) -> list[int]:
        """Gives the numbers of the rows that have everything that a query asks for, the newest first."""
        from anaphora.search.words import has_all, patterns, phrases

        wanted = phrases(query.text)
        if wanted:
            rows = self._matches(owner, query, wanted)
            if PostgresTerms(self._database, owner).is_behind(owner):
                shapes = patterns(query.text)
                rows += self._scan(owner, query, lambda text: has_all(text, shapes), f" AND {_MISSING}", UNINDEXED_READ)
            if rows:
                return list(dict.fromkeys(rows))[: query.limit]
        chunks = [chunk.casefold() for chunk in query.text.split()]
        return self._scan(owner, query, lambda text: all(chunk in text.casefold() for chunk in chunks), "", _SCANNED, chunks)

    def _matches(self, owner: str, query: Query, wanted: Sequence[Sequence[str]]) -> list[int]:
        from anaphora.search.languages import languages_of

        terms = PostgresTerms(self._database, owner)
        languages = languages_of([word for phrase in wanted for word in phrase])
        expression = terms.all_of([terms.phrase(phrase, languages) for phrase in wanted])
        here, values = ("", ()) if query.conversation is None else (" AND conversation = ?", (query.conversation,))
        rows = self._database.execute(
            f"SELECT number FROM messages WHERE owner = ? AND terms @@ ?::tsquery{here}"
            " ORDER BY created DESC, number DESC LIMIT ?",
            (owner, expression, *values, query.limit),
        )
        return [row[0] for row in rows.fetchall()]

    def _scan(
        self, owner: str, query: Query, fits: Callable[[str], bool], more: str, newest: int, chunks: Sequence[str] = ()
    ) -> list[int]:
        """Reads the newest messages, those with ``chunks`` somewhere in their JSON."""
        likes = "".join(" AND parts ILIKE ? ESCAPE '\\'" for _ in chunks)
        here, values = ("", ()) if query.conversation is None else (" AND conversation = ?", (query.conversation,))
        rows = self._database.execute(
            "SELECT number, parts FROM (SELECT number, parts FROM messages WHERE owner = ? AND status <> 'pending'"
            f"{more}{here} ORDER BY number DESC LIMIT ?) AS newest WHERE true{likes} ORDER BY number DESC",
            (owner, *values, newest, *map(_like, chunks)),
        )
        return list(islice((number for number, parts in rows if fits(searchable_text(parts))), query.limit))

    def ranking(self, owner: str, cue: Cue, everything: int) -> Ranking:
        """Ranks the owner's messages for a question."""
        return WordRanking(self._database, PostgresTerms(self._database, owner), owner, cue, everything)


class PostgresTerms:
    """The index as the ranking asks it, for one owner."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner
        self.key = index_key(database)

    def phrase(self, words: Sequence[str], languages: Sequence[str]) -> str:
        """Gives the expression for words in a row, in one of the languages that they may be in."""
        from anaphora.search.terms import forms

        rows = dict.fromkeys(tuple(form for word in words for form in forms(word, (language,))[0]) for language in languages)
        return self.any_of([self.in_a_row(hashed_row(self.key, self._owner, row)) for row in rows])

    def in_a_row(self, terms: Sequence[str]) -> str:
        """Gives the expression for hashed terms in a row."""
        return " <-> ".join(terms)

    def any_of(self, expressions: Sequence[str]) -> str:
        """Gives the expression for one of several."""
        return f"({' | '.join(f'({one})' for one in expressions)})"

    def all_of(self, expressions: Sequence[str]) -> str:
        """Gives the expression for all of several."""
        return f"({' & '.join(f'({one})' for one in expressions)})"

    def newest(self, expression: str, limit: int, conversation: str) -> list[int]:
        """Gives the numbers of the newest rows with an expression."""
        here, values = ("", ()) if not conversation else (" AND conversation = ?", (conversation,))
        found = f"SELECT number FROM messages WHERE owner = ? AND terms @@ ?::tsquery{here} ORDER BY number DESC LIMIT ?"
        return [row[0] for row in self._database.execute(found, (self._owner, expression, *values, limit)).fetchall()]

    def count(self, expression: str, most: int) -> int:
        """Counts the rows with an expression, up to so many."""
        some = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE owner = ? AND terms @@ ?::tsquery LIMIT ?) AS few"
        return int(self._database.execute(some, (self._owner, expression, most)).fetchone()[0])

    def count_newest(self, expression: str, rows: int) -> int:
        """Counts the rows with an expression among so many of the newest."""
        newest = (
            "SELECT count(*) FROM (SELECT terms FROM messages WHERE owner = ? ORDER BY number DESC LIMIT ?) AS newest"
            " WHERE terms @@ ?::tsquery"
        )
        return int(self._database.execute(newest, (self._owner, rows, expression)).fetchone()[0])

    def is_behind(self, owner: str) -> bool:
        """True if ended messages of an owner are missing in the index."""
        some = f"SELECT 1 FROM messages WHERE owner = ? AND {_MISSING} LIMIT 1"
        return self._database.execute(some, (owner,)).fetchone() is not None


def unindexed(database: Database) -> int:
    """Counts the ended messages that are missing in the index."""
    return int(database.execute(f"SELECT count(*) FROM messages WHERE {_MISSING}").fetchone()[0])


def is_behind(database: Database) -> bool:
    """True if ended messages are missing in the index."""
    return database.execute(f"SELECT 1 FROM messages WHERE {_MISSING} LIMIT 1").fetchone() is not None


def catch_up(database: Database, most: int) -> bool:
    """Takes into the index what ended without it, at most so many messages; tells whether that was all.

    Messages that another process is at are left to it.
    """
    rows = database.execute(
        f"SELECT owner, number, role, parts FROM messages WHERE {_MISSING} ORDER BY number DESC LIMIT ? FOR UPDATE SKIP LOCKED",
        (most,),
    ).fetchall()
    key = index_key(database)
    for owner, number, role, parts in rows:
        terms = _tsvector(hashed_terms(key, owner, _message(parts, role)))
        change = "UPDATE messages SET terms = ?::tsvector, indexed = 1 WHERE owner = ? AND number = ?"
        database.execute(change, (terms, owner, number))
    return len(rows) < most


def _tsvector(terms: Sequence[str]) -> str:
    """Gives terms with their places, as Postgres writes a tsvector."""
    places: dict[str, list[int]] = {}
    for place, term in enumerate(terms, 1):
        found = places.setdefault(term, [])
        if place <= _LAST_PLACE or not found:
            found.append(min(place, _LAST_PLACE))
    return " ".join(f"{term}:{','.join(map(str, found))}" for term, found in places.items())


def _like(chunk: str) -> str:
    inside = json.dumps(chunk, ensure_ascii=False)[1:-1]
    return "%" + inside.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _message(parts: str, role: Role) -> Message:
    try:
        return Message(role, parts_of(parts))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Message(role, ())
