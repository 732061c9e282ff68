"""Runs of a server and their event logs. Each function is one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from anaphora.errors import NotFound
from anaphora.stores.run_records import HELD_SECONDS, EventBatch, NewRun, Run, RunEnd, Wish, input_id
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.leases import make
from anaphora.stores.sql.rows import key, settings_of
from anaphora.values.scope import Scope

_RUN = (
    "id, conversation, message, base, status, created, ended, holder, expires, stop, allowed, request, result, fingerprint, key,"
    " chain"
)
_THIS = "owner = ? AND id = ?"


def insert(database: Database, scope: Scope, new: NewRun, message: str | None) -> None:
    """Stores a run that begins, in the transaction that stores its message."""
    make(database, scope)
    first = "SELECT parent FROM messages WHERE owner = ? AND conversation = ? AND id = ?"
    row = database.execute(first, (*key(scope), input_id(new.seed, 0))).fetchone()
    if row is None:
        row = database.execute("SELECT head FROM conversations WHERE owner = ? AND id = ?", key(scope)).fetchone()
    values = (*key(scope), new.id, message, row and row[0], new.created, new.holder, time.time() + HELD_SECONDS)
    database.execute(
        "INSERT INTO runs (owner, conversation, id, message, base, status, created, holder, expires, request, fingerprint, key)"
        " VALUES (?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?)",
        (*values, json.dumps(new.request), new.fingerprint, new.key),
    )


def has_conversation(database: Database, scope: Scope) -> bool:
    return database.execute("SELECT 1 FROM conversations WHERE owner = ? AND id = ?", key(scope)).fetchone() is not None


def run(database: Database, owner: str, run_id: str) -> Run:
    row = database.execute(f"SELECT {_RUN} FROM runs WHERE {_THIS}", (owner, run_id)).fetchone()
    if row is None:
        raise NotFound(f"no response {run_id!r}.")
    return _run(row)


def same_run(database: Database, owner: str, key: str | None, fingerprint: str, since: float) -> Run | None:
    by, value, after = ("key", key, 0.0) if key is not None else ("fingerprint", fingerprint, since)
    rows = database.execute(
        f"SELECT {_RUN} FROM runs WHERE owner = ? AND {by} = ? AND created >= ? ORDER BY created DESC LIMIT 1",
        (owner, value, after),
    ).fetchall()
    return _run(rows[0]) if rows else None


def run_of_chain(database: Database, owner: str, chain: str) -> Run | None:
    row = database.execute(
        f"SELECT {_RUN} FROM runs WHERE owner = ? AND chain = ? ORDER BY created DESC LIMIT 1", (owner, chain)
    ).fetchone()
    return None if row is None else _run(row)


def runs(database: Database, owner: str, conversation: str) -> list[Run]:
    rows = database.execute(
        f"SELECT {_RUN} FROM runs WHERE owner = ? AND conversation = ? ORDER BY created", (owner, conversation)
    ).fetchall()
    return [_run(row) for row in rows]


def add_events(database: Database, batches: Sequence[EventBatch]) -> None:
    # A run that was deleted meanwhile takes its events with it.
    database.executemany(
        "INSERT INTO run_events (owner, run, number, events) SELECT ?, ?, ?, ? WHERE EXISTS"
        f" (SELECT 1 FROM runs WHERE {_THIS}) ON CONFLICT DO NOTHING",
        ((one.owner, one.run, one.number, f"[{','.join(one.events)}]", one.owner, one.run) for one in batches),
    )


def events(database: Database, owner: str, run_id: str, after: int) -> list[tuple[int, str]]:
    """Gives the rows of the log that may have events with a number above ``after``."""
    first = "SELECT coalesce(max(number), 0) FROM run_events WHERE owner = ? AND run = ? AND number <= ?"
    rows = database.execute(
        f"SELECT number, events FROM run_events WHERE owner = ? AND run = ? AND number >= ({first}) ORDER BY number",
        (owner, run_id, owner, run_id, max(after, 0)),
    )
    return [(int(number), text) for number, text in rows.fetchall()]


def end_run(database: Database, owner: str, run_id: str, end: RunEnd, batches: Sequence[EventBatch] = ()) -> None:
    changed = database.execute(
        f"UPDATE runs SET status = ?, result = ?, chain = ?, ended = ? WHERE {_THIS} AND status = 'pending'",
        (end.status, json.dumps(end.result), end.chain, time.time(), owner, run_id),
    )
    # A run that somebody else has ended has its last event already.
    if changed.rowcount:
        add_events(database, batches)


def hold_runs(database: Database, holder: str) -> list[Wish]:
    """Says that a process lives, and gives what others wish of its runs."""
    until = time.time() + HELD_SECONDS
    database.execute("UPDATE runs SET expires = ? WHERE holder = ? AND status = 'pending'", (until, holder))
    database.execute("UPDATE token_slots SET expires = ? WHERE holder = ?", (until, holder))
    return wishes(database, holder)


def wishes(database: Database, holder: str) -> list[Wish]:
    rows = database.execute(
        "SELECT owner, id, stop, allowed FROM runs WHERE holder = ? AND status = 'pending' AND (stop = 1 OR allowed <> '{}')",
        (holder,),
    )
    return [Wish(owner, run_id, bool(stop), settings_of(allowed) or {}) for owner, run_id, stop, allowed in rows.fetchall()]


def stop_run(database: Database, owner: str, run_id: str) -> None:
    if not database.execute(f"UPDATE runs SET stop = 1 WHERE {_THIS}", (owner, run_id)).rowcount:
        raise NotFound(f"no response {run_id!r}.")


def allow_call(database: Database, owner: str, run_id: str, call: str, allow: bool) -> None:
    known = dict(run(database, owner, run_id).allowed)
    known.setdefault(call, allow)
    database.execute(f"UPDATE runs SET allowed = ? WHERE {_THIS}", (json.dumps(known), owner, run_id))


def delete_run(database: Database, owner: str, run_id: str) -> None:
    if not database.execute(f"DELETE FROM runs WHERE {_THIS}", (owner, run_id)).rowcount:
        raise NotFound(f"no response {run_id!r}.")


def drop_events(database: Database, before: float) -> int:
    """Deletes the event logs of runs that ended before a time; their responses are made of the messages from then on."""
    return database.execute(
        "DELETE FROM run_events WHERE EXISTS (SELECT 1 FROM runs WHERE runs.owner = run_events.owner AND runs.id = run_events.run"
        " AND runs.ended < ?)",
        (before,),
    ).rowcount


def forget_runs(database: Database, owner: str) -> None:
    """Deletes what an owner's runs have of the words of messages: their event logs, and the hashes of their branches."""
    ended = "EXISTS (SELECT 1 FROM runs WHERE runs.owner = run_events.owner AND runs.id = run_events.run AND status <> 'pending')"
    database.execute(f"DELETE FROM run_events WHERE owner = ? AND {ended}", (owner,))
    database.execute("UPDATE runs SET chain = NULL, fingerprint = '' WHERE owner = ?", (owner,))


def _run(row: Sequence[Any]) -> Run:
    run_id, conversation, message, base, status, created, ended, holder, expires, stop, *objects, fingerprint, named, chain = row
    allowed, request, result = (settings_of(one) or {} for one in objects)
    about = (run_id, conversation, message, base, status, created, ended, holder, expires, bool(stop))
    return Run(*about, allowed, request, result, fingerprint, named, chain)
