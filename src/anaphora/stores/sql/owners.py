"""Removes everything of one owner. One transaction."""

from __future__ import annotations

from anaphora.stores.sql.database import Database
from anaphora.values.scope import DOCUMENTS

# Tables with an owner whose rows go with no other row.
_TABLES = ("facts", "calls", "estimates", "quarantine", "tokens")


def delete_owner(database: Database, owner: str) -> int:
    """Deletes an owner's conversations with their documents, runs and events, facts, bills and tokens.

    Gives the number of conversations.
    """
    count = int(database.execute("SELECT count(*) FROM conversations WHERE owner = ?", (owner,)).fetchone()[0])
    below = f"{owner}{DOCUMENTS}"
    found = database.execute(
        "SELECT DISTINCT owner FROM conversations WHERE owner >= ? AND owner < ?", (below, f"{below}\U0010ffff")
    )
    for one in [owner, *(row[0] for row in found.fetchall())]:
        database.fulltext.remove("owner = ?", (one,))
        database.execute("DELETE FROM conversations WHERE owner = ?", (one,))
        for table in _TABLES:
            database.execute(f"DELETE FROM {table} WHERE owner = ?", (one,))
    return count
