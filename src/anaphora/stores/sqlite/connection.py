"""Opens a SQLite database as anaphora keeps it: private to the user, in WAL mode, migrated; and says what is wrong with one."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from anaphora.errors import StoreError, StoreUnusable
from anaphora.files import make_private_folder
from anaphora.stores.sqlite import fulltext
from anaphora.stores.sqlite.migrate import check_version, make_tables, migrate

if TYPE_CHECKING:
    from anaphora.search.candidates import Cue
    from anaphora.stores.records import Query
    from anaphora.stores.sql.database import Ranking

APPLICATION_ID = 0x616E6170
_BUSY_SECONDS = 30.0
# A disk with less free, in bytes, takes no database.
_LEAST_ROOM = 1 << 18


class SQLiteFullText:
    """The full-text index of one connection."""

    def __init__(self, database: SQLiteDatabase) -> None:
        self._database = database

    def remove(self, where: str, values: Sequence[str]) -> None:
        """Removes the messages of a condition. Raises StoreError."""
        fulltext.unindex(self._database, where, values)

    def find(self, owner: str, query: Query) -> list[int]:
        """Gives the numbers of the rows that have everything that a query asks for."""
        return fulltext.find(self._database, owner, query)

    def ranking(self, owner: str, cue: Cue, everything: int) -> Ranking:
        """Ranks the owner's messages for a question."""
        from anaphora.stores.sql.ranking import ScanRanking, WordRanking

        if fulltext.has_fts5():
            return WordRanking(self._database, fulltext.SQLiteTerms(self._database), owner, cue, everything)
        return ScanRanking(self._database, owner, cue, everything)


class SQLiteDatabase(sqlite3.Connection):
    """A connection as the rules of a store need it."""

    ordered_join = "CROSS JOIN"

    @cached_property
    def index_key(self) -> bytes:
        """The key of the index, which never changes."""
        return bytes(self.execute("SELECT key FROM index_key").fetchone()[0])

    def index_later(self) -> None:
        """Leaves ended messages out of the index until somebody searches."""
        self.adds_at_once = False

    @property
    def fulltext(self) -> SQLiteFullText:
        """The full-text index."""
        return SQLiteFullText(self)

    def kept(self, column: str, kind: str, other: str) -> str:
        """Gives an expression for a column's value if it is of this kind, else for another."""
        return f"CASE WHEN typeof({column}) = '{kind}' THEN {column} ELSE {other} END"

    def day(self, column: str) -> str:
        """Gives an expression for the day of a time, by the clock of this machine."""
        return f"date({column}, 'unixepoch', 'localtime')"


def open_database(path: Path) -> SQLiteDatabase:
    """A connection for any thread, one at a time; only for reading where nothing can be written.

    Raises StoreUnusable, sqlite3.Error and OSError.
    """
    try:
        return _open_writable(path)
    except (sqlite3.OperationalError, OSError) as error:
        if "locked" in str(error):
            raise
        # A log that cannot be read holds words that would be missing: then rather nothing than half.
        log = path.with_name(f"{path.name}-wal")
        ways = ("mode=ro",) if log.exists() and log.stat().st_size else ("mode=ro", "immutable=1")
        for only in ways:
            with suppress(sqlite3.Error, StoreUnusable, OSError):
                return _open_readable(path, only)
        raise


def open_in_memory() -> SQLiteDatabase:
    """A new database without a file."""
    database = _connect(":memory:")
    database.execute("PRAGMA foreign_keys = ON")
    make_tables(database)
    fulltext.create_index(database)
    return database


def _open_writable(path: Path) -> SQLiteDatabase:
    _make_private(path)
    database = _connect(str(path))
    try:
        _check_kind(database, path)
        _use_wal(database)
        database.execute("PRAGMA foreign_keys = ON")
        # What is forgotten or deleted is overwritten, not only let go.
        database.execute("PRAGMA secure_delete = ON")
        migrate(database, path)
        fulltext.create_index(database)
    except BaseException:
        database.close()
        raise
    return database


def _open_readable(path: Path, only: str) -> SQLiteDatabase:
    """Opens a database for reading only: on a full disk, in a foreign folder, on a read-only medium."""
    if not path.is_file() or not path.stat().st_size:
        raise StoreUnusable(f"there is no database {path}.")
    database = _connect(f"{path.as_uri()}?{only}")
    try:
        _check_kind(database, path)
        check_version(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _connect(where: str) -> SQLiteDatabase:
    # isolation_level None: transactions begin where this program says so.
    return sqlite3.connect(
        where,
        uri=where.startswith("file:"),
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=SQLiteDatabase,
    )


def write_back(database: sqlite3.Connection) -> None:
    """Move everything from the log into the database and empty the log. While others read it stays for later."""
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def store_failure(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    """Gives the error in our words, with what to do."""
    reason = str(error)
    if getattr(error, "errno", 0) == errno.ENOSPC or (_may_be_full(reason) and _is_full(path)):
        return StoreUnusable(f"the database {path}: the disk is full. What was stored is safe; make room and go on.")
    if isinstance(error, sqlite3.IntegrityError | sqlite3.DataError):
        return StoreError(f"the database {path} does not take this: {reason}.")
    if "not a database" in reason or "malformed" in reason:
        advice = "it is damaged or no database. Nothing was written to it; name another file with --store."
    elif "full" in reason or "disk I/O" in reason:
        advice = f"the disk is full or failing ({reason}). What was stored is safe; make room and go on."
    elif "readonly" in reason or "unable to open" in reason or isinstance(error, PermissionError):
        advice = (
            "it cannot be written. Check the permissions of the file and its folder, name another with --store, or keep "
            "nothing with --no-store."
        )
    elif "locked" in reason or "busy" in reason:
        advice = "another program holds it. Try again in a moment."
    elif isinstance(error, OSError):
        advice = f"it cannot be written ({error.strerror}). Name another with --store, or keep nothing with --no-store."
    else:
        advice = f"it failed ({reason})."
    return StoreUnusable(f"the database {path}: {advice}")


def _may_be_full(reason: str) -> bool:
    """True for the errors of SQLite that a full disk can have; its own words for them differ from file to file."""
    return any(word in reason for word in ("full", "disk I/O", "unable to open", "readonly"))


def _is_full(path: Path) -> bool:
    folder = next((one for one in path.parents if one.is_dir()), None)
    try:
        return folder is not None and shutil.disk_usage(folder).free < _LEAST_ROOM
    except OSError:
        return False


def _make_private(path: Path) -> None:
    """The folder and the file, for this user only. What is there keeps its permissions."""
    make_private_folder(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _check_kind(database: sqlite3.Connection, path: Path) -> None:
    """Raises StoreUnusable for another program's database."""
    # In this order: another process may be making the tables just now, and it marks the database as ours along with them.
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    kind = database.execute("PRAGMA application_id").fetchone()[0]
    if tables and kind != APPLICATION_ID:
        raise StoreUnusable(f"{path} is the database of another program: name another file with --store.")


def _use_wal(database: sqlite3.Connection) -> None:
    """Readers and the writer do not wait for each other. Changing the mode ignores the busy timeout, so it is tried again."""
    end = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(0.01)
