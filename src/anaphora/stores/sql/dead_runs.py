"""Ends runs whose processes have died: with the words that came, and a last event. Each function is one transaction."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import partial
from typing import Any

from anaphora.errors import ConversationBusy, NotFound
from anaphora.stores.records import Draft
from anaphora.stores.run_records import GAP, HELD_SECONDS, EventBatch, Run, RunEnd, output_id
from anaphora.stores.sql import runs
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.leases import acquire, is_dead, is_ours, release
from anaphora.stores.sql.rows import ITS_MESSAGES, key, parts_text
from anaphora.stores.sql.transcripts import append
from anaphora.values.call_ids import id_within, with_own_ids
from anaphora.values.draft import AnswerDraft
from anaphora.values.event_codec import event_from_json
from anaphora.values.events import Event, ImageDelta, TextDelta, ThinkingDelta, ToolCallDelta, ToolEnded
from anaphora.values.message import Message, Status
from anaphora.values.scope import Scope


def end_dead_run(database: Database, owner: str, run_id: str) -> Run:
    """Gives a run; one whose process has died is ended first, with the words that came. Raises NotFound."""
    found = runs.run(database, owner, run_id)
    # After a night in a laptop bag the lease of this very process has run out too.
    is_gone = is_dead(found.holder) or (found.expires < time.time() and not is_ours(found.holder))
    if found.status != "pending" or not is_gone:
        return found
    scope = Scope(owner, found.conversation)
    with suppress(ConversationBusy):
        # What the dead process left pending in the conversation is interrupted by whoever takes its lease.
        release(database, acquire(database, scope, HELD_SECONDS))
    _keep_words(database, scope, found)
    status = _status_of_dead(database, scope, found)
    last = database.execute(
        "SELECT number, events FROM run_events WHERE owner = ? AND run = ? ORDER BY number DESC LIMIT 1", (owner, run_id)
    ).fetchone()
    number = int(last[0]) + len(json.loads(last[1])) - 1 + GAP if last else GAP
    closed = json.dumps({"event": "RunClosed", "status": status, "error": _DEAD if status != "complete" else None})
    runs.add_events(database, [EventBatch(owner, run_id, number, (closed,))])
    error = {"error": _DEAD} if status != "complete" else {}
    runs.end_run(database, owner, run_id, RunEnd(status, {**found.result, **error}))
    return runs.run(database, owner, run_id)


_DEAD = {"code": "server_error", "message": "the server that gave this answer has ended. What had come of it is kept."}


def end_dead_runs(database: Database) -> int:
    """Ends runs whose processes have died; gives how many there were."""
    rows = database.execute(
        "SELECT owner, id FROM runs WHERE status = 'pending' AND expires < ? LIMIT 100", (time.time(),)
    ).fetchall()
    for owner, run_id in rows:
        end_dead_run(database, owner, run_id)
    return len(rows)


def _keep_words(database: Database, scope: Scope, found: Run) -> None:
    """Takes the words of the last answer from the event log where the message has fewer: the log is written more often."""
    place, message = _last_answer(database, scope.owner, found)
    if message is None:
        return
    own, parent = output_id(found.seed, place), found.message if place == 0 else output_id(found.seed, place - 1)
    message = with_own_ids(message, partial(id_within, own), every=True)
    its = f"{ITS_MESSAGES} AND id = ?"
    row = database.execute(f"SELECT status, parts FROM messages WHERE {its}", (*key(scope), own)).fetchone()
    text = parts_text(message)
    if row is None:
        with suppress(NotFound):
            append(database, scope, Draft(parent, message, "interrupted", id=own))
    elif row[0] == "interrupted" and len(text) > len(row[1]):
        database.execute(f"UPDATE messages SET parts = ? WHERE {its}", (text, *key(scope), own))


def _last_answer(database: Database, owner: str, found: Run) -> tuple[int, Message | None]:
    """Gives the place and the words of the last answer in a log; none after results, which are stored as they come."""
    place, draft, is_past_results = 0, AnswerDraft(), False
    for _, text in runs.events(database, owner, found.id, -1):
        for value in json.loads(text):
            event = _event(value)
            if isinstance(event, ToolEnded):
                is_past_results = True
            elif isinstance(event, TextDelta | ThinkingDelta | ImageDelta | ToolCallDelta):
                if is_past_results:
                    place, draft, is_past_results = place + 2, AnswerDraft(), False
                draft.add(event)
    return place, draft.message() if draft and not is_past_results else None


def _event(value: Any) -> Event | None:
    try:
        return event_from_json(value)
    except ValueError:
        return None


def _status_of_dead(database: Database, scope: Scope, found: Run) -> Status:
    """Gives the status that the messages of a run tell."""
    first, beyond = output_id(found.seed, 0), output_id(found.seed, 0)[:-3] + "c"
    rows = database.execute(
        f'SELECT role, status, parts FROM messages WHERE {ITS_MESSAGES} AND id >= ? AND id < ? ORDER BY "order" DESC LIMIT 1',
        (*key(scope), first, beyond),
    ).fetchall()
    if not rows:
        return "failed"
    role, status, parts = rows[0]
    if role == "assistant" and status in {"complete", "stopped", "refused"}:
        return "complete" if status == "complete" and '"tool_call"' not in parts else "interrupted"
    return "interrupted" if parts != "[]" else "failed"
