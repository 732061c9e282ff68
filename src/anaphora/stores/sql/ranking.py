"""Ranks the messages of a store for a question, in a time that hardly grows with the store.

The rarest words of the question select, up to a budget of rows; the others only add to the score of what these selected, which
the full-text index can tell without reading all that have them. So a word that half of all messages have costs little, and
what is lost are messages that have nothing but such words. No BM25 of the database's own: it counts the rows of every word anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from anaphora.search.candidates import WORTH_READING, Cue
from anaphora.search.index import WordIndex, weight_of, worth_reading
from anaphora.search.terms import forms
from anaphora.search.words import searchable
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.rows import ENTRY, ITS_MESSAGES, readable
from anaphora.stores.sql.term_hash import RULE, UNINDEXED_READ, hashed_row
from anaphora.values.transcript import Entry

# So many rows are looked at through the question's rarest words.
_SELECTED = 2_000
# Of words that more messages have, how many is only estimated, from the newest messages.
_COUNTED = 5_000
# Of the best so many, those on other branches and in the window are left out.
_EXAMINED = 500
_RULES = 20


class TermIndex(Protocol):
    """A full-text index of hashed terms, with expressions in its own language."""

    @property
    def key(self) -> bytes:
        """The key with which terms are hashed."""
        ...

    def in_a_row(self, terms: Sequence[str]) -> str:
        """Gives the expression for hashed terms in a row."""
        ...

    def any_of(self, expressions: Sequence[str]) -> str:
        """Gives the expression for one of several."""
        ...

    def all_of(self, expressions: Sequence[str]) -> str:
        """Gives the expression for all of several."""
        ...

    def newest(self, expression: str, limit: int, conversation: str) -> list[int]:
        """Gives the numbers of the newest rows with an expression; in one conversation, or in all (an empty text)."""
        ...

    def count(self, expression: str, most: int) -> int:
        """Counts the rows with an expression, up to so many."""
        ...

    def count_newest(self, expression: str, rows: int) -> int:
        """Counts the rows with an expression among so many of the newest."""
        ...

    def is_behind(self, owner: str) -> bool:
        """True if ended messages are missing in the index."""
        ...


class WordRanking:
    """The rows that have the words, those with the rarest and most of them first."""

    def __init__(self, database: Database, index: TermIndex, owner: str, cue: Cue, everything: int) -> None:
        self._index = index
        self._here = "" if cue.elsewhere else cue.conversation
        self._everything = everything
        asked = f"SELECT number FROM messages WHERE {ITS_MESSAGES} AND id = ? AND indexed = 1"
        self._asked = {row[0] for row in database.execute(asked, (owner, cue.conversation, cue.asked)).fetchall()}
        hash_key = index.key
        self._expressions = {
            word: index.any_of([index.in_a_row(hashed_row(hash_key, owner, form)) for form in forms(word, cue.languages)])
            for word in cue.words
        }
        self._rule = index.in_a_row(hashed_row(hash_key, owner, (RULE,)))
        self._unindexed = _read_unindexed(database, owner, cue) if index.is_behind(owner) else WordIndex[int]()
        self._read = self._unindexed.scores(cue.words, cue.languages, everything)
        self.counts = {word: self._counted(word, cue) for word in cue.words}
        # What nothing has need not be looked for.
        self._words = sorted((word for word, count in self.counts.items() if count), key=lambda word: self.counts[word])

    def best(self) -> list[int]:
        """The numbers of the rows."""
        scores: dict[int, float] = defaultdict(float, self._read)
        selecting: list[str] = []
        budget = _SELECTED
        for word in self._words:
            weight = weight_of(self.counts[word], self._everything)
            quoted = self._expressions[word]
            if budget > 0:
                rows = self._rows(quoted, budget)
                budget -= len(rows)
                selecting.append(quoted)
                for number in rows:
                    scores[number] += weight
            else:
                for number in self._rows(self._index.all_of([self._index.any_of(selecting), quoted]), _SELECTED):
                    if number in scores:
                        scores[number] += weight
        for number in self._asked:
            scores.pop(number, None)
        # Of equals the newer first.
        return worth_reading(scores, WORTH_READING, _EXAMINED)

    def rules(self) -> list[int]:
        """The numbers of the newest of the user's standing instructions, which matter whatever their words."""
        return [number for number in self._rows(self._rule, _RULES) if number not in self._asked]

    def _rows(self, expression: str, limit: int) -> list[int]:
        return self._index.newest(expression, limit, self._here)

    def _counted(self, word: str, cue: Cue) -> int:
        """Counts the messages with a word, in any of its forms; estimates the number if it is large."""
        unindexed = len(self._unindexed.having(word, cue.languages))
        expression = self._expressions[word]
        count = self._index.count(expression, _COUNTED)
        if count >= _COUNTED:
            share = self._index.count_newest(expression, _COUNTED) / _COUNTED
            count = max(round(share * self._everything), _COUNTED)
        return max(count + unindexed - len(self._asked), 0)


class ScanRanking:
    """The ranking without the full-text index: it reads the newest messages."""

    def __init__(self, database: Database, owner: str, cue: Cue, everything: int) -> None:
        newest = f"SELECT number, {ENTRY} FROM messages WHERE owner = ? AND status <> 'pending' ORDER BY number DESC LIMIT ?"
        index = WordIndex[int]()
        asked: set[int] = set()
        for number, entry in _numbered(database.execute(newest, (owner, _SELECTED))):
            index.add(number, searchable(entry.message))
            if entry.id == cue.asked:
                asked.add(number)
        self.counts = {word: len(index.having(word, cue.languages) - asked) for word in cue.words}
        scores = index.scores(cue.words, cue.languages, everything)
        self._scores = {number: score for number, score in scores.items() if number not in asked}

    def best(self) -> list[int]:
        """The numbers of the rows."""
        return worth_reading(self._scores, WORTH_READING, _EXAMINED)

    def rules(self) -> list[int]:
        """Gives none: standing instructions are marked only in the index."""
        return []


def _numbered(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, Entry]]:
    """Yields the numbers and the messages of rows, without those that cannot be read."""
    for number, *row in rows:
        for entry in readable([row]):
            yield number, entry


def _read_unindexed(database: Database, owner: str, cue: Cue) -> WordIndex[int]:
    """The newest messages that are not in the full-text index yet."""
    found = WordIndex[int]()
    newest = (
        f"SELECT number, {ENTRY} FROM messages WHERE indexed = 0 AND status <> 'pending' AND owner = ?"
        " ORDER BY number DESC LIMIT ?"
    )
    for number, entry in _numbered(database.execute(newest, (owner, UNINDEXED_READ // 10))):
        if entry.id != cue.asked:
            found.add(number, searchable(entry.message))
    return found
