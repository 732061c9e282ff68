"""Finds the messages of a store that may matter to a question, and those around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from anaphora.search.candidates import Candidate, Candidates, Cue
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.lines import Branch
from anaphora.stores.sql.rows import ENTRY, ITS_MESSAGES, key, readable
from anaphora.values.scope import Scope

_COLUMNS = f"messages.conversation, messages.line, {', '.join(f'messages.{column}' for column in ENTRY.split(', '))}"


def candidates(database: Database, owner: str, cue: Cue) -> Candidates:
    """The verb of the store."""
    count = "SELECT coalesce(sum(messages), 0) FROM conversations WHERE owner = ?"
    everything = int(database.execute(count, (owner,)).fetchone()[0])
    allowed = _Allowed(database, owner, cue)
    named = f"SELECT {_COLUMNS} FROM messages WHERE owner = ? AND id = ?"
    # A message that was forked has several rows; the first that may be recalled is taken.
    rows = (row for message in cue.messages for row in database.execute(named, (owner, message)).fetchall())
    found = {row[2]: one for row in rows for one in allowed.candidates(row)}
    if not cue.words:
        return Candidates(list(found.values()), everything)
    ranking = database.fulltext.ranking(owner, cue, everything)
    best = list(dict.fromkeys([*(ranking.rules() if cue.elsewhere else ()), *ranking.best()]))
    most = len(found) + cue.limit
    for start in range(0, len(best), cue.limit):
        numbers = ", ".join(map(str, best[start : start + cue.limit]))
        for row in database.execute(
            f"SELECT {_COLUMNS} FROM messages WHERE owner = ? AND number IN ({numbers})", (owner,)
        ).fetchall():
            if len(found) < most and row[2] not in found:
                found.update((row[2], one) for one in allowed.candidates(row))
        if len(found) == most:
            break
    return Candidates(list(found.values()), everything, ranking.counts)


def neighbours(database: Database, owner: str, cue: Cue, anchors: Sequence[Candidate], steps: int) -> list[Candidate]:
    """The verb of the store."""
    allowed = _Allowed(database, owner, cue)
    found: dict[tuple[str, str], Candidate] = {}
    for anchor in anchors:
        for row in _around(database, Scope(owner, anchor.conversation), anchor, steps, allowed):
            for candidate in allowed.candidates(row):
                found[candidate.conversation, candidate.entry.id] = candidate
    return list(found.values())


class _Allowed:
    """The messages that a search may reach: its branch up to the window, and the branches of other conversations."""

    def __init__(self, database: Database, owner: str, cue: Cue) -> None:
        self._database = database
        self._owner = owner
        self._cue = cue
        self._branches = {cue.conversation: Branch(database, Scope(owner, cue.conversation), cue.message)}
        self._titles: dict[str, str] = {}

    def has(self, row: Sequence[Any]) -> bool:
        """True if this message may be recalled."""
        conversation, line, order, status, depth = row[0], row[1], row[4], row[7], row[-3]
        if status not in {"complete", "stopped"}:
            return False
        is_here = conversation == self._cue.conversation
        if (is_here and depth >= self._cue.before) or not (is_here or self._cue.elsewhere):
            return False
        if not self._branch(conversation).has(line, order):
            return False
        # A fork has the same messages: what is here already is not found there once more.
        return is_here or not self._is_on_branch(row[2])

    def _is_on_branch(self, message: str) -> bool:
        if self._cue.message is None:
            return False
        here = f'SELECT line, "order" FROM messages WHERE {ITS_MESSAGES} AND id = ?'
        row = self._database.execute(here, (self._owner, self._cue.conversation, message)).fetchone()
        return row is not None and self._branch(self._cue.conversation).has(*row)

    def candidates(self, row: Sequence[Any]) -> Iterator[Candidate]:
        """Yields the message in a row, if it may be recalled and can be read."""
        if self.has(row):
            conversation = row[0]
            self._branch(conversation)
            for entry in readable([row[2:]]):
                yield Candidate(conversation, self._titles[conversation], entry)

    def _branch(self, conversation: str) -> Branch:
        if conversation not in self._titles:
            scope = Scope(self._owner, conversation)
            about = self._database.execute(
                "SELECT title, head FROM conversations WHERE owner = ? AND id = ?", key(scope)
            ).fetchone()
            self._titles[conversation] = about[0] if about else ""
            if conversation != self._cue.conversation:
                self._branches[conversation] = Branch(self._database, scope, about[1] if about else None)
        return self._branches[conversation]


def _around(database: Database, scope: Scope, anchor: Candidate, steps: int, allowed: _Allowed) -> Iterable[Sequence[Any]]:
    """The messages before and after one on its branch."""
    one = f"SELECT {_COLUMNS} FROM messages WHERE {ITS_MESSAGES} AND id = ?"
    below = f"SELECT {_COLUMNS} FROM messages WHERE {ITS_MESSAGES} AND parent = ?"
    parent = anchor.entry.parent
    for _ in range(steps):
        row = parent and database.execute(one, (*key(scope), parent)).fetchone()
        if not row:
            break
        yield row
        parent = row[3]
    last = anchor.entry.id
    for _ in range(steps):
        row = next((row for row in database.execute(below, (*key(scope), last)).fetchall() if allowed.has(row)), None)
        if row is None:
            break
        yield row
        last = row[2]
