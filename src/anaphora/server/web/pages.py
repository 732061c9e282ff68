"""The pages and the calls of their script."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

import anyio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

import anaphora
from anaphora.chat.open_conversation import Choices
from anaphora.concurrency import spawn
from anaphora.errors import AnaphoraError, NotFound
from anaphora.server.auth import Grant
from anaphora.server.error_bodies import ApiError, api_error
from anaphora.server.http import EventStream, error_response, json_body, json_response
from anaphora.server.live_run import RunPlan
from anaphora.server.openai.fields import parts_of
from anaphora.server.services import Services
from anaphora.server.web.run_stream import page_stream
from anaphora.server.web.sign_in import grant_of, sign_in, sign_out
from anaphora.server.web.view import bar_parts, grouped, money, shown_conversation, time_text
from anaphora.stores.records import checked_query, new_conversation_id
from anaphora.stores.run_records import NewRun
from anaphora.turn.request import AnswerAgain, Continue, Edit, Say, Task
from anaphora.values.event_codec import event_from_json
from anaphora.values.events import Planned
from anaphora.values.message import Image, Options, checked_text
from anaphora.values.scope import Scope
from anaphora.values.transcript import START
from anaphora.values.usage import total

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Without any, a browser would send forms with the origin "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
_LISTED = 100
_HIDDEN = "hidden_until"
# A deleted conversation can be had back for so long, in seconds.
UNDO_SECONDS = 10.0
_STATIC = {"page.js": "text/javascript; charset=utf-8", "page.css": "text/css; charset=utf-8"}
Page = Callable[[Services, Grant, Request], Awaitable[Response]]


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("anaphora.server.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(version=anaphora.__version__, bar_parts=bar_parts, money=money, time_text=time_text)
    return environment


def rendered(name: str, status: int = 200, /, **values: Any) -> Response:
    """Gives a page, with an HTTP status."""
    text = _templates().get_template(name).render(**values)
    return Response(text, status, headers={**_HEADERS, "content-type": "text/html; charset=utf-8"})


async def _side(services: Services, grant: Grant) -> dict[str, Any]:
    """Gives what every page shows beside its own."""
    infos = await services.store.conversations(grant.owner, limit=_LISTED)
    return {
        "groups": grouped([info for info in infos if _HIDDEN not in info.settings]),
        "owner": grant.owner,
        "has_token": grant.token is not None,
        "models": services.models.names()[:200],
        "default_model": services.models.default,
    }


async def front(services: Services, grant: Grant, request: Request) -> Response:
    """A new conversation."""
    del request
    return rendered("chat.html", conversation=None, **await _side(services, grant))


async def conversation(services: Services, grant: Grant, request: Request) -> Response:
    """A conversation, its newest messages."""
    scope = await _scope(services, grant, request)
    shown = await shown_conversation(services, scope)
    return rendered("chat.html", conversation=shown, **await _side(services, grant))


async def messages(services: Services, grant: Grant, request: Request) -> Response:
    """The messages of a conversation as a piece of the page."""
    scope = await _scope(services, grant, request)
    shown = await shown_conversation(services, scope, up_to=request.query_params.get("before", ""))
    return rendered("messages.html", conversation=shown)


async def found(services: Services, grant: Grant, request: Request) -> Response:
    """The list of conversations, or those in which words were said, as a piece of the page."""
    text = request.query_params.get("q", "").strip()
    if not text:
        return rendered("list.html", hits=None, query="", **await _side(services, grant))
    hits = await services.store.search(grant.owner, checked_query(text, 30))
    return rendered("list.html", hits=hits, query=text, groups=[])


async def memory(services: Services, grant: Grant, request: Request) -> Response:
    """The facts, with where they were said."""
    del request
    facts = [fact for fact in await services.store.facts(grant.owner) if fact.superseded is None]
    return rendered("memory.html", facts=facts, **await _side(services, grant))


async def usage(services: Services, grant: Grant, request: Request) -> Response:
    """Shows the spending, by day, model and purpose."""
    del request
    rows = list(await services.store.spent(grant.owner, since=time.time() - 30 * 86_400))
    days: dict[str, float] = {}
    for row in rows:
        days[row.day] = days.get(row.day, 0.0) + row.usage.total_tokens
    most = max(days.values(), default=1.0) or 1.0
    bars = [{"day": day, "tokens": int(tokens), "height": round(100 * tokens / most, 1)} for day, tokens in sorted(days.items())]
    sign_ins = await services.store.sign_ins(grant.owner)
    limits = None if grant.token is None else (grant.token.limits, await services.store.spending(grant.token))
    values = {"rows": rows, "bars": bars, "whole": total(rows), "limits": limits, "sign_ins": sign_ins}
    return rendered("usage.html", **values, **await _side(services, grant))


async def report(services: Services, grant: Grant, request: Request) -> Response:
    """Shows the context report of one answer, as a piece of the page."""
    run = await services.store.living_run(grant.owner, request.path_params["id"])
    planned = event_from_json(run.result["planned"]) if "planned" in run.result else None
    if not isinstance(planned, Planned):
        raise NotFound("no context was planned for this answer.")
    passages = []
    for one in planned.report.asides.passages:
        try:
            entry = (await services.store.branch(Scope(grant.owner, one.conversation), one.message, reach=START))[-1]
        except NotFound:
            continue
        passages.append({"text": entry.text[:300], "conversation": one.conversation, "message": one.message, "date": one.date})
    lines = [(about, text) for about, text in planned.report.lines() if about not in {"recalled", "fact"}]
    return rendered("report.html", lines=lines, passages=passages, report=planned.report)


async def say(services: Services, grant: Grant, request: Request) -> Response:
    """Begins an answer: to a new message, to an edited one, or once more."""
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    name = body.get("conversation") or new_conversation_id()
    if not isinstance(name, str):
        raise ApiError("conversation must be a text.", param="conversation")
    scope = Scope(grant.owner, name)
    model = services.models.find(str(body.get("model") or ""))
    engine = services.kept
    task = await _task(services, scope, body)
    key = body.get("key") if isinstance(body.get("key"), str) else None
    about = {"model": model.name, "is_own": False, "inputs": 1}
    new = NewRun(f"resp_{secrets.token_hex(16)}", engine.keeper.holder, about, time.time(), key=key)
    plan = RunPlan(engine.conversation(scope), task, new, Options(), Choices(model.models if body.get("model") else None))
    known = None if key is None else await services.store.same_run(grant.owner, key=key, fingerprint="", since=0.0)
    if known is None:
        run = await services.start(grant, engine, model, plan)
        return json_response({"run": run.id, "conversation": name})
    return json_response({"run": known.id, "conversation": known.conversation})


async def _task(services: Services, scope: Scope, body: Mapping[str, Any]) -> Task:
    kind = body.get("kind", "say")
    if kind == "retry":
        return AnswerAgain()
    if kind == "continue":
        return Continue()
    text = body.get("text")
    if not isinstance(text, str):
        raise ApiError("text must be a text.", param="text")
    if kind == "edit":
        entry = (await services.store.branch(scope, str(body.get("message")), reach=START))[-1]
        return Edit(entry, checked_text(text))
    pictures = parts_of(body.get("pictures") or "", "pictures")
    images = tuple(part for part in pictures if isinstance(part, Image))
    del pictures
    return Say(checked_text(text) if not images else text, images)


async def go_to(services: Services, grant: Grant, request: Request) -> Response:
    """Goes on from another answer or wording: to the newest message below it."""
    scope = await _scope(services, grant, request)
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    last = str(body.get("message"))
    while below := await services.store.children(scope, last):
        last = below[-1].id
    async with services.kept.conversation(scope).writing():
        await services.store.move_head(scope, last)
    return json_response({})


async def change(services: Services, grant: Grant, request: Request) -> Response:
    """Renames a conversation, hides it before it is deleted, or brings it back."""
    scope = await _scope(services, grant, request)
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    settings = dict((await services.store.info(scope)).settings)
    if isinstance(body.get("title"), str) and body["title"].strip():
        await services.store.describe(scope, title=body["title"].strip()[:200])
    elif body.get("deleted") is True:
        await services.store.describe(scope, settings={**settings, _HIDDEN: time.time() + UNDO_SECONDS})
        spawn(lambda: _delete_later(services, scope))
    elif body.get("deleted") is False:
        settings.pop(_HIDDEN, None)
        await services.store.describe(scope, settings=settings)
    return json_response({})


async def _delete_later(services: Services, scope: Scope) -> None:
    await anyio.sleep(UNDO_SECONDS)
    try:
        if _HIDDEN in (await services.store.info(scope)).settings:
            await services.kept.bot.conversation(scope.conversation, owner=scope.owner).delete()
    except AnaphoraError:
        # Somebody writes to it, or it is gone already; it stays hidden.
        return


async def fact(services: Services, grant: Grant, request: Request) -> Response:
    """Rewords a fact, or deletes it."""
    body = await json_body(request, services.config.most_bytes, services.config.body_seconds)
    text = body.get("text")
    if isinstance(text, str) and text.strip():
        await services.store.reword(grant.owner, request.path_params["id"], text.strip())
    else:
        await services.store.delete_fact(grant.owner, request.path_params["id"])
    return json_response({})


async def exported(services: Services, grant: Grant, request: Request) -> Response:
    """A conversation as a file."""
    scope = await _scope(services, grant, request)
    form = "markdown" if request.path_params["form"] == "md" else "json"
    text = await services.kept.bot.conversation(scope.conversation, owner=grant.owner).export(form)  # type: ignore[arg-type]
    kind = "text/markdown" if form == "markdown" else "application/json"
    name = f'attachment; filename="conversation.{request.path_params["form"]}"'
    headers = {**_HEADERS, "content-type": f"{kind}; charset=utf-8", "content-disposition": name}
    return Response(str(text), headers=headers)


async def followed(services: Services, grant: Grant, request: Request) -> Response:
    """A run as HTML that grows."""
    run = await services.store.living_run(grant.owner, request.path_params["id"])
    return EventStream(page_stream(services.kept.keeper, grant.owner, run.id))


async def _scope(services: Services, grant: Grant, request: Request) -> Scope:
    scope = Scope(grant.owner, request.path_params["conversation"])
    if not await services.store.has_conversation(scope):
        raise NotFound("there is no such conversation.")
    return scope


PAGES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/", front),
    ("GET", "/c/{conversation:path}", conversation),
    ("GET", "/memory", memory),
    ("GET", "/usage", usage),
    ("GET", "/page/list", found),
    ("GET", "/page/messages/{conversation:path}", messages),
    ("GET", "/page/report/{id}", report),
    ("GET", "/page/runs/{id}", followed),
    ("GET", "/page/export/{form}/{conversation:path}", exported),
    ("POST", "/page/say", say),
    ("POST", "/page/goto/{conversation:path}", go_to),
    ("POST", "/page/change/{conversation:path}", change),
    ("POST", "/page/facts/{id}", fact),
)


def page_routes(services: Services) -> list[Route]:
    """Gives the routes of the page."""
    routes = [Route(path, _for_people(services, page), methods=[method]) for method, path, page in PAGES]
    return [
        *routes,
        Route("/sign-in", _sign_in(services), methods=["GET", "POST"]),
        Route("/sign-out", _sign_out(services), methods=["POST"]),
        Route("/static/{name}", _static, methods=["GET"]),
    ]


def _for_people(services: Services, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """Gives a page for whoever is signed in; others are asked to."""

    async def run(request: Request) -> Response:
        is_part = request.url.path.startswith("/page/")
        try:
            grant = await grant_of(services.auth, request)
            if grant is None:
                if is_part:
                    return error_response(ApiError("sign in first.", status=401))
                return RedirectResponse("/sign-in", 303)
            return await page(services, grant, request)
        except AnaphoraError as error:
            told = api_error(error)
            if is_part:
                return error_response(told)
            return rendered("error.html", told.status, message=str(told), groups=[], owner="")

    return run


def _sign_in(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        if request.method == "GET":
            return rendered("sign_in.html", message="")
        form = parse_qs((await request.body())[:10_000].decode("utf-8", "replace"))
        try:
            return await sign_in(services.auth, request, form.get("token", [""])[0])
        except ApiError:
            unknown = "This token is not known here. Ask whoever runs the server for one."
            return rendered("sign_in.html", 401, message=unknown)

    return run


def _sign_out(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def run(request: Request) -> Response:
        return await sign_out(services.auth, request)

    return run


@cache
def _file(name: str) -> bytes:
    return (files("anaphora.server.web") / "static" / name).read_bytes()


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        return error_response(ApiError("there is no such file.", status=404))
    headers = {"cache-control": "public, max-age=31536000, immutable", "content-type": _STATIC[name]}
    return Response(_file(name), headers={**headers, "x-content-type-options": "nosniff"})
