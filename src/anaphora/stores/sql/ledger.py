"""The calls of models and the estimates of tokens. Each function is one transaction."""

from __future__ import annotations

from anaphora.stores.sql.database import Database
from anaphora.stores.sql.rows import CONVERSATION as COLUMNS
from anaphora.stores.sql.rows import THIS_CONVERSATION, conversation_of, key, usage_text
from anaphora.values.message import Usage
from anaphora.values.scope import Scope
from anaphora.values.tokens import Estimate
from anaphora.values.usage import Call, Spent

_TOKENS = ("input", "cached", "cache_write", "output", "thinking")


def record(database: Database, owner: str, call: Call) -> None:
    usage = call.usage
    tokens = (usage.input_tokens, usage.cached_tokens, usage.cache_write_tokens, usage.output_tokens, usage.thinking_tokens)
    database.execute(
        f"INSERT INTO calls (owner, conversation, model, purpose, created, {', '.join(_TOKENS)}, cost, estimated)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (owner, call.conversation, call.model, call.purpose, call.created, *tokens, usage.cost, int(call.estimated)),
    )
    this = key(Scope(owner, call.conversation))
    row = database.execute(f"SELECT {COLUMNS} FROM conversations WHERE {THIS_CONVERSATION}", this).fetchone()
    if row is not None:
        total = usage_text(conversation_of(row).usage + usage)
        database.execute(f"UPDATE conversations SET usage = ? WHERE {THIS_CONVERSATION}", (total, *this))


def spent(database: Database, owner: str, conversation: str | None, since: float) -> list[Spent]:
    here, values = ("", ()) if conversation is None else (" AND conversation = ?", (conversation,))
    rows = database.execute(
        f"SELECT {database.day('created')} AS day, model, purpose, count(*), sum(CASE WHEN cost IS NULL THEN 1 ELSE 0 END),"
        f" {', '.join(f'CAST(sum({name}) AS BIGINT)' for name in _TOKENS)}, coalesce(sum(cost), 0.0) FROM calls"
        f" WHERE owner = ? AND created >= ?{here} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        (owner, since, *values),
    )
    return [
        Spent(day, model, purpose, calls, unpriced, Usage(read, cached, output, thinking, cost, written))
        for day, model, purpose, calls, unpriced, read, cached, written, output, thinking, cost in rows
    ]


def estimate(database: Database, owner: str, model: str) -> Estimate | None:
    row = database.execute(
        "SELECT bytes_per_token, samples, error FROM estimates WHERE owner = ? AND model = ?", (owner, model)
    ).fetchone()
    return None if row is None else Estimate(*row)


def save_estimate(database: Database, owner: str, model: str, estimate: Estimate) -> None:
    database.execute(
        "INSERT INTO estimates (owner, model, bytes_per_token, samples, error) VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner, model)"
        " DO UPDATE SET bytes_per_token = excluded.bytes_per_token, samples = excluded.samples, error = excluded.error",
        (owner, model, estimate.bytes_per_token, estimate.samples, estimate.error),
    )
