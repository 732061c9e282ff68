"""A Postgres connection as the rules of a store need it, and its errors in our words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from anaphora.errors import StoreError, StoreUnusable
from anaphora.stores.postgres.fulltext import PostgresFullText

# Postgres takes no NUL in a text. It is written as two characters of which the first is written as two as well.
_ESCAPE = "\uf8ff"

Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresRows:
    """The result of a statement."""

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> None:
        self._cursor = cursor

    @property
    def rowcount(self) -> int:
        """The number of rows that were changed."""
        return self._cursor.rowcount

    @property
    def description(self) -> Any:
        """The columns."""
        return self._cursor.description

    def fetchone(self) -> Any:
        """Gives the next row; None after the last."""
        row = self._cursor.fetchone()
        return None if row is None else _decoded(row)

    def fetchall(self) -> list[Any]:
        """Gives all rows."""
        return [_decoded(row) for row in self._cursor.fetchall()]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


class PostgresDatabase:
    """A connection."""

    ordered_join = "JOIN"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def index_key(self) -> bytes:
        """The key of the index, which never changes."""
        return bytes(self.execute("SELECT key FROM index_key").fetchone()[0])

    @property
    def fulltext(self) -> PostgresFullText:
        """The full-text index."""
        return PostgresFullText(self)

    def day(self, column: str) -> str:
        """Gives an expression for the day of a time, by the clock of the database."""
        return f"to_char(to_timestamp({column}), 'YYYY-MM-DD')"

    def kept(self, column: str, kind: str, other: str) -> str:
        """Gives the column: Postgres lets in no value of another type."""
        del kind, other
        return column

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> PostgresRows:
        """Runs a statement."""
        return PostgresRows(self._connection.execute(_translated(sql), _encoded(values)))

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> object:
        """Runs a statement once for each row of values."""
        with self._connection.cursor() as cursor:
            for row in values:
                cursor.execute(_translated(sql), _encoded(row))
        return None


@lru_cache(maxsize=1_000)
def _translated(sql: str) -> Any:
    """Gives a statement with psycopg's placeholders."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _encoded(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_escaped(value) if isinstance(value, str) else value for value in values)


def _decoded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_unescaped(value) if type(value) is str and _ESCAPE in value else value for value in row)


def _escaped(text: str) -> str:
    if "\0" not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0")


def _unescaped(text: str) -> str:
    return text.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE)


def store_failure(error: Exception, place: str) -> StoreError:
    """Gives an error of Postgres in our words, with what to do."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if isinstance(error, psycopg.errors.DiskFull):
        return StoreUnusable(f"the database {place}: its disk is full. What was stored is safe; make room and go on.")
    if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
        return StoreError(f"the database {place} does not take this: {reason}.")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return StoreUnusable(f"the database {place} refuses this user: {reason}.")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout):
        return StoreUnusable(f"the database {place} cannot be reached: {reason}. Nothing is lost; try again when it is back.")
    return StoreUnusable(f"the database {place} failed: {reason}.")
