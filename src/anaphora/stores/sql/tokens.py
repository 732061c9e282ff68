"""Tokens, and the limits that hold over all processes. Each function is one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from anaphora.errors import ConfigError, NotFound, TokenRefused
from anaphora.stores.run_records import HELD_SECONDS
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.rows import settings_of
from anaphora.stores.token_records import SignIn, Spending, Token, limits_of

_COLUMNS = "hash, name, owner, limits, created, expires, remembers"
# A client that is told to wait waits at least so long, in seconds.
_LEAST_WAIT = 1.0


def add_token(database: Database, token: Token) -> None:
    if database.execute("SELECT 1 FROM tokens WHERE name = ?", (token.name,)).fetchone() is not None:
        raise ConfigError(f"there is a token {token.name!r} already: remove it first, or take another name.")
    limits, rate = json.dumps(token.limits.to_json()), float(token.limits.rate or 0)
    about = (token.hash, token.name, token.owner, limits, token.created, token.expires, int(token.remembers))
    database.execute(
        f"INSERT INTO tokens ({_COLUMNS}, allowance, refilled) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*about, rate, token.created),
    )


def tokens(database: Database) -> list[Token]:
    return [_token(row) for row in database.execute(f"SELECT {_COLUMNS} FROM tokens ORDER BY name").fetchall()]


def token(database: Database, hash_: str) -> Token | None:
    row = database.execute(f"SELECT {_COLUMNS} FROM tokens WHERE hash = ?", (hash_,)).fetchone()
    return None if row is None else _token(row)


def remove_token(database: Database, name: str) -> None:
    if not database.execute("DELETE FROM tokens WHERE name = ?", (name,)).rowcount:
        raise NotFound(f"there is no token {name!r}.")


def add_sign_in(database: Database, given: SignIn) -> None:
    database.execute(
        "INSERT INTO sign_ins (hash, token, created, seen, agent) VALUES (?, ?, ?, ?, ?)",
        (given.hash, given.token, given.created, given.seen, given.agent),
    )


def token_of_sign_in(database: Database, hash_: str) -> Token | None:
    columns = ", ".join(f"tokens.{name}" for name in _COLUMNS.split(", "))
    row = database.execute(
        f"SELECT {columns} FROM sign_ins JOIN tokens ON tokens.hash = sign_ins.token WHERE sign_ins.hash = ?", (hash_,)
    ).fetchone()
    return None if row is None else _token(row)


def sign_ins(database: Database, owner: str) -> list[SignIn]:
    """Gives the browsers that are signed in for an owner, the newest first."""
    rows = database.execute(
        "SELECT sign_ins.hash, sign_ins.token, sign_ins.created, sign_ins.seen, sign_ins.agent FROM sign_ins"
        " JOIN tokens ON tokens.hash = sign_ins.token WHERE tokens.owner = ? ORDER BY sign_ins.created DESC",
        (owner,),
    )
    return [SignIn(*row) for row in rows.fetchall()]


def remove_sign_in(database: Database, hash_: str) -> None:
    database.execute("DELETE FROM sign_ins WHERE hash = ?", (hash_,))


def admit(database: Database, given: Token, slot: str, holder: str) -> None:
    """Lets a request through, and takes a place for its answer. Raises TokenRefused where a limit is reached."""
    now = time.time()
    _check_rate(database, given, now)
    _check_day(database, given, now)
    most = given.limits.concurrent
    if most is None:
        return
    database.execute("DELETE FROM token_slots WHERE token = ? AND expires < ?", (given.hash, now))
    busy = int(database.execute("SELECT count(*) FROM token_slots WHERE token = ?", (given.hash,)).fetchone()[0])
    if busy >= most:
        told = f"{busy} answers are being given for this token, and that is its limit: wait until one has ended."
        raise TokenRefused(told, code="rate_limit_exceeded", seconds=_LEAST_WAIT)
    database.execute(
        "INSERT INTO token_slots (token, id, holder, expires) VALUES (?, ?, ?, ?)", (given.hash, slot, holder, now + HELD_SECONDS)
    )


def leave(database: Database, given: Token, slot: str, used: Spending) -> None:
    """Gives the place of an answer back, and counts what it took."""
    database.execute("DELETE FROM token_slots WHERE token = ? AND id = ?", (given.hash, slot))
    if given.limits.is_daily and used != Spending():
        database.execute(
            "INSERT INTO token_days (token, day, tokens, cost) SELECT ?, ?, ?, ? WHERE EXISTS"
            " (SELECT 1 FROM tokens WHERE hash = ?) ON CONFLICT (token, day)"
            " DO UPDATE SET tokens = token_days.tokens + excluded.tokens, cost = token_days.cost + excluded.cost",
            (given.hash, _day(time.time()), used.tokens, used.cost, given.hash),
        )


def spending(database: Database, given: Token) -> Spending:
    """Gives what a token has used today."""
    row = database.execute(
        "SELECT tokens, cost FROM token_days WHERE token = ? AND day = ?", (given.hash, _day(time.time()))
    ).fetchone()
    return Spending() if row is None else Spending(int(row[0]), float(row[1]))


def _check_rate(database: Database, given: Token, now: float) -> None:
    """Takes one request of those that a token may make. They come back evenly over a minute."""
    rate = given.limits.rate
    if rate is None:
        return
    row = database.execute("SELECT allowance, refilled FROM tokens WHERE hash = ?", (given.hash,)).fetchone()
    if row is None:
        return
    allowance = min(row[0] + max(now - row[1], 0.0) * rate / 60, float(rate))
    if allowance < 1:
        wait = max((1 - allowance) * 60 / rate, _LEAST_WAIT)
        told = f"this token may make {rate} requests a minute: wait {wait:.0f} seconds."
        raise TokenRefused(told, code="rate_limit_exceeded", seconds=wait)
    database.execute("UPDATE tokens SET allowance = ?, refilled = ? WHERE hash = ?", (allowance - 1, now, given.hash))


def _check_day(database: Database, given: Token, now: float) -> None:
    limits = given.limits
    if not limits.is_daily:
        return
    used = spending(database, given)
    today = datetime.fromtimestamp(now, UTC)
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    wait = max((midnight - today).total_seconds(), _LEAST_WAIT)
    if limits.daily_tokens is not None and used.tokens >= limits.daily_tokens:
        told = f"this token has used its {limits.daily_tokens} tokens of today (UTC): it can go on tomorrow."
        raise TokenRefused(told, code="insufficient_quota", seconds=wait)
    if limits.daily_cost is not None and used.cost >= limits.daily_cost:
        told = f"this token has used its ${limits.daily_cost:g} of today (UTC): it can go on tomorrow."
        raise TokenRefused(told, code="insufficient_quota", seconds=wait)


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


def _token(row: Sequence[Any]) -> Token:
    hash_, name, owner, limits, created, expires, remembers = row
    return Token(hash_, name, owner, limits_of(settings_of(limits) or {}), created, expires, bool(remembers))
