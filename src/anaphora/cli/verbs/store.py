"""``anaphora store check``: the rows of the database that cannot be read, and their quarantine."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import anyio

from anaphora.cli.exit import FAILED, OK
from anaphora.cli.terminal.listing import one_line
from anaphora.cli.terminal.notice import notice
from anaphora.errors import ConfigError
from anaphora.stores.registry import open_store
from anaphora.stores.sqlite.store import SQLiteStore


def check_store(where: str | Path, arguments: argparse.Namespace) -> int:
    """Lists the unreadable rows, or moves them aside; gives the exit code: 1 if there are some. Raises AnaphoraError."""
    store = open_store(where)
    if not isinstance(store, SQLiteStore):
        raise ConfigError(f"{where} is a store that checks itself: only SQLite files are checked here.")

    async def work() -> int:
        found = await (store.quarantine() if arguments.quarantine else store.check())
        await store.aclose()
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

    return anyio.run(work)
