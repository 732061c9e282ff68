"""Finds the place of a request: the conversation, the message that it goes on from, and the run that it repeats."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from anaphora.errors import NotFound, StoreError
from anaphora.server.auth import Grant
from anaphora.server.error_bodies import ApiError
from anaphora.server.services import RunEngine
from anaphora.stores.records import checked_name, new_conversation_id
from anaphora.stores.run_records import Run
from anaphora.values.scope import Scope
from anaphora.values.transcript import UNNAMED

# A repeated request is recognised for so many seconds.
_REPEATED_SECONDS = 120.0
_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Place:
    """The place where a request goes on: below a message, at the very start ("") or at the head (None).

    ``is_new``: the conversation begins with this request. ``is_unnamed``: no client has named it.
    """

    scope: Scope
    below: str | None = None
    is_new: bool = False
    is_unnamed: bool = False


@dataclass(frozen=True, slots=True)
class Repeat:
    """How a repeated request is recognised: by the client's ``key``, or by its body where it says that it repeats."""

    fingerprint: str
    key: str | None
    is_retry: bool


def no_conversation(name: str) -> ApiError:
    """Gives the error for a conversation that is not there, or another owner's."""
    return ApiError(f"there is no conversation {name!r}.", status=404, code="conversation_not_found", param="conversation")


async def conversation_scope(engine: RunEngine, grant: Grant, name: str) -> Scope:
    """Gives the scope of a conversation that is there. Raises ApiError 404."""
    scope = Scope(grant.owner, name)
    if not await engine.store.has_conversation(scope):
        raise no_conversation(name)
    return scope


async def named_scope(engine: RunEngine, grant: Grant, name: str) -> Scope:
    """Gives the scope of a conversation; a name of the client's own begins one. Raises ApiError 404."""
    checked_name(name, "a conversation's name")
    return await conversation_scope(engine, grant, name) if name.startswith(UNNAMED) else Scope(grant.owner, name)


def new_scope(grant: Grant) -> Scope:
    """Gives the scope of a conversation that begins."""
    return Scope(grant.owner, new_conversation_id())


async def place_after(engine: RunEngine, grant: Grant, previous: str) -> Place:
    """Gives the place after an earlier response. Raises ApiError for one that is not there, or that still runs."""
    try:
        run = await engine.store.living_run(grant.owner, previous)
    except NotFound:
        told = f"there is no response {previous!r}."
        raise ApiError(told, code="previous_response_not_found", param="previous_response_id") from None
    if run.status == "pending":
        told = f"the response {previous!r} is still being given: wait for its end, or cancel it."
        raise ApiError(told, code="conversation_locked", param="previous_response_id")
    scope = Scope(grant.owner, run.conversation)
    said = await engine.keeper.messages(run, grant.owner)
    last = next((entry for entry in reversed(said) if entry.message.parts), None)
    below = (run.base or "") if last is None else last.id
    return Place(scope, below, is_unnamed=bool(run.request.get("is_own")))


def repeat_of(request: Request, body: Mapping[str, Any]) -> Repeat:
    """Gives the signs by which a request is known again. Raises ApiError for a key that is too long."""
    key = request.headers.get("idempotency-key") or None
    if key is not None and len(key) > _LONGEST_KEY:
        raise ApiError(f"an Idempotency-Key has at most {_LONGEST_KEY} characters.", param="Idempotency-Key")
    same = {name: value for name, value in body.items() if name not in {"stream", "stream_options"}}
    digest = hashlib.sha256(json.dumps([request.url.path, same], sort_keys=True).encode()).hexdigest()
    retries = request.headers.get("x-stainless-retry-count", "0")
    return Repeat(digest, key, retries.isdecimal() and int(retries) > 0)


async def repeated_run(engine: RunEngine, grant: Grant, repeat: Repeat) -> Run | None:
    """Gives the run of the request that this one repeats.

    Raises ApiError where a key belongs to another request.
    """
    if repeat.key is None and not repeat.is_retry:
        return None
    since = time.time() - _REPEATED_SECONDS
    run = await engine.store.same_run(grant.owner, key=repeat.key, fingerprint=repeat.fingerprint, since=since)
    if run is None:
        return None
    if repeat.key is not None:
        if run.fingerprint not in {"", repeat.fingerprint}:
            told = "this Idempotency-Key belongs to another request: take a new one for each."
            raise ApiError(told, code="idempotency_key_reused", param="Idempotency-Key")
        return run
    if run.status == "failed":
        # Nothing came of it: it is asked again.
        return None
    # The same words again, after others were said, are no repetition.
    newest = (await engine.store.runs(Scope(grant.owner, run.conversation)))[-1]
    return run if newest.id == run.id else None


async def joined_run(engine: RunEngine, grant: Grant, repeat: Repeat, error: StoreError) -> Run:
    """Gives the run that the same request has begun at the same time. Raises the error if there is none."""
    known = await repeated_run(engine, grant, repeat)
    if known is None:
        raise error
    return known
