"""Any service that speaks the OpenAI dialect over HTTP: a row of the catalog, the wire, the transport."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from difflib import get_close_matches

import anyio

from anaphora.codec import Json
from anaphora.errors import ConfigError, ConnectionFailed, MissingKey, ModelNotFound, ProviderError, UnknownModel
from anaphora.events import ProviderEvent
from anaphora.providers.base import Deadlines, ModelInfo, ModelRef, ProviderOptions, Request
from anaphora.providers.catalog import VENDORS, Vendor
from anaphora.providers.failures import Answerer, unreadable
from anaphora.providers.http import HTTPTransport
from anaphora.providers.openai import OpenAIWire
from anaphora.providers.sse import SSEParser

# A hint is not worth a longer wait.
_SUGGESTION_SECONDS = 5.0


def open_provider(ref: ModelRef, options: ProviderOptions) -> OpenAICompatible:
    """The provider of that name in the catalog. Raises MissingKey or ConfigError."""
    vendor = VENDORS[ref.provider]
    base_url = options.base_url or vendor.base_url
    if base_url is None:
        raise ConfigError(
            f"{ref.provider} needs a base URL, for example --base-url http://127.0.0.1:8080/v1 (base_url= in Python)."
        )
    return OpenAICompatible(replace(vendor, base_url=base_url), _key(vendor, options), options)


class OpenAICompatible:
    """The Provider protocol over HTTP."""

    def __init__(self, vendor: Vendor, key: str | None, options: ProviderOptions) -> None:
        self.name = vendor.name
        self.base_url = vendor.base_url or ""
        self._vendor = vendor
        self._key = key or ""
        self._context_window = options.context_window
        deadlines = options.deadlines or (Deadlines(first_byte=vendor.first_byte) if vendor.first_byte else Deadlines())
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = HTTPTransport(self.base_url, headers, deadlines)

    async def prepare(self, model: str, /) -> ModelInfo:  # noqa: ARG002 -- the protocol's signature
        """Load the HTTP library. The service is not asked anything, so this works without a network."""
        await self._http.connect()
        return ModelInfo(context_window=self._context_window)

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        """Answer once."""
        who = self._who(request.model)
        wire = OpenAIWire(who, max_tokens_field=self._vendor.max_tokens_field)
        encoded = wire.encode(request)
        decoder = wire.decoder()
        parser = SSEParser(source=self.name)
        try:
            async with await self._http.post(who, encoded.path, encoded.headers, encoded.body) as body:
                if "event-stream" in body.kind:
                    async with aclosing(body.pieces()) as pieces:
                        async for piece in pieces:
                            for _, data in parser.feed(piece):
                                for event in decoder.feed(data):
                                    yield event
                else:
                    for data in _mislabelled(who, body.kind, await body.whole(), parser):
                        for event in decoder.feed(data):
                            yield event
        except ModelNotFound as error:
            raise await self._with_suggestion(error, request.model) from error
        for event in decoder.end():
            yield event

    async def models(self) -> list[str]:
        """The names of the models the service offers. Raises ProviderError."""
        try:
            return [str(item["id"]) for item in (await self.ask("/models"))["data"]]
        except (KeyError, TypeError):
            raise unreadable(self._who(""), "", b"a list of models of another shape") from None

    async def embed(self, model: str, texts: Sequence[str], /) -> list[list[float]]:
        """Rows of numbers for texts, in their order, from ``/embeddings``. Raises ProviderError."""
        answer = await self.ask("/embeddings", {"model": model, "input": list(texts), "encoding_format": "float"})
        try:
            rows = sorted(answer["data"], key=lambda item: int(item["index"]))
            vectors = [[float(number) for number in item["embedding"]] for item in rows]
        except (KeyError, TypeError, ValueError):
            vectors = []
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise unreadable(self._who(model), "", b"embeddings of another shape than was asked for")
        return vectors

    async def ask(self, path: str, body: Json | None = None) -> Json:
        """A small JSON question (GET, or POST with a body) to a path below the base URL, or to a whole URL.

        Raises ProviderError.
        """
        who = self._who("")
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = await self._http.ask(who, path, data)
        except ConnectionFailed:
            # A server may close an idle connection in the very moment in which it is used again.
            answer = await self._http.ask(who, path, data)
        try:
            value = json.loads(answer)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, list):
            value = {"data": value}
        if not isinstance(value, dict):
            raise unreadable(who, "", answer)
        return value

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _who(self, model: str) -> Answerer:
        return Answerer(self.name, self._vendor.key_variable, model, self._key)

    async def _with_suggestion(self, error: ModelNotFound, model: str) -> ModelNotFound:
        """The same error, naming the nearest models that the service does have, if it says so soon."""
        known: list[str] = []
        try:
            with anyio.move_on_after(_SUGGESTION_SECONDS):
                known = await self.models()
        except (ProviderError, UnknownModel):
            return error
        near = get_close_matches(model, known, n=3, cutoff=0.5) or known[:3]
        if not near:
            return error
        return ModelNotFound(
            f"{str(error).rstrip('.')}. Did you mean {' or '.join(near)}?",
            provider=self.name,
            status=error.status,
            request_id=error.request_id,
        )


def _mislabelled(who: Answerer, kind: str, whole: bytes, parser: SSEParser) -> list[str]:
    """The chunks of an answer that does not say it is a stream: one JSON object, or a stream all the same.

    Raises UnreadableAnswer for anything else.
    """
    start = whole.lstrip()[:6]
    if start.startswith(b"{"):
        return [whole.decode("utf-8", "replace")]
    if start.startswith((b"data:", b"event:", b":")):
        return [data for _, data in parser.feed(whole)]
    raise unreadable(who, kind, whole)


def _key(vendor: Vendor, options: ProviderOptions) -> str | None:
    """The API key, from the options or from the one variable the catalog names. Raises MissingKey."""
    key = options.api_key
    if key is None and vendor.key_variable is not None:
        key = os.environ.get(vendor.key_variable)
    key = (key or "").strip()
    if not key:
        if vendor.key_variable is None or options.base_url is not None:
            return None
        raise MissingKey(
            f"{vendor.name} needs an API key: set the variable {vendor.key_variable}, "
            "or choose a model that needs none, for example -m local."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"the API key for {vendor.name} has characters that no key has: copy it again, without quotes or spaces."
        )
    return key
