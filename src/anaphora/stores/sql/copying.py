"""Copies everything of one database into another, of whichever kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anaphora.errors import ConfigError
from anaphora.stores.sql.database import Database

_BATCH = 1_000
# Every table with its key, those that others refer to first.
TABLES: dict[str, tuple[str, ...]] = {
    "conversations": ("owner", "id"),
    "messages": ("owner", "conversation", '"order"'),
    "pieces": ("owner", "number", "place"),
    "quarantine": ("owner", "number"),
    "summaries": ("owner", "conversation", "message", "start"),
    "facts": ("owner", "id"),
    "evidence": ("owner", "fact", "conversation", "message"),
    "vectors": ("owner", "model", "number", "piece"),
    "calls": ("owner", "number"),
    "estimates": ("owner", "model"),
    "runs": ("owner", "id"),
    "run_events": ("owner", "run", "number"),
    "tokens": ("hash",),
    "token_days": ("token", "day"),
}
# Full-text indexes differ; a message is taken into the one of its new database there.
_OF_INDEX = {"terms"}


@dataclass(frozen=True, slots=True)
class CopiedRows:
    """Rows of a table: the names of the columns, and their values."""

    table: str
    columns: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]


def counts(database: Database) -> dict[str, int]:
    """Counts the rows of every table."""
    return {table: int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in TABLES}


def check_empty(database: Database) -> None:
    """Raises ConfigError if there is anything in a database."""
    if database.execute("SELECT 1 FROM conversations LIMIT 1").fetchone() or database.execute("SELECT 1 FROM tokens").fetchone():
        raise ConfigError("the target has conversations already: name an empty one, so that nothing is mixed.")


def send(database: Database, take: Callable[[CopiedRows], None]) -> dict[str, int]:
    """Hands all rows on, a batch at a time; gives how many there are of every table."""
    sent = dict.fromkeys(TABLES, 0)
    for table, key in TABLES.items():
        for rows in _batches(database, table, key):
            take(rows)
            sent[table] += len(rows.values)
    return sent


def _batches(database: Database, table: str, key: Sequence[str]) -> Iterator[CopiedRows]:
    names = [column[0] for column in database.execute(f"SELECT * FROM {table} LIMIT 0").description]
    columns = [name for name in names if name not in _OF_INDEX]
    chosen, order = ", ".join(f'"{name}"' for name in columns), ", ".join(key)
    places = [columns.index(one.strip('"')) for one in key]
    last: tuple[Any, ...] | None = None
    while True:
        beyond = "" if last is None else f" WHERE ({order}) > ({', '.join('?' * len(key))})"
        rows = database.execute(f"SELECT {chosen} FROM {table}{beyond} ORDER BY {order} LIMIT {_BATCH}", last or ()).fetchall()
        if rows:
            last = tuple(rows[-1][place] for place in places)
            yield CopiedRows(table, tuple(columns), tuple(tuple(row) for row in rows))
        if len(rows) < _BATCH:
            return


def receive(database: Database, rows: CopiedRows) -> None:
    """Writes rows that come from another database."""
    indexed = rows.columns.index("indexed") if "indexed" in rows.columns else None
    chosen = ", ".join(f'"{name}"' for name in rows.columns)
    insert = f"INSERT INTO {rows.table} ({chosen}) VALUES ({', '.join('?' * len(rows.columns))})"
    values = rows.values
    if indexed is not None:
        values = tuple((*row[:indexed], 0, *row[indexed + 1 :]) for row in values)
    database.executemany(insert, values)
