"""The endpoint of chat completions: a relay, or with a conversation a memory."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from anaphora.chat.open_conversation import Choices
from anaphora.errors import InvalidMessage, StoreError
from anaphora.server.auth import Grant
from anaphora.server.error_bodies import ApiError, error_body, raised_again
from anaphora.server.event_log import Numbered, RunClosed
from anaphora.server.http import EventStream, json_body, json_response
from anaphora.server.live_run import LiveRun, RunPlan
from anaphora.server.models import ServedModel
from anaphora.server.openai.chain import chain_of, common_start, overlap
from anaphora.server.openai.chat_request import ChatRequest, chat_request
from anaphora.server.openai.chat_stream import DONE, CompletionFacts, CompletionFold, completion, data_line, usage_chunk
from anaphora.server.openai.options import fitting_extra
from anaphora.server.openai.place import Place, Repeat, joined_run, named_scope, new_scope, repeat_of, repeated_run
from anaphora.server.openai.relay import relayed
from anaphora.server.openai.responses import task_of
from anaphora.server.services import Services
from anaphora.stores.run_records import NewRun, Run, seed_of
from anaphora.values.answer import Answer
from anaphora.values.message import Message, Text
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry, Extent

# More than any branch has, of turns or tokens.
_MANY = 1 << 40


async def create(services: Services, grant: Grant, request: Request) -> Response:
    """Answers a list of messages."""
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    wanted = chat_request(body)
    model = services.models.find(wanted.model)
    services.kept.keeper.check_open()
    if wanted.conversation is None and not grant.remembers:
        return await relayed(services, grant, request, model, wanted)
    if wanted.messages[-1].role not in {"user", "tool"}:
        raise InvalidMessage("the messages must end with one of the user, or with results of tools.")
    if wanted.choices > 1:
        raise ApiError("n: in a conversation there is one answer at a time.", param="n")
    repeat = repeat_of(request, body)
    known = await repeated_run(services.kept, grant, repeat)
    if known is not None:
        return await _given(services, grant, _facts_of(known, wanted), known.id, wanted)
    spot = await _spot(services, grant, wanted)
    try:
        run = await services.start(grant, services.kept, model, _plan(services, model, spot, wanted, repeat))
    except StoreError as error:
        known = await joined_run(services.kept, grant, repeat, error)
        return await _given(services, grant, _facts_of(known, wanted), known.id, wanted)
    return await _given(services, grant, _facts_of_live(run, wanted), run.id, wanted)


@dataclass(frozen=True, slots=True)
class _Spot:
    """The place of a list, and the messages of it that are new there. ``seen`` are those that are there already."""

    place: Place
    new: tuple[Message, ...]
    seen: tuple[Message, ...] = ()


async def _spot(services: Services, grant: Grant, wanted: ChatRequest) -> _Spot:
    """Finds out which messages of a list are new, and where they belong."""
    if wanted.conversation is not None:
        return await _spot_in(services, await named_scope(services.kept, grant, wanted.conversation), wanted.messages)
    given = wanted.messages
    # The longest beginning that ends with an answer of ours; all but the last message at most.
    for size in range(len(given) - 1, 0, -1):
        if given[size - 1].role != "assistant":
            continue
        run = await services.store.run_of_chain(grant.owner, chain_of(given[:size]))
        if run is not None:
            said = await services.kept.keeper.messages(run, grant.owner)
            if said:
                scope = Scope(grant.owner, run.conversation)
                place = Place(scope, said[-1].id, is_unnamed=bool(run.request.get("is_own")))
                return _Spot(place, given[size:], given[:size])
    return _Spot(Place(new_scope(grant), is_new=True, is_unnamed=True), given)


async def _spot_in(services: Services, scope: Scope, given: Sequence[Message]) -> _Spot:
    """Finds out which messages of a list are new in a conversation, and where they belong."""
    given = tuple(given)
    head = (await services.store.info(scope)).head
    if len(given) == 1 or head is None:
        return _Spot(Place(scope, is_new=head is None), given)
    # The end of the branch is enough for a list that goes on with it.
    end = await _said(services, scope, head, Extent(2 * len(given), _MANY, _MANY))
    size = overlap(given[:-1], [entry.message for entry in end])
    if size:
        return _Spot(Place(scope), given[size:])
    whole = await _said(services, scope, head, None)
    shared = common_start(given[:-1], [entry.message for entry in whole])
    return _Spot(Place(scope, whole[shared - 1].id), given[shared:]) if shared else _Spot(Place(scope), given)


async def _said(services: Services, scope: Scope, head: str, reach: Extent | None) -> list[Entry]:
    branch = await services.store.branch(scope, head, reach=reach)
    return [entry for entry in branch if entry.role != "system"]


def _plan(services: Services, model: ServedModel, spot: _Spot, wanted: ChatRequest, repeat: Repeat) -> RunPlan:
    echo = {
        "metadata": dict(wanted.metadata),
        "model": wanted.model or model.name,
        "instructions": wanted.system,
        "outside": [tool.name for tool in wanted.tools],
        "is_own": spot.place.is_unnamed,
        "inputs": len(spot.new),
    }
    keeper = services.kept.keeper
    new = NewRun(f"resp_{secrets.token_hex(16)}", keeper.holder, echo, time.time(), repeat.fingerprint, repeat.key)
    before = chain_of((*spot.seen, *spot.new)) if wanted.conversation is None else ""

    def chain(answer: Answer[Any]) -> str:
        # The client sees one message: the words of all steps, and the calls that it runs.
        texts = [one.text for one in (*answer.steps, answer.message) if one.role == "assistant" and one.text]
        return chain_of([Message("assistant", (Text("\n\n".join(texts)), *answer.message.tool_calls))], before)

    return RunPlan(
        services.kept.conversation(spot.place.scope),
        task_of(spot.new, spot.place, "messages"),
        new,
        replace(wanted.options, extra=fitting_extra(wanted.extra, model.dialects)),
        Choices(model.models, wanted.system, more_tools=wanted.tools),
        wanted.shape,
        chain=chain if before else None,
    )


def _facts_of(run: Run, wanted: ChatRequest) -> CompletionFacts:
    return _facts(run.id, run.conversation, run.created, run.request, wanted)


def _facts_of_live(run: LiveRun, wanted: ChatRequest) -> CompletionFacts:
    new = run.plan.new
    return _facts(new.id, run.plan.conversation.scope.conversation, new.created, new.request, wanted)


def _facts(run_id: str, conversation: str, created: float, request: Any, wanted: ChatRequest) -> CompletionFacts:
    return CompletionFacts(
        id=f"chatcmpl-{seed_of(run_id)}",
        created=int(created),
        model=str(request.get("model")),
        has_usage=wanted.has_usage,
        outside=frozenset(request.get("outside") or ()),
        extra={"conversation": {"id": conversation}, "response_id": run_id},
    )


async def _given(services: Services, grant: Grant, facts: CompletionFacts, run_id: str, wanted: ChatRequest) -> Response:
    """Gives the answer of a run as the client wants it. Raises ApiError if nothing came of it."""
    reading = _Reading(services.kept.keeper.follow(grant.owner, run_id), CompletionFold(facts))
    # The status of the answer is known with its first word.
    first = await reading.next()
    while first == b"":
        first = await reading.next()
    closed = reading.closed
    if closed is not None and closed.error is not None and closed.status == "failed":
        raise raised_again(closed.error)
    if wanted.stream:
        return EventStream(_stream(reading, facts, first or b""))
    while await reading.next() is not None:
        pass
    closed = reading.closed
    if closed is not None and closed.error is not None and not reading.fold.text:
        raise raised_again(closed.error)
    return json_response(completion(facts, [reading.fold.choice()], reading.fold.usage))


class _Reading:
    """A reader of a run, which folds its events."""

    def __init__(self, source: AsyncGenerator[list[Numbered], None], fold: CompletionFold) -> None:
        self.source = source
        self.fold = fold
        self._closed: RunClosed | None = None

    @property
    def closed(self) -> RunClosed | None:
        """The last event, once it has come."""
        return self._closed

    async def next(self) -> bytes | None:
        """Gives the chunks of the next events, which may be none; None after the last."""
        batch = await anext(self.source, None)
        if batch is None or self._closed is not None:
            return None
        pieces: list[bytes] = []
        for _, event in batch:
            if isinstance(event, RunClosed):
                self._closed = event
            else:
                pieces.append(self.fold.feed(event))
        return None if self._closed is not None and not any(pieces) else b"".join(pieces)


async def _stream(reading: _Reading, facts: CompletionFacts, first: bytes) -> AsyncGenerator[bytes, None]:
    yield reading.fold.begin() + first
    async with aclosing(reading.source):
        while (piece := await reading.next()) is not None:
            if piece:
                yield piece
    closed, fold = reading.closed, reading.fold
    if closed is not None and closed.error is not None:
        yield error_line(raised_again(closed.error))
        return
    yield fold.end() + (usage_chunk(facts, fold.usage) if facts.has_usage else b"") + DONE


def error_line(error: ApiError) -> bytes:
    """Gives an error in the middle of a stream."""
    return data_line(error_body(error))
