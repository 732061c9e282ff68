"""Tells whose request it is: by its token, or by where the server listens."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from anaphora.chat.resolve import UNNAMED_OWNER
from anaphora.server.error_bodies import ApiError
from anaphora.stores.base import ServerStore
from anaphora.stores.token_records import Spending, Token, token_hash

# A token that was removed is believed for so many seconds more.
_BELIEVED = 1.0
_MOST_KNOWN = 10_000
_HOW = "anaphora token add NAME makes one; send it as: Authorization: Bearer ana_…"


@dataclass(frozen=True, slots=True)
class Grant:
    """The owner that a request speaks for, and its token if there is one."""

    owner: str
    token: Token | None = None

    @property
    def remembers(self) -> bool:
        """True if lists of messages are recognised as conversations."""
        return self.token is not None and self.token.remembers


class Auth:
    """Knows tokens. An ``is_open`` server needs none as long as none was made: only this machine reaches it."""

    def __init__(self, store: ServerStore, *, is_open: bool, holder: str) -> None:
        self.store = store
        self._is_open = is_open
        self._holder = holder
        self._known: OrderedDict[str, tuple[float, Token | None]] = OrderedDict()
        self._closed = (0.0, False)
        self._in_use = 0

    @property
    def in_use(self) -> int:
        """The number of places of tokens that this process holds."""
        return self._in_use

    async def grant(self, authorization: str) -> Grant:
        """Gives the owner of a request. Raises ApiError 401."""
        scheme, _, shown = authorization.partition(" ")
        token = await self._token(shown.strip()) if scheme.lower() == "bearer" and shown.strip() else None
        if token is not None:
            if token.expires is not None and token.expires < time.time():
                raise ApiError("this token has expired: ask for a new one.", status=401, code="invalid_api_key")
            return Grant(token.owner, token)
        if self._is_open and not await self._has_tokens():
            return Grant(UNNAMED_OWNER)
        if not authorization:
            raise ApiError(f"this server needs a token. {_HOW}", status=401, code="invalid_api_key")
        raise ApiError(f"this token is not known here. {_HOW}", status=401, code="invalid_api_key")

    async def admit(self, grant: Grant, slot: str) -> None:
        """Lets a request for an answer through. Raises TokenRefused where a limit of the token is reached."""
        token = grant.token
        if token is not None and token.limits.to_json():
            await self.store.admit(token, slot, self._holder)
            self._in_use += 1

    async def leave(self, grant: Grant, slot: str, tokens: int, cost: float) -> None:
        """Ends what ``admit`` let through; it took so many tokens and dollars."""
        token = grant.token
        if token is not None and token.limits.to_json():
            self._in_use -= 1
            await self.store.leave(token, slot, Spending(tokens, cost))

    async def _token(self, shown: str) -> Token | None:
        hashed = token_hash(shown)
        known = self._known.get(hashed)
        if known is None or known[0] < time.monotonic():
            known = (time.monotonic() + _BELIEVED, await self.store.token(hashed))
            if known[1] is not None:
                self._known[hashed] = known
                while len(self._known) > _MOST_KNOWN:
                    self._known.popitem(last=False)
            else:
                self._known.pop(hashed, None)
        return known[1]

    async def _has_tokens(self) -> bool:
        until, has = self._closed
        if until < time.monotonic():
            has = bool(await self.store.tokens())
            self._closed = (time.monotonic() + _BELIEVED, has)
        return has
