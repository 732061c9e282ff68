"""A run as a response: its facts, its stream, and its whole."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from anaphora.errors import AnaphoraError
from anaphora.server.error_bodies import api_error, raised_again
from anaphora.server.live_run import LiveRun
from anaphora.server.openai.response_object import RunFacts
from anaphora.server.openai.response_stream import ResponseEvent, ResponseFold
from anaphora.server.run_keeper import RunKeeper
from anaphora.stores.run_records import NewRun, Run, seed_of


def facts_of_new(new: NewRun, conversation: str) -> RunFacts:
    """Gives the facts of a run that begins."""
    return _facts(new.id, conversation, new.created, new.request)


def facts_of(run: Run) -> RunFacts:
    """Gives the facts of a stored run."""
    return _facts(run.id, run.conversation, run.created, run.request)


def _facts(run_id: str, conversation: str, created: float, request: Mapping[str, Any]) -> RunFacts:
    return RunFacts(
        id=run_id,
        seed=seed_of(run_id),
        conversation=conversation,
        created=created,
        model=str(request.get("model") or ""),
        request=request,
        outside=frozenset(request.get("outside") or ()),
    )


def facts_of_live(run: LiveRun) -> RunFacts:
    """Gives the facts of a run of this process."""
    return facts_of_new(run.plan.new, run.plan.conversation.scope.conversation)


async def streamed(keeper: RunKeeper, owner: str, facts: RunFacts, after: int = -1) -> AsyncGenerator[bytes, None]:
    """Yields the events of a response with a sequence number above ``after``, as they come, and its last one always."""
    fold = ResponseFold(facts)
    ended: ResponseEvent | None = None
    first = [sse(event) for event in fold.start() if event["sequence_number"] > after]
    if first:
        yield b"".join(first)
    try:
        async with aclosing(keeper.follow(owner, facts.id)) as batches:
            async for batch in batches:
                fed = [one for number, event in batch for one in fold.feed(number, event)]
                ended = fed[-1] if fold.is_closed and fed else None
                if ended is not None and ended["sequence_number"] <= after:
                    # A log that was made again of the messages is shorter.
                    fed.append({**ended, "sequence_number": after + 1})
                events = [sse(one) for one in fed if one["sequence_number"] > after]
                if events:
                    yield b"".join(events)
    except AnaphoraError as error:
        # The run goes on, and can be read again.
        told = api_error(error)
        yield sse({"type": "error", "code": told.code, "message": str(told), "param": told.param})


def sse(event: ResponseEvent) -> bytes:
    """Gives an event of a stream. Other characters than ASCII are escaped: clients split lines at some of them."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())


async def folded(keeper: RunKeeper, owner: str, facts: RunFacts) -> ResponseFold:
    """Waits for the end of a run and gives the whole response."""
    fold = ResponseFold(facts)
    async with aclosing(keeper.follow(owner, facts.id)) as batches:
        async for batch in batches:
            for number, event in batch:
                fold.feed(number, event)
    return fold


def whole(fold: ResponseFold) -> dict[str, Any]:
    """Gives a response that has ended. Raises ApiError if nothing came of it."""
    response, closed = fold.object(), fold.closed
    if closed is not None and closed.error is not None and response["status"] == "failed":
        raise raised_again(closed.error)
    return response


async def response_now(keeper: RunKeeper, owner: str, run: Run) -> dict[str, Any]:
    """Gives a response as it is now, without waiting for its end."""
    facts = facts_of(run)
    live = keeper.find(owner, run.id)
    if live is None and run.status != "pending":
        return (await folded(keeper, owner, facts)).object()
    fold = ResponseFold(facts)
    events = list(enumerate(live.log.read())) if live is not None else await keeper.stored_events(owner, run.id)
    for number, event in events:
        fold.feed(number, event)
    return fold.object()
