"""Everything derived from transcripts. Each function is one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from anaphora.errors import NotFound
from anaphora.search.vectors import Unembedded, VectorRow
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.lines import Branch
from anaphora.stores.sql.rows import ITS_MESSAGES, THIS_CONVERSATION, key, searchable_text
from anaphora.values.memory import BlockSummary, Evidence, Fact, Learned, covered
from anaphora.values.scope import Scope
from anaphora.values.transcript import Size

_SUMMARY = 'message, start, "end", since, text, tokens, counter, model'
_SUMMARY_AGAIN = ", ".join(f"{column} = excluded.{column}" for column in _SUMMARY.split(", ")[2:])


def summaries(database: Database, scope: Scope, message_id: str | None) -> list[BlockSummary]:
    rows = database.execute(
        f'SELECT {", ".join(f"summaries.{column}" for column in _SUMMARY.split(", "))}, messages.line, messages."order"'
        " FROM summaries JOIN messages ON messages.owner = summaries.owner AND messages.conversation = summaries.conversation"
        " AND messages.id = summaries.message WHERE summaries.owner = ? AND summaries.conversation = ?"
        ' ORDER BY summaries."end", summaries.start',
        key(scope),
    ).fetchall()
    if not rows:
        return []
    branch = Branch(database, scope, message_id)
    return [_summary(row) for row in rows if _is_summary(row) and branch.has(*row[-2:])]


def _is_summary(row: Sequence[Any]) -> bool:
    """True if the columns of a summary have values of the right types. One that cannot be read is as none."""
    message, start, end, since, text, tokens, counter, model, line, order = row
    return all(isinstance(one, str) for one in (message, text, counter, model)) and all(
        isinstance(one, int) for one in (start, end, since, tokens, line, order)
    )


def save_summary(database: Database, scope: Scope, summary: BlockSummary, window: int, forgotten: int) -> bool:
    now = database.execute(f"SELECT forgotten FROM conversations WHERE {THIS_CONVERSATION}", key(scope)).fetchone()
    if now is None or now[0] != forgotten:
        return False
    values = (summary.message, summary.start, summary.end, summary.since, summary.text, summary.size.tokens, summary.size.counter)
    database.execute(
        f"INSERT INTO summaries (owner, conversation, {_SUMMARY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT (owner, conversation, message, start) DO UPDATE SET {_SUMMARY_AGAIN}",
        (*key(scope), *values, summary.model),
    )
    for one, other in covered(summaries(database, scope=scope, message_id=summary.message), window):
        if not _forks_between(database, scope, one.message, other.message):
            delete = f"DELETE FROM summaries WHERE {ITS_MESSAGES} AND message = ? AND start = ?"
            database.execute(delete, (*key(scope), one.message, one.start))
    return True


def _forks_between(database: Database, scope: Scope, first: str, last: str) -> bool:
    """True if a branch leaves the path between two messages: it may need the first one's summary."""
    place = 'SELECT "order" FROM messages WHERE owner = ? AND conversation = ? AND id = ?'
    forks = (
        "SELECT 1 FROM messages AS fork JOIN messages AS up ON up.owner = fork.owner AND up.conversation = fork.conversation"
        ' AND up.id = fork.parent WHERE fork.owner = ? AND fork.conversation = ? AND fork.line = fork."order"'
        f' AND up."order" >= ({place})'
        f' AND up."order" < ({place}) LIMIT 1'
    )
    return database.execute(forks, (*key(scope), *key(scope), first, *key(scope), last)).fetchone() is not None


def facts(database: Database, owner: str) -> list[Fact]:
    evidence: dict[str, list[Evidence]] = defaultdict(list)
    for fact, *where in database.execute("SELECT fact, conversation, message, quote FROM evidence WHERE owner = ?", (owner,)):
        if all(isinstance(one, str) for one in where):
            evidence[fact].append(Evidence(*where))
    rows = database.execute(
        "SELECT id, text, origin, created, superseded, successor, conversation FROM facts WHERE owner = ? ORDER BY created, id",
        (owner,),
    )
    return [
        Fact(fact, text, origin, created, tuple(evidence[fact]), superseded, successor, conversation)
        for fact, text, origin, created, superseded, successor, conversation in filter(is_fact, rows)
    ]


