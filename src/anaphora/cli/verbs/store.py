"""``anaphora store``: checks the database, copies it into another, and backs it up."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import anyio

from anaphora.cli.exit import FAILED, OK
from anaphora.cli.terminal.listing import one_line
from anaphora.cli.terminal.notice import notice
from anaphora.errors import ConfigError
from anaphora.stores.registry import open_store
from anaphora.stores.sql.store import SQLStore
from anaphora.stores.sqlite.store import SQLiteStore


def store(where: str | Path, arguments: argparse.Namespace) -> int:
    """Does what was asked for; gives the exit code. Raises AnaphoraError."""
    if arguments.what == "check":
        if len(arguments.places) > 1:
            raise ConfigError("which one? anaphora store check [STORE]")
        return anyio.run(_check, _that_exists(*arguments.places) if arguments.places else where, arguments)
    if arguments.what == "copy":
        if len(arguments.places) != 2:
            raise ConfigError("from where to where? anaphora store copy SOURCE TARGET")
        source, target = arguments.places
        return anyio.run(_copy, _that_exists(source), target)
    if len(arguments.places) != 1:
        raise ConfigError("where to? anaphora store backup FILE")
    path = Path(arguments.places[0]).expanduser()
    if path.exists():
        raise ConfigError(f"there is a file {path} already: name another.")
    return anyio.run(_back_up, where, path)


def _that_exists(store: str) -> str:
    if "://" not in store and not Path(store).expanduser().is_file():
        raise ConfigError(f"there is no file {store}.")
    return store


def _opened(where: str | Path) -> SQLStore:
    found = open_store(where)
    if not isinstance(found, SQLStore):
        raise ConfigError(f"{where} is a store of another kind: only SQLite files and Postgres are known here.")
    return found


async def _check(where: str | Path, arguments: argparse.Namespace) -> int:
    """Lists the unreadable rows, or moves them aside; gives the exit code: 1 if there are some."""
    kept = _opened(where)
    found = await (kept.quarantine() if arguments.quarantine else kept.check())
    await kept.aclose()
    if arguments.json:
        print(json.dumps([asdict(one) for one in found]))
    else:
        for one in found:
            print(one_line(f"{one.table} {one.id}: {one.reason}"))
    if not found:
        notice("Every row can be read.")
    elif arguments.quarantine:
        notice(f"{len(found)} moved aside; everything else can be used. Nothing was deleted.")
    else:
        notice(f"{len(found)} cannot be read; anaphora store check --quarantine moves them aside.")
    return FAILED if found and not arguments.quarantine else OK


async def _copy(source: str, target: str) -> int:
    kept, other = _opened(source), _opened(target)
    try:
        sent, there = await kept.copy_to(other)
    finally:
        await kept.aclose()
        await other.aclose()
    return _told(sent, there)


def _told(sent: Mapping[str, int], there: Mapping[str, int]) -> int:
    for table, count in sent.items():
        print(f"{table:14} {count:10,} {there[table]:10,}")
    if sent != there:
        print("anaphora: the counts differ.", file=sys.stderr)
        return FAILED
    notice("Everything was copied: rows read, and rows there now.")
    return OK


async def _back_up(where: str | Path, path: Path) -> int:
    """Makes a SQLite file that holds everything, whatever the store is."""
    kept = _opened(where)
    try:
        if isinstance(kept, SQLiteStore):
            await kept.backup(path)
        else:
            copy = SQLiteStore(path)
            sent, there = await kept.copy_to(copy)
            await copy.aclose()
            if sent != there:
                return _told(sent, there)
    finally:
        await kept.aclose()
    notice(f"Backed up to {path}: anaphora --store {path} opens it.")
    return OK
