"""Tokens of a server's users, and their limits."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass, fields
from typing import Any

PREFIX = "ana_"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a token; None is no limit.

    ``rate``: requests a minute. ``concurrent``: answers at once. ``daily_tokens`` and ``daily_cost`` (dollars): a day in UTC.
    """

    rate: int | None = None
    concurrent: int | None = None
    daily_tokens: int | None = None
    daily_cost: float | None = None

    @property
    def is_daily(self) -> bool:
        """True if there is a limit of a day."""
        return self.daily_tokens is not None or self.daily_cost is not None

    def to_json(self) -> dict[str, Any]:
        """Gives the limits that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def limits_of(value: dict[str, Any]) -> Limits:
    """Gives the limits in a JSON object."""
    return Limits(**{one.name: value.get(one.name) for one in fields(Limits)})


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored: by its hash. Who shows it speaks for the ``owner``.

    With ``remembers``, lists of messages that a client sends again are recognised. ``expires``: seconds since 1970.
    """

    hash: str
    name: str
    owner: str
    limits: Limits = Limits()
    created: float = 0.0
    expires: float | None = None
    remembers: bool = False


@dataclass(frozen=True, slots=True)
class SignIn:
    """A browser that is signed in: the hash of its cookie, that of the token, times in seconds since 1970, and its name."""

    hash: str
    token: str
    created: float
    seen: float
    agent: str


@dataclass(frozen=True, slots=True)
class Spending:
    """The use of a token on one day: tokens of models, and dollars."""

    tokens: int = 0
    cost: float = 0.0


def new_token() -> str:
    """Gives a token of 256 random bits."""
    return f"{PREFIX}{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """Gives the hash under which a token is stored. It is random enough not to need a slow one."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
