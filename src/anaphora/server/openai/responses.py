"""The endpoints of responses."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from anaphora.chat.open_conversation import Choices
from anaphora.errors import NotFound, StoreError
from anaphora.server.auth import Grant
from anaphora.server.error_bodies import ApiError
from anaphora.server.http import EventStream, json_body, json_response, unless_gone
from anaphora.server.live_run import LiveRun, RunPlan
from anaphora.server.models import ServedModel
from anaphora.server.openai.fields import wrong
from anaphora.server.openai.items import items_of_messages
from anaphora.server.openai.options import fitting_extra
from anaphora.server.openai.paging import page_of
from anaphora.server.openai.place import (
    Place,
    Repeat,
    conversation_scope,
    joined_run,
    new_scope,
    place_after,
    repeat_of,
    repeated_run,
)
from anaphora.server.openai.response_object import RunFacts
from anaphora.server.openai.response_run import facts_of, facts_of_live, folded, response_now, streamed, whole
from anaphora.server.openai.responses_request import ResponseRequest, answerable, response_request
from anaphora.server.services import RunEngine, Services
from anaphora.stores.run_records import NewRun, Run, input_id
from anaphora.turn.request import GiveResults, Say, Task
from anaphora.values.event_codec import event_from_json
from anaphora.values.events import Planned
from anaphora.values.message import Image, Message, text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import START, Entry

# A response that is cancelled has ended after so many seconds, wherever it runs.
_CANCEL_SECONDS = 10.0


async def create(services: Services, grant: Grant, request: Request) -> Response:
    """Begins a response, or joins the one that the request repeats."""
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    wanted = response_request(body)
    answerable(wanted.input.messages)
    engine = services.kept if wanted.stored or wanted.conversation is not None else services.passing
    repeat = repeat_of(request, body)
    known = await repeated_run(engine, grant, repeat) if engine is services.kept else None
    if known is not None:
        return await _given(engine, grant, facts_of(known), wanted, request)
    model = services.models.find(wanted.model)
    place = await _place(services, grant, wanted)
    plan = await _plan(services, engine, model, place, wanted, repeat)
    try:
        run = await services.start(grant, engine, model, plan)
    except StoreError as error:
        known = await joined_run(engine, grant, repeat, error)
        return await _given(engine, grant, facts_of(known), wanted, request)
    if engine is services.kept:
        return await _given(engine, grant, facts_of_live(run), wanted, request)
    return await _passing(services, grant, model, run, wanted, request)


async def _place(services: Services, grant: Grant, wanted: ResponseRequest) -> Place:
    if wanted.previous is not None:
        return await place_after(services.kept, grant, wanted.previous)
    if wanted.conversation is not None:
        return Place(await conversation_scope(services.kept, grant, wanted.conversation))
    return Place(new_scope(grant), is_new=True, is_unnamed=True)


async def _plan(
    services: Services, engine: RunEngine, model: ServedModel, place: Place, wanted: ResponseRequest, repeat: Repeat
) -> RunPlan:
    earlier: tuple[Message, ...] = ()
    if engine is services.passing:
        if not place.is_new:
            # It sees what was said before, and nothing is stored there.
            earlier = tuple(entry.message for entry in await services.store.branch(place.scope, place.below or None))
        # An owner of its own, so that nothing stays of it.
        place = Place(Scope(f"passing {secrets.token_hex(16)}", place.scope.conversation), is_new=True)
    if wanted.truncation == "disabled":
        await _check_fits(services, model, place, wanted)
    echo = {
        **wanted.echo,
        "model": wanted.model or model.name,
        "store": engine is services.kept,
        "outside": [tool.name for tool in wanted.tools],
        "is_own": place.is_unnamed,
        "inputs": len(wanted.input.messages),
    }
    new = NewRun(f"resp_{secrets.token_hex(16)}", engine.keeper.holder, echo, time.time(), repeat.fingerprint, repeat.key)
    return RunPlan(
        engine.conversation(place.scope),
        task_of((*earlier, *wanted.input.messages), place, "input"),
        new,
        replace(wanted.options, extra=fitting_extra(wanted.extra, model.dialects)),
        Choices(model.models, wanted.instructions, more_tools=wanted.tools),
        wanted.shape,
    )


def task_of(messages: tuple[Message, ...], place: Place, param: str) -> Task:
    """Gives the task of answering the last of some messages, the others of which are stored first.

    Raises ApiError, with the name of the field, for results where nobody has asked anything.
    """
    *above, last = messages
    if last.role == "tool":
        if place.is_new and all(message.role != "user" for message in above):
            told = f"{param}: these results belong to no message of the user. Send that and the calls before them."
            raise ApiError(told, param=param)
        return GiveResults(last.tool_results, tuple(above), place.below)
    images = tuple(part for part in last.parts if isinstance(part, Image))
    return Say(last.text, images, above=tuple(above), below=place.below)


async def _check_fits(services: Services, model: ServedModel, place: Place, wanted: ResponseRequest) -> None:
    """Raises ApiError if the branch with the new input is longer than the model's window."""
    first = model.models[0]
    budget = await first.budget(wanted.options.max_tokens)
    tokens = await _tokens(services, model, place, wanted)
    if tokens > budget.prompt:
        told = f"the input has about {tokens} tokens, and {budget.prompt} fit: shorten it, or leave out truncation=disabled."
        raise ApiError(told, code="context_length_exceeded", param="input")