def is_fact(row: Sequence[Any]) -> bool:
    """True if the columns of a fact have values of the right types. One that cannot be read hides no other."""
    fact, text, origin, created, superseded, successor, conversation = row
    texts = all(isinstance(one, str) for one in (fact, text, conversation)) and isinstance(successor, str | None)
    return texts and origin in {"told", "learned"} and isinstance(created, float) and isinstance(superseded, float | None)


def learn(database: Database, owner: str, learned: Sequence[Learned], scope: Scope | None, order: int) -> list[Fact]:
    kept = [one.fact for one in learned if _save_fact(database, owner, one)]
    if scope is not None:
        database.execute(
            f"UPDATE conversations SET learned = ? WHERE {THIS_CONVERSATION} AND learned < ?", (order, *key(scope), order)
        )
    return kept


def delete_fact(database: Database, owner: str, fact_id: str) -> None:
    history = """
    WITH RECURSIVE history (id) AS (
        SELECT id FROM facts WHERE owner = ? AND id = ?
        UNION
        SELECT older.id FROM history JOIN facts AS older ON older.owner = ? AND older.successor = history.id
    )
    DELETE FROM facts WHERE owner = ? AND id IN (SELECT id FROM history)
    """
    if database.execute("SELECT 1 FROM facts WHERE owner = ? AND id = ?", (owner, fact_id)).fetchone() is None:
        raise NotFound(f"no fact {fact_id!r}.")
    database.execute(history, (owner, fact_id, owner, owner))


def drop_derived(database: Database, owner: str, message_id: str) -> None:
    """Drops everything derived from a message that is being forgotten, in every conversation that has it."""
    database.execute(
        "DELETE FROM summaries WHERE number IN (SELECT summaries.number FROM summaries JOIN messages"
        " ON messages.owner = summaries.owner AND messages.conversation = summaries.conversation"
        " WHERE messages.owner = ? AND messages.id = ? AND messages.before_messages >= summaries.start"
        ' AND messages.before_messages < summaries."end")',
        (owner, message_id),
    )
    database.execute(
        "DELETE FROM vectors WHERE owner = ? AND number IN (SELECT number FROM messages WHERE owner = ? AND id = ?)",
        (owner, owner, message_id),
    )
    gone = database.execute("SELECT DISTINCT fact FROM evidence WHERE owner = ? AND message = ?", (owner, message_id)).fetchall()
    database.execute("DELETE FROM evidence WHERE owner = ? AND message = ?", (owner, message_id))
    drop_unproved(database, owner, [row[0] for row in gone])


def drop_evidence_of(database: Database, scope: Scope) -> None:
    """The facts that only a conversation proves which is being deleted."""
    proved = database.execute(f"SELECT DISTINCT fact FROM evidence WHERE {ITS_MESSAGES}", key(scope)).fetchall()
    database.execute(f"DELETE FROM evidence WHERE {ITS_MESSAGES}", key(scope))
    database.execute(f"DELETE FROM facts WHERE {ITS_MESSAGES}", key(scope))
    drop_unproved(database, scope.owner, [row[0] for row in proved])


def drop_unproved(database: Database, owner: str, fact_ids: Iterable[str]) -> None:
    """Facts whose last evidence has gone go too; what they superseded holds again, or until what superseded them."""
    for fact in fact_ids:
        proved = "SELECT 1 FROM evidence WHERE owner = ? AND fact = ?"
        if database.execute(proved, (owner, fact)).fetchone() is None:
            inherit = (
                "UPDATE facts SET (superseded, successor) ="
                " (SELECT superseded, successor FROM facts WHERE owner = ? AND id = ?) WHERE owner = ? AND successor = ?"
            )
            database.execute(inherit, (owner, fact, owner, fact))
            database.execute("DELETE FROM facts WHERE owner = ? AND id = ?", (owner, fact))


