"""From flags and settings to a chatbot: which model, which persona, and what is said about the choice."""

from __future__ import annotations

import argparse
import json
import os
from contextlib import suppress
from dataclasses import fields
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from platformdirs import user_data_path

from anaphora.chat.options import ChatbotOptions
from anaphora.cli.choose import chosen
from anaphora.cli.session import Session
from anaphora.cli.terminal.confirm import CONFIRMATIONS, can_ask
from anaphora.cli.terminal.download import fetch_with_progress
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.progress import Bar
from anaphora.context.policy import Facts, Recall, Summary
from anaphora.errors import ConfigError, StoreError, StoreUnusable
from anaphora.personas.persona import MEMORY, Persona, load_persona
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.registry import parse_models
from anaphora.settings import Settings, config_folder, load_settings
from anaphora.stores.inmemory import InMemoryStore
from anaphora.sync.chatbot import Chatbot
from anaphora.values.transcript import ConversationInfo, shortened

# Longer than any answer of a server on this machine, shorter than anybody notices.
_OLLAMA_SECONDS = 0.3


def open_bot(arguments: argparse.Namespace, *, chat: bool = False) -> Session:
    """The chatbot that flags and settings ask for; in a ``chat`` there is time for better titles, and a past that matters.

    Raises ConfigError and ProviderError.
    """
    names = {field.name for field in fields(Settings)}
    settings = load_settings(flags={name: value for name, value in vars(arguments).items() if name in names})
    persona = load_persona(settings.persona, config_folder() / "personas") if settings.persona else None
    model, why = choose_model(settings, persona)
    options = bot_options(settings, persona)
    is_shown = settings.stream and not arguments.json and not arguments.schema and arguments.candidates == 1
    options["confirm"] = CONFIRMATIONS.ask if can_ask() and is_shown else None
    goes_on = chat or arguments.continued or arguments.resume is not None
    remembered = memory_options(settings, recall=goes_on if settings.recall is None else settings.recall)
    options.update(cast("ChatbotOptions", {name: value for name, value in remembered.items() if name not in parts_off(persona)}))
    quiet = arguments.quiet or arguments.json
    if why and not quiet:
        notice(f"{model}: {why}")
    try:
        options["store"] = InMemoryStore() if arguments.no_store else store_of(settings)
    except StoreUnusable as error:
        notice(str(error))
        options["store"] = InMemoryStore()
    # The small local model gives worse ones than the first words, and a script has none.
    options["titles"] = chat and settings.titles and parse_models(model, base_url=settings.base_url)[0].provider in VENDORS
    bot = open_model(model, options, quiet=quiet)
    if chat:
        index_all(bot)
    session = Session(bot, settings, options, quiet=quiet)
    if arguments.resume is not None:
        resume(session, chosen(bot.conversations(), arguments.resume))
    elif arguments.continued:
        continue_newest(session)
    return session


def store_of(settings: Settings) -> str | Path:
    """Where conversations are kept."""
    return settings.store or data_file()


def data_file() -> Path:
    """Where conversations are kept unless the user says otherwise. Raises StoreUnusable if there is no home folder."""
    folder = user_data_path("anaphora")
    if not folder.is_absolute():
        raise StoreUnusable("there is no home folder to keep conversations in: name a file with --store, or use --no-store.")
    return folder / "anaphora.db"


def continue_newest(session: Session) -> None:
    """Go on with the conversation that changed last. Raises StoreError."""
    newest = next(iter(session.bot.conversations()), None)
    if newest is None:
        session.tell("There is no earlier conversation; a new one begins.")
    else:
        resume(session, newest)


def resume(session: Session, info: ConversationInfo) -> None:
    """Go on with this conversation, and say so; also that its last message has no answer. Raises StoreError."""
    session.switch(session.bot.conversation(info))
    session.tell(f"Going on with “{info.title}”, {info.messages} messages.")
    last = session.conversation.history()[-2:]
    for entry in last:
        session.tell(f"{'You' if entry.role == 'user' else 'Answer'}: {shortened(entry.text) or '(nothing)'}")
    if session.conversation.unanswered() is not None:
        session.tell("The last answer was interrupted: /continue, /retry or go on.")


