"""Brings a database to the schema this program knows: numbered SQL files, in one transaction.

The number of the last file that ran is the database's ``user_version``. A database of a newer program is refused; an
older one is copied beside itself first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from importlib.resources import files
from pathlib import Path

from anaphora.errors import StoreUnusable


@cache
def migrations() -> dict[int, str]:
    """The SQL of every migration by its number, in order."""
    folder = files("anaphora.stores.sqlite") / "migrations"
    found = {int(item.name[:4]): item.read_text(encoding="utf-8") for item in folder.iterdir() if item.name.endswith(".sql")}
    return dict(sorted(found.items()))


def make_tables(database: sqlite3.Connection) -> None:
    """Make the tables of a new database that no other process knows."""
    _execute(database, _schema())
    database.execute(f"PRAGMA user_version = {max(migrations())}")


def migrate(database: sqlite3.Connection, path: Path) -> None:
    """Run what has not run yet. Raises StoreUnusable for one of a newer program."""
    known = migrations()
    newest = max(known)
    version = _known_version(database, path, newest)
    if version == newest:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while this one waited.
        version = _version(database)
        if version == 0:
            _execute(database, _schema())
        elif version < newest:
            _back_up(path, path.with_name(f"{path.name}.schema-{version}.backup"))
            for number in range(version + 1, newest + 1):
                _execute(database, known[number])
        if version < newest:
            database.execute(f"PRAGMA user_version = {newest}")
        database.execute("COMMIT")
    except BaseException:
        # On a full disk SQLite has done it itself.
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def check_version(database: sqlite3.Connection, path: Path) -> None:
    """Raises StoreUnusable for a database that cannot be read as it is, where nothing can be written."""
    newest = max(migrations())
    if _known_version(database, path, newest) < newest:
        raise StoreUnusable(f"the database {path} is of an older anaphora and must be changed, but it cannot be written.")


def _known_version(database: sqlite3.Connection, path: Path, newest: int) -> int:
    version = _version(database)
    if version > newest:
        raise StoreUnusable(
            f"the database {path} was written by a newer anaphora (its schema is {version}, this program knows {newest}): "
            "update anaphora, or name another file with --store."
        )
    return version


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _back_up(path: Path, backup: Path) -> None:
    """Copy the database as it is on the disk. A backup that is there already is of the same schema, and older: it stays."""
    if backup.exists():
        return
    unfinished = backup.with_suffix(".unfinished")
    unfinished.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as copy:
        source.backup(copy)
    unfinished.replace(backup)


@cache
def _schema() -> str:
    return (files("anaphora.stores.sqlite") / "schema.sql").read_text(encoding="utf-8")


def _execute(database: sqlite3.Connection, script: str) -> None:
    for statement in _statements(script):
        database.execute(statement)


def _statements(source: str) -> Iterator[str]:
    """The statements of a script: executescript would end the transaction."""
    statement = ""
    for line in source.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
