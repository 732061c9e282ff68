"""``anaphora serve``: the server on the store and the models that settings and flags name."""

from __future__ import annotations

import argparse
import os
import socket
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

from anaphora.chat.options import ChatbotOptions
from anaphora.cli.exit import OK
from anaphora.cli.open import store_of
from anaphora.cli.options import bot_options, choose_model, memory_options, persona_of
from anaphora.cli.terminal.notice import notice
from anaphora.context.policy import Recall
from anaphora.errors import ConfigError, MissingExtra
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.registry import parse_models
from anaphora.settings import Settings, load_settings
from anaphora.stores.base import Runs, ServerStore, Tokens
from anaphora.stores.inmemory import InMemoryStore
from anaphora.stores.registry import open_store

if TYPE_CHECKING:
    from anaphora.server.config import ServeConfig
    from anaphora.server.services import Services

_LEASE_SECONDS = 15.0


def serve(arguments: argparse.Namespace) -> int:
    """Serves until it is stopped; gives the exit code. Raises ConfigError for what cannot work."""
    try:
        from anaphora.server.http import is_loopback
        from anaphora.server.serve import Listen, open_socket, run
        from anaphora.server.workers import Workers
    except ImportError as error:
        raise MissingExtra(f'the server needs more packages ({error.name}): pip install "anaphora[server]".') from None
    from anaphora.server.config import serve_config
    from anaphora.server.logs import log_to_stderr

    names = {field.name for field in fields(Settings)}
    flags = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    settings = load_settings(flags=flags)
    config = serve_config(settings.serve)
    where = str(store_of(settings))
    if arguments.workers > 1 and "://" not in where:
        raise ConfigError("more than one worker needs Postgres: --store postgresql://…, or --workers 1.")
    log_to_stderr(arguments.log_format)
    listen = Listen(arguments.host, arguments.port, arguments.grace)
    is_open = is_loopback(arguments.host)
    if not is_open and not _has_tokens(where):
        raise ConfigError(
            f"--host {arguments.host} can be reached by others, and there is no token yet: add one first, with"
            " anaphora token add NAME."
        )
    if arguments.workers > 1:
        return Workers(arguments.argv, open_socket(listen), arguments.workers).run()
    sock = open_socket(listen) if arguments.fd is None else socket.socket(fileno=arguments.fd)
    services = make_services(settings, config, where, is_open=is_open)
    run(services, listen, sock)
    return OK


def server_store(where: str) -> ServerStore:
    """Opens a store that can serve. Raises ConfigError for one that cannot."""
    store: Any = open_store(where)
    if not isinstance(store, Runs) or not isinstance(store, Tokens):
        raise ConfigError(f"{where} cannot serve: it keeps no runs and no tokens. Name a SQLite file or postgresql://…")
    found: Any = store
    return cast("ServerStore", found)


def make_services(settings: Settings, config: ServeConfig, where: str, *, is_open: bool) -> Services:
    """Makes the parts of a server. Raises ConfigError."""
    from anaphora.chat.chatbot import AsyncChatbot, model_source
    from anaphora.server.auth import Auth
    from anaphora.server.models import ModelTable
    from anaphora.server.run_keeper import RunKeeper
    from anaphora.server.services import RunEngine, Services

    model, why = choose_model(settings, persona_of(settings))
    if why:
        notice(f"{model}: {why}")
    store = server_store(where)
    options = _options(settings, config, model)
    memory = InMemoryStore()
    bot = AsyncChatbot(model, **cast("ChatbotOptions", {**options, "store": store}))
    passing = AsyncChatbot(model, **cast("ChatbotOptions", {**options, "store": memory, "facts": False, "recall": False}))
    kept = RunKeeper(store)
    table = ModelTable(_allowed(config, model, settings), dict(config.aliases), model_source(bot).models)
    auth = Auth(store, is_open=is_open, holder=kept.holder)
    services = Services(config, table, auth, RunEngine(bot, kept), RunEngine(passing, RunKeeper(memory)))
    if settings.embedder is None:
        return services
    from anaphora.memory.vectors import Embedder

    return replace(services, embedder=settings.embedder, embed=Embedder(settings.embedder).rows)


def _options(settings: Settings, config: ServeConfig, model: str) -> ChatbotOptions:
    from anaphora.turn.timing import Timing

    # The person's own tools are not everybody's.
    options = bot_options(replace(settings, tools=config.tools, mcp=config.mcp))
    options["mcp"] = config.mcp
    # Who meets a busy conversation is told at once.
    options["wait"] = None
    recall: Any = False if settings.recall is False else Recall(embedder=settings.embedder)
    options.update(memory_options(settings, recall=recall))
    services = parse_models(model, base_url=settings.base_url)
    options["titles"] = settings.titles and services[0].provider in VENDORS
    options["timing"] = Timing(lease=_LEASE_SECONDS)
    return options


def _allowed(config: ServeConfig, model: str, settings: Settings) -> tuple[str, ...]:
    """Gives the models that clients may name: the default first."""
    if config.models:
        return config.models if settings.model is None else (model, *(one for one in config.models if one != model))
    keyed = [one.name for one in VENDORS.values() if one.key_variable and os.environ.get(one.key_variable, "").strip()]
    return (model, *(f"{name}:*" for name in keyed))


def _has_tokens(where: str) -> bool:
    import anyio

    async def look() -> bool:
        store = server_store(where)
        try:
            return bool(await store.tokens())
        finally:
            await store.aclose()

    return anyio.run(look)
