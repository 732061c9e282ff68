"""Signing in to the page: a token is shown once, and a cookie stands for it from then on."""

from __future__ import annotations

import secrets
import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from anaphora.server.auth import Auth, Grant
from anaphora.server.error_bodies import ApiError
from anaphora.stores.token_records import SignIn, token_hash

COOKIE = "anaphora_sign_in"
_SECONDS = 90 * 86_400


async def grant_of(auth: Auth, request: Request) -> Grant | None:
    """Gives the owner of a page's request; None if somebody must sign in first."""
    cookie = request.cookies.get(COOKIE, "")
    if cookie:
        token = await auth.store.token_of_sign_in(token_hash(cookie))
        if token is not None and (token.expires is None or token.expires > time.time()):
            return Grant(token.owner, token)
    try:
        return await auth.grant(request.headers.get("authorization", ""))
    except ApiError:
        return None


async def sign_in(auth: Auth, request: Request, shown: str) -> Response:
    """Signs in with a token. Raises ApiError for one that is not known."""
    grant = await auth.grant(f"Bearer {shown.strip()}")
    response = RedirectResponse("/", 303)
    if grant.token is None:
        return response
    secret, now = secrets.token_urlsafe(32), time.time()
    agent = request.headers.get("user-agent", "")[:200]
    await auth.store.add_sign_in(SignIn(token_hash(secret), grant.token.hash, now, now, agent))
    is_secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, secret, max_age=_SECONDS, httponly=True, samesite="strict", secure=is_secure)
    return response


async def sign_out(auth: Auth, request: Request) -> Response:
    """Signs out: the cookie is worth nothing any more, whoever has it."""
    await auth.store.remove_sign_in(token_hash(request.cookies.get(COOKIE, "")))
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
