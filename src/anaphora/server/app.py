"""The ASGI application: its routes, and what every request goes through."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from anaphora.errors import AnaphoraError
from anaphora.server.auth import Grant
from anaphora.server.error_bodies import ApiError, api_error, described
from anaphora.server.http import App, HostCheck, error_response, json_response
from anaphora.server.openai import completions, conversations, models_endpoint, responses
from anaphora.server.openai.openapi import openapi
from anaphora.server.services import Services
from anaphora.server.tracing import carry
from anaphora.server.web.pages import page_routes
from anaphora.server.web.sign_in import COOKIE, grant_of

LOG = logging.getLogger("anaphora.server")
Endpoint = Callable[[Services, Grant, Request], Awaitable[Response]]

# Methods, paths and endpoints. The first that fits is taken.
ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", "/v1/responses", responses.create),
    ("POST", "/v1/responses/input_tokens", responses.input_tokens),
    ("GET", "/v1/responses/{id}", responses.retrieve),
    ("DELETE", "/v1/responses/{id}", responses.delete),
    ("POST", "/v1/responses/{id}/cancel", responses.cancel),
    ("POST", "/v1/responses/{id}/confirm", responses.confirm),
    ("GET", "/v1/responses/{id}/context", responses.context),
    ("GET", "/v1/responses/{id}/input_items", responses.input_items),
    ("GET", "/v1/conversations", conversations.listed),
    ("POST", "/v1/conversations", conversations.create),
    ("GET", "/v1/conversations/{id}", conversations.retrieve),
    ("POST", "/v1/conversations/{id}", conversations.update),
    ("DELETE", "/v1/conversations/{id}", conversations.delete),
    ("GET", "/v1/conversations/{id}/items", conversations.items),
    ("POST", "/v1/conversations/{id}/items", conversations.add_items),
    ("GET", "/v1/conversations/{id}/items/{item}", conversations.item),
    ("DELETE", "/v1/conversations/{id}/items/{item}", conversations.delete_item),
    ("POST", "/v1/chat/completions", completions.create),
    ("GET", "/v1/models", models_endpoint.listed),
    ("GET", "/v1/models/{name:path}", models_endpoint.retrieve),
    ("POST", "/v1/embeddings", models_endpoint.embeddings),
)


def make_app(services: Services, *, hosts: frozenset[str]) -> App:
    """Makes the application. It begins its work in the background with the server's lifespan."""

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncGenerator[None, None]:
        async with anyio.create_task_group() as tasks:
            await services.kept.keeper.serve(tasks, lambda: services.auth.in_use > 0)
            await services.passing.keeper.serve(tasks)
            yield
            tasks.cancel_scope.cancel()

    routes = [Route(path, _guarded(services, endpoint, path), methods=[method]) for method, path, endpoint in ROUTES]
    routes += [
        *page_routes(services),
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", _readyz(services), methods=["GET"]),
        Route("/metrics", _metrics(services), methods=["GET"]),
        Route("/openapi.json", _openapi, methods=["GET"]),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _http_error})
    return HostCheck(app, hosts=hosts, origins=frozenset(one.rstrip("/") for one in services.config.origins))


def _guarded(services: Services, endpoint: Endpoint, route: str) -> Callable[[Request], Awaitable[Response]]:
    """Gives an endpoint that knows whose request it is, answers errors in the API's words, and is counted."""

    async def run(request: Request) -> Response:
        begun, request_id = time.monotonic(), f"req_{secrets.token_hex(12)}"
        try:
            carry(request.headers)
            grant = await _grant(services, request)
            response = await endpoint(services, grant, request)
        except AnaphoraError as error:
            response = error_response(_told(error))
        except Exception as error:
            LOG.exception("request failed", extra={"request": request_id, "route": route, "error": described(error)})
            response = error_response(api_error(error))
        seconds = time.monotonic() - begun
        response.headers["x-request-id"] = request_id
        services.metrics.request(route, response.status_code, seconds)
        about = {"request": request_id, "method": request.method, "route": route}
        LOG.info("request", extra={**about, "status": response.status_code, "seconds": round(seconds, 4)})
        return response

    return run


async def _grant(services: Services, request: Request) -> Grant:
    """Gives the owner of a request: by its token, or by the cookie of a page that is signed in."""
    shown = request.headers.get("authorization", "")
    if not shown and COOKIE in request.cookies:
        grant = await grant_of(services.auth, request)
        if grant is not None:
            return grant
    return await services.auth.grant(shown)


def _told(error: AnaphoraError) -> ApiError:
    told = api_error(error)
    if told.status >= 500:
        LOG.warning("answered with an error", extra={"error": described(error), "status": told.status})
    return told


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    told = f"there is nothing at {request.method} {request.url.path}."
    if status == 405:
        told = f"{request.url.path} does not take {request.method}."
    return error_response(ApiError(told, status=status, code="not_found" if status == 404 else None))


async def _healthz(request: Request) -> Response:
    del request
    return json_response({"status": "ok"})


def _readyz(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def ready(request: Request) -> Response:
        del request
        begun = time.monotonic()
        try:
            if services.kept.keeper.is_draining:
                return json_response({"status": "stopping"}, status=503)
            await services.store.token("")
        except AnaphoraError as error:
            return json_response({"status": "the store cannot be used", "reason": str(error)}, status=503)
        services.metrics.store_read(time.monotonic() - begun)
        return json_response({"status": "ok"})

    return ready


def _metrics(services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        host = request.client.host if request.client else ""
        if host not in {"127.0.0.1", "::1", ""}:
            try:
                await services.auth.grant(request.headers.get("authorization", ""))
            except ApiError as error:
                return error_response(error)
        text = services.metrics.text(services.kept.keeper.live, services.waiting)
        return Response(text, media_type="text/plain; version=0.0.4")

    return metrics


async def _openapi(request: Request) -> Response:
    del request
    return json_response(openapi())
