"""A provider over HTTP: a row of the vendors, a dialect and the transport."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from difflib import get_close_matches
from urllib.parse import urlsplit, urlunsplit

import anyio

from anaphora.errors import (
    AnaphoraError,
    ConfigError,
    ConnectionFailed,
    MissingKey,
    ModelNotFound,
    ProviderError,
    ProviderTimeout,
)
from anaphora.providers.base import Deadlines, ModelInfo, ModelRef, ProviderOptions, Request
from anaphora.providers.http.transport import HTTPTransport
from anaphora.providers.models.card import FREE, Counter, ModelCard, parameters_in
from anaphora.providers.models.catalog import known_card
from anaphora.providers.models.vendors import VENDORS, Vendor
from anaphora.providers.wires.base import CatalogRequest, Wire, WireDecoder
from anaphora.providers.wires.failures import Answerer, unreadable
from anaphora.providers.wires.json_lines import LineParser
from anaphora.providers.wires.sse import SSEParser
from anaphora.values.address import is_near, secrets_in
from anaphora.values.codec import Json
from anaphora.values.events import ProviderEvent

# A hint is not worth a longer wait.
_SUGGESTION_SECONDS = 5.0
_WINDOW_SECONDS = 3.0
# Holds the key of any service, such as a server of one's own.
ANY_KEY = "ANAPHORA_API_KEY"
_ENDPOINT = re.compile(
    r"/+(?:(?:chat/)?completions|messages|responses|embeddings|models(?:/[^/]+:\w+)?|api/(?:chat|generate|tags|embed))/*$"
)


def open_provider(ref: ModelRef, options: ProviderOptions) -> Service:
    """Opens the service that ``ref`` names. Raises MissingKey or ConfigError."""
    vendor = VENDORS[ref.provider]
    base_url = options.base_url or vendor.base_url
    if base_url is None:
        raise ConfigError(
            f"{ref.provider} needs a base URL, for example --base-url http://127.0.0.1:8080/v1 (base_url= in Python)."
        )
    base_url = service_url(base_url)
    if vendor.dialect == "ollama":
        from anaphora.providers.wires.ollama import native_url

        base_url = native_url(base_url)
    return Service(replace(vendor, base_url=base_url), _key(vendor, options), options)


def service_url(pasted: str) -> str:
    """Gives the base URL in an address as people paste it: with blanks around it, a fragment, or the whole endpoint."""
    address = urlsplit(pasted.strip())
    path = _ENDPOINT.sub("", address.path).rstrip("/")
    return urlunsplit(address._replace(path=path, fragment=""))


class Service:
    """The Provider protocol over HTTP."""

    def __init__(self, vendor: Vendor, key: str | None, options: ProviderOptions) -> None:
        self.name = vendor.name
        self.base_url = vendor.base_url or ""
        self._own_url = VENDORS[vendor.name].base_url if vendor.name in VENDORS else None
        self._vendor = vendor
        self._key = key or ""
        self._options = options
        self._cards: dict[str, ModelCard] = {}
        self._counters: dict[str, Counter | None] = {}
        # Where a model is loaded and its prompt read on a machine near by, the first byte may take minutes.
        first_byte = vendor.first_byte if is_near(self.base_url) else None
        deadlines = options.deadlines or (Deadlines(first_byte=first_byte) if first_byte else Deadlines())
        headers = {**self._wire("").headers(self._key), **options.headers}
        self._http = HTTPTransport(self.base_url, headers, deadlines, client=options.http_client)

    async def prepare(self, model: str, /) -> ModelInfo:
        """Loads the HTTP library and looks the model up.

        Asks the service only for a context window that is unknown, or that the dialect sets with every request.
        """
        await self._http.connect()
        card = self._cards.get(model)
        if card is None:
            card = known_card(self.name, model, self._options.cards)
            if self._vendor.is_free and card.prices is None:
                card = FREE.under(card)
            own = self._options.context_window or self._options.cards.get(f"{self.name}:{model}", ModelCard()).context_window
            reached = True
            if own is None and (card.context_window is None or self._wire(model).sets_window):
                window, reached = await self._window(model)
                card = replace(card, context_window=window or card.context_window)
            if card.parameters is None:
                card = replace(card, parameters=parameters_in(model))
            # A server that cannot be reached is asked again next time.
            if reached:
                self._cards[model] = card
        if self._vendor.exact_tokens and model not in self._counters:
            from anaphora.providers.models.openai_tokens import exact_counter

            self._counters[model] = await exact_counter(model)
        window = self._options.context_window or card.context_window
        return ModelInfo(
            context_window=window,
            count=self._counters.get(model),
            card=card,
            most_tools=self._vendor.most_tools,
            longest_description=self._vendor.longest_description,
        )

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        """Yields the deltas of one answer, then exactly one Ended. Raises ProviderError."""
        async with aclosing(self.batches(request)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def batches(self, request: Request, /) -> AsyncGenerator[list[ProviderEvent], None]:
        """Yields the events of each read of one answer. Raises ProviderError."""
        who = self._who(request.model)
        try:
            async with aclosing(self._events(who, request)) as batches:
                async for batch in batches:
                    yield batch
        except ModelNotFound as error:
            error.mask(who.masked)
            raise await self._with_suggestion(error, request.model) from error
        except AnaphoraError as error:
            error.mask(who.masked)
            raise

    async def _events(self, who: Answerer, request: Request) -> AsyncGenerator[list[ProviderEvent], None]:
        wire = self._wire(request.model)
        encoded = wire.encode(request)
        decoder = wire.decoder()
        async with await self._http.post(who, encoded.path, encoded.headers, encoded.body) as body:
            parser = _parser(wire, body.kind, self.name)
            if parser is not None:
                async with aclosing(body.pieces()) as pieces:
                    async for piece in pieces:
                        batch: list[ProviderEvent] = []
                        try:
                            for data in parser.feed(piece):
                                batch.extend(_read(who, decoder, data))
                        except ProviderError:
                            # What came before a fault is an answer too.
                            if batch:
                                yield batch
                            raise
                        if batch:
                            yield batch
                rest = parser.end()
            else:
                rest = _mislabelled(who, body.kind, await body.whole())
            for data in rest:
                yield list(_read(who, decoder, data))
        yield list(decoder.end())

    async def models(self) -> Mapping[str, int | None]:
        """Gives the service's model names, with their context windows in tokens (None if unknown). Raises ProviderError."""
        wire = self._wire("")
        try:
            return wire.offered(await self._asked(wire.models()))
        except (KeyError, TypeError, AttributeError):
            raise unreadable(self._who(""), "", b"a list of models of another shape") from None

    async def embed(self, model: str, texts: Sequence[str], /) -> list[list[float]]:
        """Gives one vector for each text, in order, from ``/embeddings``. Raises ProviderError."""
        answer = await self.ask(self._wire(model).embeddings, {"model": model, "input": list(texts), "encoding_format": "float"})
        try:
            rows = sorted(answer["data"], key=lambda item: int(item["index"]))
            vectors = [[float(number) for number in item["embedding"]] for item in rows]
        except (KeyError, TypeError, ValueError):
            vectors = []
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise unreadable(self._who(model), "", b"embeddings of another shape than was asked for")
        return vectors

    async def ask(self, path: str, body: Json | None = None) -> Json:
        """Gets JSON from a path below the base URL, or from a whole URL (GET, or POST with a body). Raises ProviderError."""
        who = self._who("")
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = await self._asked_twice(who, path, data)
        except AnaphoraError as error:
            error.mask(who.masked)
            raise
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
        """Closes the connections."""
        await self._http.aclose()

    async def _asked_twice(self, who: Answerer, path: str, body: bytes | None) -> bytes:
        try:
            return await self._http.ask(who, path, body)
        except ConnectionFailed:
            # A server may close an idle connection at the moment of its next use.
            return await self._http.ask(who, path, body)

    def _who(self, model: str) -> Answerer:
        secrets = (self._key, *self._options.headers.values(), *secrets_in(self.base_url))
        address = "" if self.base_url == self._own_url else self.base_url
        variable = self._vendor.key_variable
        if variable is None and self._options.base_url is not None and self._options.api_key is None:
            variable = ANY_KEY
        return Answerer(
            self.name, variable, model, tuple(filter(None, secrets)), address, has_key=bool(self._key or self._options.headers)
        )

    def _wire(self, model: str) -> Wire:
        who, card = self._who(model), self._cards.get(model, ModelCard())
        match self._vendor.dialect:
            case "anthropic":
                from anaphora.providers.wires.anthropic import AnthropicWire

                return AnthropicWire(who, card)
            case "gemini":
                from anaphora.providers.wires.gemini import GeminiWire

                return GeminiWire(who, card)
            case "ollama":
                from anaphora.providers.wires.ollama import OllamaWire

                return OllamaWire(who, self._options.context_window or card.context_window)
            case "openai":
                from anaphora.providers.wires.openai import OpenAIWire

                return OpenAIWire(who, self._vendor)

    async def _asked(self, question: CatalogRequest) -> Json:
        return await self.ask(question.path, question.body)

    async def _window(self, model: str) -> tuple[int | None, bool]:
        """Gives the context window that the service reports within a moment (else None), and True if the service was reached."""
        wire = self._wire(model)
        reached = False
        limit = self._options.deadlines or Deadlines()
        with anyio.move_on_after(min(_WINDOW_SECONDS, limit.first_byte / 4)):
            for question in wire.about(model, self.base_url):
                try:
                    answer = await self._asked(question)
                    reached = True
                    window = wire.window(model, answer)
                except (ConnectionFailed, ProviderTimeout):
                    return None, False
                except (AnaphoraError, KeyError, TypeError, AttributeError):
                    reached = True
                    continue
                if window:
                    return window, True
        return None, reached

    async def _with_suggestion(self, error: ModelNotFound, model: str) -> ModelNotFound:
        """Adds the nearest names of the service's models to an error, if the service lists them within 5 seconds."""
        known: list[str] = []
        try:
            with anyio.move_on_after(_SUGGESTION_SECONDS):
                known = list(await self.models())
        except (ProviderError, ConfigError):
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


