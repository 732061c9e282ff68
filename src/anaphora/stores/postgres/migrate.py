"""Brings a Postgres database to the schema this program knows, one process at a time."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from anaphora.errors import StoreUnusable
from anaphora.stores.postgres.connection import Connection

# Any number will do, if it is always the same.
_LOCK = 0x616E6170686F7261


@cache
def migrations() -> dict[int, str]:
    """The SQL of every migration by its number, in order."""
    folder = files("anaphora.stores.postgres") / "migrations"
    found = {int(item.name[:4]): item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".sql")}
    return dict(sorted(found.items()))


def migrate(connection: Connection, place: str) -> None:
    """Runs what has not run yet, in one transaction. Raises StoreUnusable for a database of a newer program."""
    newest = max(migrations())
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute("CREATE TABLE IF NOT EXISTS anaphora_schema (version INTEGER NOT NULL)")
        row = connection.execute("SELECT max(version) FROM anaphora_schema").fetchone()
        version = row[0] if row and row[0] is not None else 0
        if version > newest:
            raise StoreUnusable(
                f"the database {place} was written by a newer anaphora (its schema is {version}, this program knows {newest}):"
                " update anaphora, or name another store."
            )
        for number in range(version + 1, newest + 1):
            connection.execute(migrations()[number].encode())
            connection.execute("INSERT INTO anaphora_schema (version) VALUES (%s)", (number,))
