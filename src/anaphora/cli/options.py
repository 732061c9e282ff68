"""From settings to the model that answers and the options of its chatbot."""

from __future__ import annotations

import json
import os
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from anaphora.chat.option_values import deadlines_of
from anaphora.chat.options import ChatbotOptions
from anaphora.cli.past import OWNER
from anaphora.cli.session import Invocation
from anaphora.cli.terminal.confirm import CONFIRMATIONS, can_ask
from anaphora.context.policy import Facts, Recall, Summary
from anaphora.errors import ConfigError, UnknownModel
from anaphora.personas.persona import MEMORY, Persona, load_persona, persona_file
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.registry import parse_models
from anaphora.settings import Settings, config_folder
from anaphora.stores.base import Store

# Longer than any answer of a server on this machine, shorter than anybody notices.
_OLLAMA_SECONDS = 0.3


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


def options_of(
    invocation: Invocation, settings: Settings, model: str, store: Store | str | os.PathLike[str] | None
) -> ChatbotOptions:
    """The options of the chatbot that settings ask for. Raises ConfigError."""
    arguments, persona = invocation.arguments, persona_of(settings)
    options = bot_options(settings)
    is_shown = settings.stream and not arguments.json and not arguments.schema and arguments.candidates == 1
    options["confirm"] = CONFIRMATIONS.ask if can_ask() and is_shown else None
    remembered = memory_options(settings, recall=_recall(invocation, settings))
    options.update(cast("ChatbotOptions", {name: value for name, value in remembered.items() if name not in parts_off(persona)}))
    options["store"] = store
    # The small local model gives worse ones than the first words, and a script has none.
    services = parse_models(model, base_url=settings.base_url)
    options["titles"] = invocation.chat and settings.titles and services[0].provider in VENDORS
    return options


def _recall(invocation: Invocation, settings: Settings) -> Recall | Literal[False]:
    """Recall is on in a chat. A question that goes on with a conversation finds what was said in this one alone."""
    goes_on = invocation.arguments.continued or invocation.arguments.resume is not None
    if settings.recall or (settings.recall is None and invocation.chat):
        return Recall(embedder=settings.embedder)
    return Recall(conversations=False, embedder=settings.embedder) if settings.recall is None and goes_on else False


def bot_options(settings: Settings) -> ChatbotOptions:
    """Settings as options of a chatbot; the settings' own values win over the persona's."""
    if settings.timeout is not None:
        deadlines_of(settings.timeout, "the timeout (--timeout)")
    return ChatbotOptions(
        owner=OWNER,
        # The program itself decides what of a conversation's own settings holds.
        resume=False,
        wait=5.0,
        context_window=settings.context_window,
        base_url=settings.base_url,
        key_env=settings.key_env,
        deadlines=settings.timeout,
        persona=persona_source(settings),
        system=settings.system,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=settings.seed,
        max_cost=settings.max_cost,
        models=settings.models,
        tools=tool_names(settings),
        mcp=settings.mcp or own_servers(),
    )


def memory_options(settings: Settings, *, recall: Recall | Literal[False]) -> ChatbotOptions:
    """Gives the options of the memory that the settings ask for."""
    return ChatbotOptions(
        summary=Summary(model=settings.memory_model) if settings.summaries else False,
        recall=recall,
        facts=Facts(learn=settings.learn, model=settings.memory_model if settings.learn else None) if settings.facts else False,
    )


def parts_off(persona: Persona | None) -> set[str]:
    """The parts of the memory that a persona is not to have: no setting that holds for all gives them to it."""
    return set() if persona is None or persona.memory is None else set(MEMORY) - set(persona.memory)


def persona_of(settings: Settings) -> Persona | None:
    """The persona that settings name. Raises ConfigError."""
    return persona_named(settings.persona) if settings.persona else None


def persona_named(name: str) -> Persona:
    """A persona: the user's own, or one that comes along. Raises ConfigError."""
    return persona_file(Path(name)) if name.endswith(".md") else load_persona(name, config_folder() / "personas")


def persona_source(settings: Settings) -> str | None:
    """The persona as it is stored with a conversation: the path of the user's own file, or the name of one that comes along.

    "" is none, also where the conversation had one that is not there any more.
    """
    name = settings.persona
    own = config_folder() / "personas" / f"{name}.md"
    return str(own) if name and not name.endswith(".md") and own.is_file() else name


def own_servers() -> str | None:
    """The user's own file of MCP servers, if there is one."""
    path = config_folder() / "mcp.json"
    return str(path) if path.is_file() else None


def tool_names(settings: Settings) -> list[str]:
    """The built-in tools that settings name."""
    return [name.strip() for name in (settings.tools or "").split(",") if name.strip()]


def names_provider(name: str) -> bool:
    """True if a model's name says which provider has it; ``openai-compatible`` alone does not say at which address."""
    try:
        return all(ref.provider != "openai-compatible" for ref in parse_models(name))
    except UnknownModel:
        return False


def model_of_service(name: str, service: str, base_url: str | None) -> str:
    """Gives the full name of a model; a name without a provider is one of the service that answers now. Raises ConfigError."""
    try:
        parse_models(name, base_url=base_url)
    except UnknownModel:
        if service in VENDORS and (":" not in name or service == "ollama"):
            return f"{service}:{name}"
        raise
    return name


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