def index_all(bot: Chatbot) -> None:
    """Bring the search index up to date, with a bar where that takes a while. Ctrl-C leaves the rest for the next time."""
    with Bar(things="messages indexed") as bar, suppress(KeyboardInterrupt, StoreError):
        bot.index(bar.show)


def open_model(model: str, options: ChatbotOptions, *, quiet: bool = False) -> Chatbot:
    """A chatbot; the weights of a local model are fetched first if they are missing. Raises ConfigError and ProviderError."""
    bot = Chatbot(model, **options)
    fetch_with_progress(bot.model, quiet=quiet)
    return bot


def choose_model(settings: Settings, persona: Persona | None = None) -> tuple[str, str]:
    """The model, and why if nobody named it: settings, else a key that is set, else a running Ollama, else the local one."""
    if settings.model:
        return settings.model, ""
    if persona is not None and persona.model:
        return persona.model, f"the persona {persona.name} asks for it"
    if settings.base_url:
        raise ConfigError("with a base URL, name the model too: -m NAME.")
    for vendor in VENDORS.values():
        if vendor.key_variable and vendor.model and os.environ.get(vendor.key_variable, "").strip():
            return f"{vendor.name}:{vendor.model}", f"chosen because {vendor.key_variable} is set; -m chooses another"
    newest = _newest_ollama_model()
    if newest:
        return f"ollama:{newest}", "chosen because Ollama is running; -m chooses another"
    return (
        "local",
        "a small model inside this program, often wrong; for a better one set OPENAI_API_KEY or see: anaphora models local",
    )


# Whose conversations the terminal shows: those of the person who runs it.
OWNER = "me"


def bot_options(settings: Settings, persona: Persona | None) -> ChatbotOptions:
    """Settings as options of a chatbot; the settings' own values win over the persona's."""
    return ChatbotOptions(
        owner=OWNER,
        wait=5.0,
        context_window=settings.context_window,
        base_url=settings.base_url,
        persona=persona,
        system=settings.system,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        max_cost=settings.max_cost,
        models=settings.models,
        tools=tool_names(settings),
        mcp=settings.mcp or own_servers(),
    )


def parts_off(persona: Persona | None) -> set[str]:
    """The parts of the memory that a persona is not to have: no setting that holds for all gives them to it."""
    return set() if persona is None or persona.memory is None else set(MEMORY) - set(persona.memory)


def own_servers() -> str | None:
    """The user's own file of MCP servers, if there is one."""
    path = config_folder() / "mcp.json"
    return str(path) if path.is_file() else None


def memory_options(settings: Settings, *, recall: bool) -> ChatbotOptions:
    """Gives the options of the memory that the settings ask for."""
    return ChatbotOptions(
        summary=Summary(model=settings.memory_model) if settings.summaries else False,
        recall=Recall(embedder=settings.embedder) if recall else False,
        facts=Facts(learn=settings.learn, model=settings.memory_model if settings.learn else None) if settings.facts else False,
    )


def _newest_ollama_model() -> str | None:
    """The model an Ollama on this machine used or pulled last, if one is running."""
    address = urlsplit(VENDORS["ollama"].base_url or "")
    try:
        connection = HTTPConnection(address.hostname or "", address.port, timeout=_OLLAMA_SECONDS)
        try:
            connection.request("GET", "/api/tags")
            models = json.loads(connection.getresponse().read(1 << 20))["models"]
            return str(models[0]["name"]) if models else None
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError, KeyError, TypeError, IndexError):
        return None


def tool_names(settings: Settings) -> list[str]:
    """The built-in tools that settings name."""
    return [name.strip() for name in (settings.tools or "").split(",") if name.strip()]