class _Events:
    """A parser that gives only the data of server-sent events, as careless servers send them too."""

    def __init__(self, source: str, most: int) -> None:
        self._parser = SSEParser(source=source, max_event_bytes=most)

    def feed(self, chunk: bytes) -> list[str]:
        return [one for _, data in self._parser.feed(chunk) for one in _single(data)]

    def end(self) -> list[str]:
        """Gives the last event if it only lacks its blank line; a cut event does not count."""
        return [one for _, data in self._parser.end() for one in _single(data) if _is_json(one) or one == "[DONE]"]


def _single(data: str) -> list[str]:
    """Splits the data of an event where a server left out the blank lines between several."""
    return data.split("\n") if "\n" in data and not _is_json(data) else [data]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _read(who: Answerer, decoder: WireDecoder, data: str) -> Sequence[ProviderEvent]:
    """Reads one piece of an answer. Raises UnreadableAnswer for a value of a shape that no dialect has."""
    try:
        return decoder.feed(data)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError, RecursionError):
        raise unreadable(who, "", data.encode("utf-8", "replace")) from None


def _parser(wire: Wire, kind: str, source: str) -> _Events | LineParser | None:
    """Gives the parser for this answer's bytes; None if the answer is not a stream."""
    if "event-stream" in kind:
        return _Events(source, wire.most_event_bytes)
    return LineParser(source=source) if wire.framing == "lines" and "html" not in kind else None


def _mislabelled(who: Answerer, kind: str, whole: bytes) -> list[str]:
    """Gives the chunks of an answer that is not declared as a stream: one JSON value, or a stream all the same.

    Raises UnreadableAnswer for anything else.
    """
    start = whole.lstrip()[:6]
    if start.startswith((b"{", b"[{")):
        return [whole.decode("utf-8", "replace")]
    if start.startswith((b"data:", b"event:", b":")):
        events = _Events(who.provider, len(whole))
        return [*events.feed(whole), *events.end()]
    raise unreadable(who, kind, whole)


def _key(vendor: Vendor, options: ProviderOptions) -> str | None:
    """Gives the API key, from the options or from the vendor's variable. Raises MissingKey or ConfigError.

    The variable of any service goes only to an address that was named.
    """
    key = options.api_key
    if key is None and vendor.key_variable is not None:
        key = os.environ.get(vendor.key_variable)
    if not key and options.api_key is None and options.base_url is not None:
        key = os.environ.get(ANY_KEY)
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