def unembedded(database: Database, owner: str, model: str, after: int, limit: int) -> list[Unembedded]:
    rows = database.execute(
        "SELECT number, id, parts FROM messages WHERE number > ? AND owner = ? AND status IN ('complete', 'stopped')"
        " AND parts <> '[]' AND NOT EXISTS (SELECT 1 FROM vectors WHERE vectors.owner = messages.owner AND model = ?"
        " AND vectors.number = messages.number)"
        " ORDER BY number DESC LIMIT ?",
        (after, owner, model, limit),
    )
    return [Unembedded(number, message, searchable_text(parts)) for number, message, parts in rows]


def save_vectors(database: Database, owner: str, model: str, rows: Sequence[VectorRow]) -> None:
    database.executemany(
        "INSERT INTO vectors (owner, model, number, piece, row) SELECT owner, ?, number, ?, ? FROM messages"
        " WHERE number = ? AND owner = ? AND id = ? AND parts <> '[]'"
        " ON CONFLICT (owner, model, number, piece) DO UPDATE SET row = excluded.row",
        ((model, one.piece, one.row, one.number, owner, one.message) for one in rows),
    )


def vectors(database: Database, owner: str, model: str, after: int) -> list[VectorRow]:
    rows = database.execute(
        "SELECT vectors.number, messages.id, vectors.piece, vectors.row, vectors.place FROM vectors JOIN messages"
        " ON messages.owner = vectors.owner AND messages.number = vectors.number"
        " WHERE vectors.model = ? AND vectors.place > ? AND messages.owner = ?"
        " ORDER BY vectors.place",
        (model, after, owner),
    )
    return [VectorRow(*row) for row in rows]


def reword(database: Database, owner: str, fact_id: str, text: str) -> None:
    change = "UPDATE facts SET text = ?, origin = 'told' WHERE owner = ? AND id = ?"
    if database.execute(change, (text, owner, fact_id)).rowcount < 1:
        raise NotFound(f"no fact {fact_id!r}.")


def _save_fact(database: Database, owner: str, learned: Learned) -> bool:
    fact = learned.fact
    there = f"SELECT 1 FROM messages WHERE {ITS_MESSAGES} AND id = ? AND parts <> '[]'"
    proofs = [one for one in fact.evidence if database.execute(there, (owner, one.conversation, one.message)).fetchone()]
    if (fact.evidence and not proofs) or (learned.known and not _takes_evidence(database, owner, fact.id)):
        return False
    if not learned.known:
        database.execute(
            "INSERT INTO facts (owner, id, text, origin, created, conversation) VALUES (?, ?, ?, ?, ?, ?)",
            (owner, fact.id, fact.text, fact.origin, fact.created, fact.conversation),
        )
    database.executemany(
        "INSERT INTO evidence (owner, fact, conversation, message, quote) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        ((owner, fact.id, proof.conversation, proof.message, proof.quote) for proof in proofs),
    )
    if learned.supersedes is not None:
        database.execute(
            "UPDATE facts SET superseded = ?, successor = ? WHERE owner = ? AND id = ? AND superseded IS NULL",
            (fact.created, fact.id, owner, learned.supersedes),
        )
    return True


def _takes_evidence(database: Database, owner: str, fact_id: str) -> bool:
    """True if a fact holds and rests on messages: a fact told by hand does not go with any."""
    holds = (
        "SELECT 1 FROM facts WHERE owner = ? AND id = ? AND superseded IS NULL"
        " AND EXISTS (SELECT 1 FROM evidence WHERE owner = ? AND fact = ?)"
    )
    return database.execute(holds, (owner, fact_id, owner, fact_id)).fetchone() is not None


def _summary(row: Sequence[Any]) -> BlockSummary:
    message, start, end, since, text, tokens, counter, model, *_ = row
    return BlockSummary(message, start, end, since, text, Size(tokens, counter), model)
