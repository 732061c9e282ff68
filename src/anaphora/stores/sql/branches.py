"""Which messages of the SQLite store are on a branch, told by the lines it is made of (migration 0004)."""

from __future__ import annotations

import sqlite3

from anaphora.stores.sql.rows import ITS_MESSAGES, key
from anaphora.values.scope import Scope

# The line that a new message (owner, conversation, id, parent, order, …) is on: its parent's, if it is the first child there,
# else one of its own.
LINE_OF_NEW = """
CASE WHEN ?4 IS NULL OR EXISTS (SELECT 1 FROM messages WHERE owner = ?1 AND conversation = ?2 AND parent = ?4) THEN ?5
ELSE (SELECT line FROM messages WHERE owner = ?1 AND conversation = ?2 AND id = ?4) END
""".strip()
# CROSS JOIN: in this order, else all messages of the conversation are read.
_LINES = f"""
WITH RECURSIVE lines (line, last) AS (
    SELECT line, "order" FROM messages WHERE {ITS_MESSAGES} AND id = ?
    UNION ALL
    SELECT up.line, up."order" FROM lines
    CROSS JOIN messages AS first ON first.owner = ? AND first.conversation = ? AND first."order" = lines.line
    CROSS JOIN messages AS up ON up.owner = first.owner AND up.conversation = first.conversation AND up.id = first.parent
)
SELECT line, last FROM lines
"""


class Branch:
    """The branch that ends with a message."""

    def __init__(self, database: sqlite3.Connection, scope: Scope, message_id: str | None) -> None:
        self._lines: dict[int, int] = {}
        if message_id is not None:
            self._lines = dict(database.execute(_LINES, (*key(scope), message_id, *key(scope))).fetchall())

    def has(self, line: int, order: int) -> bool:
        """Whether a message is on it."""
        return order <= self._lines.get(line, 0)
