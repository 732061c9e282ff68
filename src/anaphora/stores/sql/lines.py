"""Tells which messages are on a branch, by the lines of first children that it is made of."""

from __future__ import annotations

from anaphora.stores.sql.database import Database
from anaphora.stores.sql.rows import ITS_MESSAGES, key
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry

# The joins are read in this order, else all messages of the conversation are.
_LINES = """
WITH RECURSIVE lines (line, last) AS (
    SELECT line, "order" FROM messages WHERE owner = ? AND conversation = ? AND id = ?
    UNION ALL
    SELECT up.line, up."order" FROM lines
    {join} messages AS first ON first.owner = ? AND first.conversation = ? AND first."order" = lines.line
    {join} messages AS up ON up.owner = first.owner AND up.conversation = first.conversation AND up.id = first.parent
)
SELECT line, last FROM lines
"""


class Branch:
    """The branch that ends with a message."""

    def __init__(self, database: Database, scope: Scope, message_id: str | None) -> None:
        self._lines: dict[int, int] = {}
        if message_id is not None:
            self._lines = dict(
                database.execute(_LINES.format(join=database.ordered_join), (*key(scope), message_id, *key(scope))).fetchall()
            )

    def has(self, line: int, order: int) -> bool:
        """True if a message is on the branch."""
        return order <= self._lines.get(line, 0)


def line_of_new(database: Database, scope: Scope, entry: Entry) -> int:
    """Gives the line of a new message: its parent's if it is the first child there, else one of its own."""
    if entry.parent is None:
        return entry.order
    line = (
        f"SELECT line FROM messages WHERE {ITS_MESSAGES} AND id = ?"
        f" AND NOT EXISTS (SELECT 1 FROM messages WHERE {ITS_MESSAGES} AND parent = ?)"
    )
    row = database.execute(line, (*key(scope), entry.parent, *key(scope), entry.parent)).fetchone()
    return entry.order if row is None else int(row[0])