async def _tokens(services: Services, model: ServedModel, place: Place, wanted: ResponseRequest) -> int:
    first = model.models[0]
    sizes = [(await first.size(message)).tokens for message in wanted.input.messages]
    if wanted.instructions:
        sizes.append((await first.size(text_message("system", wanted.instructions))).tokens)
    below = None if place.is_new else place.below or (await services.store.info(place.scope)).head
    if below is not None:
        last = (await services.store.branch(place.scope, below, reach=START))[-1]
        sizes.append(last.before.tokens + last.tokens)
    return sum(sizes)


async def _given(engine: RunEngine, grant: Grant, facts: RunFacts, wanted: ResponseRequest, request: Request) -> Response:
    """Gives a response as the client wants it."""
    del request
    if wanted.stream:
        return EventStream(streamed(engine.keeper, grant.owner, facts))
    if wanted.background:
        run = await engine.store.run(grant.owner, facts.id)
        response = await response_now(engine.keeper, grant.owner, run)
        return json_response({**response, "status": "queued" if response["status"] == "in_progress" else response["status"]})
    return json_response(whole(await folded(engine.keeper, grant.owner, facts)))


async def _passing(
    services: Services, grant: Grant, model: ServedModel, run: LiveRun, wanted: ResponseRequest, request: Request
) -> Response:
    """Gives a response of which nothing stays. It ends with its connection."""
    engine, facts = services.passing, facts_of_live(run)

    async def ended() -> None:
        run.turn.stop()
        with anyio.CancelScope(shield=True):
            await run.kept.wait()
            await services.record(grant, model, run.log.answer.usage if run.log.answer else None)
            with suppress(StoreError):
                await engine.store.delete_owner(run.owner)

    async def stream() -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(streamed(engine.keeper, run.owner, facts)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await ended()

    if wanted.stream:
        return EventStream(stream())
    try:
        return json_response(whole(await unless_gone(request, lambda: folded(engine.keeper, run.owner, facts))))
    finally:
        await ended()


async def found(services: Services, grant: Grant, request: Request) -> Run:
    """Gives the run that a path names. Raises ApiError 404."""
    run_id = request.path_params["id"]
    try:
        return await services.store.living_run(grant.owner, run_id)
    except NotFound:
        raise ApiError(f"there is no response {run_id!r}.", status=404, code="response_not_found") from None


async def retrieve(services: Services, grant: Grant, request: Request) -> Response:
    """Gives a response as it is now, or its events from a number on."""
    run = await found(services, grant, request)
    query = request.query_params
    if query.get("stream", "false").lower() == "true":
        after = query.get("starting_after", "-1")
        if not re.fullmatch(r"-?[0-9]{1,15}", after):
            raise wrong("starting_after", f"must be the number of an event, not {after!r}.")
        return EventStream(streamed(services.kept.keeper, grant.owner, facts_of(run), int(after)))
    return json_response(await response_now(services.kept.keeper, grant.owner, run))


async def cancel(services: Services, grant: Grant, request: Request) -> Response:
    """Stops a response, on whichever process it runs; gives it with the words that came."""
    run = await found(services, grant, request)
    keeper = services.kept.keeper
    if run.status == "pending":
        await keeper.stop(grant.owner, run.id)
        with anyio.move_on_after(_CANCEL_SECONDS):
            await folded(keeper, grant.owner, facts_of(run))
        run = await services.store.living_run(grant.owner, run.id)
    return json_response(await response_now(keeper, grant.owner, run))


async def delete(services: Services, grant: Grant, request: Request) -> Response:
    """Deletes a response; with the last one of a conversation that nobody named, that too."""
    run = await found(services, grant, request)
    if run.status == "pending":
        await services.kept.keeper.stop(grant.owner, run.id)
        with anyio.move_on_after(_CANCEL_SECONDS):
            await folded(services.kept.keeper, grant.owner, facts_of(run))
    await services.store.delete_run(grant.owner, run.id)
    scope = Scope(grant.owner, run.conversation)
    if run.request.get("is_own") and not await services.store.runs(scope):
        await services.kept.bot.conversation(run.conversation, owner=grant.owner).delete()
    return json_response({"id": run.id, "object": "response", "deleted": True})


async def input_items(services: Services, grant: Grant, request: Request) -> Response:
    """Lists the items that a response was given."""
    run = await found(services, grant, request)
    scope = Scope(grant.owner, run.conversation)
    entries: list[Entry] = []
    for place in range(int(run.request.get("inputs") or 0)):
        with suppress(StoreError):
            entries.append((await services.store.branch(scope, input_id(run.seed, place), reach=START))[-1])
    return json_response(page_of(items_of_messages(entries), request.query_params))


async def input_tokens(services: Services, grant: Grant, request: Request) -> Response:
    """Counts the tokens of an input, with all that was said before it."""
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    wanted = response_request({**body, "input": body.get("input") or "?"})
    place = await _place(services, grant, wanted)
    tokens = await _tokens(services, services.models.find(wanted.model), place, wanted)
    return json_response({"object": "response.input_tokens", "input_tokens": tokens})


async def context(services: Services, grant: Grant, request: Request) -> Response:
    """Gives the report on what the model saw: what went in, what was left out, and why."""
    run = await found(services, grant, request)
    live = services.kept.keeper.find(grant.owner, run.id)
    report = None
    if live is not None:
        report = next((one.report for one in reversed(live.log.read()) if isinstance(one, Planned)), None)
    elif "planned" in run.result:
        planned = event_from_json(run.result["planned"])
        report = planned.report if isinstance(planned, Planned) else None
    if report is None:
        raise ApiError("no context was planned for this response.", status=404, code="context_not_found")
    lines: list[Mapping[str, str]] = [{"about": about, "text": text} for about, text in report.lines()]
    left = report.left
    passages = report.asides.passages
    about: dict[str, Any] = {
        "object": "response.context",
        "response_id": run.id,
        "budget": report.budget,
        "context_window": report.context_window,
        "tokens": report.parts,
        "cut": report.cut,
        "left_out": None if left is None else {"messages": left.messages, "tokens": left.tokens, "reason": left.reason},
        "recalled": [{"conversation": one.conversation, "message": one.message, "reason": one.reason} for one in passages],
        "lines": lines,
    }
    return json_response(about)


async def confirm(services: Services, grant: Grant, request: Request) -> Response:
    """Allows or refuses a call of one of the server's own tools."""
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    run = await found(services, grant, request)
    call, allow = body.get("call_id"), body.get("allow")
    if not isinstance(call, str) or not isinstance(allow, bool):
        raise ApiError("give call_id, a text, and allow, which is true or false.", param="call_id")
    if run.status != "pending":
        raise ApiError("this response has ended: there is nothing to allow any more.", code="response_ended")
    await services.kept.keeper.allow(grant.owner, run.id, call, allow=allow)
    return json_response({"id": run.id, "object": "response.confirmation", "call_id": call, "allow": allow})
