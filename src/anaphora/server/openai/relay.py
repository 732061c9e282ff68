"""Relays a chat completion without memory: nothing is stored, and it ends with its connection."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import anyio
from starlette.requests import Request
from starlette.responses import Response

from anaphora.errors import AnaphoraError, ProviderError
from anaphora.providers.base import Request as ModelRequest
from anaphora.providers.contract import checked_batches
from anaphora.providers.model import Model
from anaphora.server.auth import Grant
from anaphora.server.error_bodies import api_error, error_body, server_stopping
from anaphora.server.http import EventStream, json_response, unless_gone
from anaphora.server.models import Places, ServedModel
from anaphora.server.openai.chat_request import ChatRequest
from anaphora.server.openai.chat_stream import DONE, CompletionFacts, CompletionFold, completion, data_line, usage_chunk
from anaphora.server.openai.options import fitting_extra
from anaphora.server.services import Services
from anaphora.values.events import ProviderEvent, joined
from anaphora.values.message import Usage, text_message

Batches = AsyncGenerator[list[ProviderEvent], None]


class _Relay:
    """One relayed request."""

    def __init__(self, services: Services, grant: Grant, model: ServedModel, wanted: ChatRequest) -> None:
        self._services = services
        self._grant = grant
        self._model = model
        self._wanted = wanted
        self._places: Places | None = None
        self._slot = secrets.token_hex(16)
        self._is_admitted = False
        self.facts = CompletionFacts(
            f"chatcmpl-{self._slot}", int(time.time()), wanted.model or model.name, has_usage=wanted.has_usage
        )
        self.folds = [CompletionFold(self.facts, index) for index in range(wanted.choices)]

    async def begin(self) -> None:
        """Takes what the answer needs. Raises ApiError and TokenRefused."""
        await self._services.auth.admit(self._grant, self._slot)
        self._is_admitted = True
        self._places = await self._services.place(self._model)

    async def end(self) -> None:
        """Gives back what the answer needed, and notes what it took."""
        with anyio.CancelScope(shield=True):
            if self._places is not None:
                self._places.leave()
            usage: Usage | None = None
            try:
                usage = await self._services.record(self._grant, self._model, self._used())
            finally:
                if self._is_admitted:
                    tokens, cost = (usage.total_tokens, usage.cost or 0.0) if usage else (0, 0.0)
                    await self._services.auth.leave(self._grant, self._slot, tokens, cost)
            if usage is not None:
                self._services.metrics.turn("complete", usage.input_tokens, usage.output_tokens, None)

    def _used(self) -> Usage | None:
        """Gives the usage of all answers. What was cut is paid for too, so it is estimated."""
        estimate = self._model.models[0].estimate
        used: list[Usage] = []
        for fold in self.folds:
            if fold.usage is not None:
                used.append(fold.usage)
            elif fold.text:
                sent = sum(estimate.count(message) for message in self._wanted.messages)
                used.append(Usage(sent, 0, estimate.count(text_message("assistant", fold.text))))
        return sum(used, Usage()) if used else None

    async def source(self) -> Batches:
        """Gives the events of the first model that answers, once the first has come. Raises ProviderError."""
        failure: ProviderError | None = None
        for model in self._model.models:
            events = checked_batches(model.provider, await self._request(model))
            try:
                first = await anext(events)
            except ProviderError as error:
                failure = failure or error
                if not error.may_fall_back:
                    break
            except StopAsyncIteration:
                continue
            else:
                return _with_first(first, events)
        raise failure or ProviderError(f"{self._model.name}: no answer came.")

    async def _request(self, model: Model) -> ModelRequest:
        wanted = self._wanted
        info = await model.prepare()
        messages = wanted.messages
        if wanted.system is not None:
            messages = (text_message("system", wanted.system), *messages)
        options = replace(wanted.options, extra=fitting_extra(wanted.extra, self._model.dialects))
        request = replace(model.request(messages, options, stable=0), tools=wanted.tools)
        if wanted.shape is None:
            return request
        if info.card.json_schema is True:
            return replace(request, schema=wanted.shape.schema)
        *earlier, last = request.messages
        words = text_message("user", f"{last.text}\n\n{wanted.shape.instruction}")
        return replace(request, messages=(*earlier, replace(last, parts=(*last.parts[:-1], *words.parts))))


async def _with_first(first: list[ProviderEvent], events: Batches) -> Batches:
    async with aclosing(events):
        yield first
        async for batch in events:
            yield batch


async def relayed(services: Services, grant: Grant, request: Request, model: ServedModel, wanted: ChatRequest) -> Response:
    """Asks a model, and gives its answer as it comes or as a whole. Raises AnaphoraError before the first word."""
    relay = _Relay(services, grant, model, wanted)

    async def begin() -> list[Batches]:
        await relay.begin()
        return [await relay.source() for _ in range(wanted.choices)]

    try:
        sources = await unless_gone(request, begin, services.stopping)
    except BaseException:
        await relay.end()
        raise
    if wanted.stream:
        return EventStream(_stream(relay, sources), services.stopping, data_line(error_body(server_stopping())) + DONE)
    try:
        error = await unless_gone(request, lambda: _collected(relay, sources), services.stopping)
    finally:
        await relay.end()
    if error is not None:
        raise error
    usages = [fold.usage for fold in relay.folds if fold.usage is not None]
    usage = sum(usages, Usage()) if usages else None
    return json_response(completion(relay.facts, [fold.choice() for fold in relay.folds], usage))


async def _collected(relay: _Relay, sources: list[Batches]) -> AnaphoraError | None:
    """Reads answers to their ends; gives the error that ended one."""
    try:
        for fold, source in zip(relay.folds, sources, strict=True):
            async with aclosing(source):
                async for batch in source:
                    for event in joined(batch):
                        fold.feed(event)
    except AnaphoraError as error:
        return error
    return None


async def _stream(relay: _Relay, sources: list[Batches]) -> AsyncGenerator[bytes, None]:
    try:
        for fold, source in zip(relay.folds, sources, strict=True):
            head = fold.begin()
            async with aclosing(source):
                async for batch in source:
                    piece = b"".join([fold.feed(event) for event in joined(batch)])
                    if piece:
                        yield head + piece
                        head = b""
            yield head + fold.end()
        usages = [fold.usage for fold in relay.folds if fold.usage is not None]
        last = usage_chunk(relay.facts, sum(usages, Usage()) if usages else None) if relay.facts.has_usage else b""
        yield last + DONE
    except AnaphoraError as error:
        yield data_line(error_body(api_error(error)))
    finally:
        await relay.end()
