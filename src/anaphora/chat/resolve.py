"""Makes a bot from its options, and one that goes on as a conversation's stored options ask for."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from anaphora.billing import Billing
from anaphora.chat.option_values import checked_values
from anaphora.chat.options import ChatbotOptions, Tools, TurnOptions
from anaphora.chat.signatures import check_options
from anaphora.chat.stored_settings import given_settings
from anaphora.context.policy import Facts, Memory, Recall, Summary
from anaphora.context.window import FitContext
from anaphora.errors import ConfigError, MissingExtra, MissingKey, ProviderError
from anaphora.providers.base import Deadlines, Provider, ProviderOptions
from anaphora.providers.model import Model
from anaphora.providers.models.card import ModelCard, own_cards
from anaphora.providers.registry import meant_provider, open_provider, parse_model, parse_models
from anaphora.providers.retry import Retries
from anaphora.stores.base import Store
from anaphora.stores.complete import completed, has_memories
from anaphora.stores.records import checked_name, new_conversation_id
from anaphora.stores.registry import open_store
from anaphora.tools.base import Tool
from anaphora.tools.toolbox import MAX_STEPS, Toolbox
from anaphora.turn.bot import Bot
from anaphora.turn.timing import Timing
from anaphora.values.message import Options, valid_text
from anaphora.values.options import AnswerOptions, chosen_options
from anaphora.values.scope import Scope

if TYPE_CHECKING:
    from anaphora.guards.base import Check, Guard
    from anaphora.memory.vectors import Embedder, VectorIndex

DEFAULT_MODEL = "local"
# The owner of conversations where the program names nobody.
UNNAMED_OWNER = "me"

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Opens models by name, each provider as the bot's options say."""

    options: ProviderOptions
    provider: str | None = None

    def models(self, model: str | Provider) -> tuple[Model, ...]:
        """Gives the models of a text like ``"groq:a,openai:b"``, or the one of a Provider. Raises ConfigError."""
        window = self.options.context_window
        if not isinstance(model, str):
            given: object = model
            if inspect.isclass(given) or not hasattr(model, "stream") or not hasattr(model, "prepare"):
                raise ConfigError(f"the model must be a text like 'openai:gpt-5.4-mini' or a Provider, not {model!r}.")
            return (Model(model, "", context_window=window),)
        refs = parse_models(model, base_url=self.options.base_url)
        # The address (and so where a key is sent) and the window of one service hold for no other.
        meant = meant_provider(refs) if self.provider is None else self.provider
        elsewhere = ProviderOptions(deadlines=self.options.deadlines, cards=self.options.cards)
        return tuple(
            Model(open_provider(ref, self.options), ref.model, context_window=window)
            if ref.provider == meant
            else Model(open_provider(ref, elsewhere), ref.model)
            for ref in refs
        )

    def settled(self, model: str | Provider) -> ModelSource:
        """Gives the source for models that are chosen later: the options belong to the provider of the first ``model``."""
        if not isinstance(model, str):
            return ModelSource(ProviderOptions(deadlines=self.options.deadlines, cards=self.options.cards))
        return replace(self, provider=meant_provider(parse_models(model, base_url=self.options.base_url)))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A bot as its options ask for it, with the parts that are not the bot's: answer options, scope, and the model source.

    ``model`` and ``chosen`` are as the program gave them, ``given`` those of them that are stored with a conversation.
    """

    bot: Bot
    options: Options
    scope: Scope
    wait: float
    source: ModelSource
    owns_store: bool
    model: str | Provider | None
    chosen: ChatbotOptions
    given: Mapping[str, Any]


def resolve(model: str | Provider | None, options: ChatbotOptions) -> Resolved:
    """Makes a bot from its options. Raises ConfigError at once for what cannot work."""
    check_options(options, ChatbotOptions)
    chosen_model, chosen = model, options
    options = cast("ChatbotOptions", checked_values(options))
    model, options = with_persona(model, options)
    system, store, owner = options.get("system"), options.get("store"), options.get("owner")
    cards = own_cards(options.get("models") or {})
    policy, kept = _memory(options), _store(store)
    if not has_memories(kept if store is None or isinstance(store, str | os.PathLike) else store):
        policy = Memory(policy.window)
    named = UNNAMED_OWNER if owner is None else checked_name(owner, "an owner")
    embedder = _embedder(policy.recall)
    models_of = source(options, cards)
    model = DEFAULT_MODEL if model is None or model == "" else model
    models = models_of.models(model)
    bot = Bot(
        models=models,
        store=kept,
        policy=policy,
        billing=Billing(kept, dollars(options.get("max_cost")), cards),
        toolbox=_toolbox(options),
        retries=cast("Retries | None", options.get("retries")) or Retries(),
        guards=_guards(options.get("guards")),
        system=None if system is None else valid_text(system, "the system prompt"),
        titles=options.get("titles") or False,
        summariser=_other_model(policy.summary, options, cards),
        extractor=_other_model(policy.facts, options, cards),
        embedder=embedder,
        vectors=_vectors(kept, named, embedder),
        before_call=options.get("before_call"),
        after_call=options.get("after_call"),
        timing=options.get("timing") or Timing(),
    )
    answer = {name: value for name, value in options.items() if name in AnswerOptions.__annotations__}
    return Resolved(
        bot=bot,
        options=chosen_options(Options(), cast("AnswerOptions", answer)),
        scope=Scope(named, new_conversation_id(), is_named=owner is not None),
        wait=options.get("wait") or 0.0,
        source=models_of.settled(model),
        owns_store=store is None or isinstance(store, str | os.PathLike),
        model=chosen_model,
        chosen=chosen,
        given=given_settings(chosen_model, chosen),
    )


def chosen_tools(tools: Tools | None) -> tuple[Tool, ...]:
    """Makes tools of functions and of the names of built-in ones. Raises ConfigError."""
    if not tools:
        return ()
    from anaphora.tools.builtin import chosen_tools as built_in

    return built_in(tools)


def answer_options(base: Options, options: TurnOptions) -> Options:
    """Gives the options of an answer over those of the bot. Raises ConfigError."""
    check_options(options, TurnOptions)
    answer = {name: value for name, value in checked_values(options).items() if name in AnswerOptions.__annotations__}
    return chosen_options(base, cast("AnswerOptions", answer))


def source(options: ChatbotOptions, cards: Mapping[str, ModelCard]) -> ModelSource:
    """Gives the source of models that the options describe. Raises MissingKey and ConfigError."""
    return ModelSource(
        ProviderOptions(
            options.get("base_url"),
            _key(options),
            cast("Deadlines | None", options.get("deadlines")),
            options.get("context_window"),
            cards,
            headers=options.get("headers") or {},
            http_client=options.get("http_client"),
        )
    )


def _key(options: ChatbotOptions) -> str | None:
    """Gives the key, looked up in the variable that is named for it. Raises MissingKey and ConfigError."""
    key, name = options.get("api_key"), options.get("key_env")
    if name is None:
        return key
    # Where somebody gives the key itself for its variable's name, it must not be shown.
    if not name.isidentifier() or name != name.upper():
        raise ConfigError(
            "key_env (--key-env) must be the name of a variable, like MY_API_KEY: put the key into the environment under it."
        )
    if key is not None:
        return key
    if not (key := os.environ.get(name, "").strip()):
        raise MissingKey(f"the variable {name}, which is to hold the API key, is not set.")
    return key


def dollars(value: Any) -> float | None:
    """Checks a limit of the cost. Raises ConfigError."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf")):
        raise ConfigError(f"max_cost (--budget) must be a number of dollars from 0, not {value!r}.")
    return None if value is None else float(value)


def _toolbox(options: ChatbotOptions) -> Toolbox:
    steps: Any = options.get("max_steps")
    if steps is not None and (type(steps) is not int or steps < 1):
        raise ConfigError(f"max_steps must be a whole number from 1, not {steps!r}.")
    servers: tuple[Any, ...] = ()
    mcp = options.get("mcp")
    if mcp is not None:
        from anaphora.tools.mcp import MCPServer
        from anaphora.tools.mcp_config import server_configs

        servers = tuple(map(MCPServer, server_configs(mcp)))
    return Toolbox(chosen_tools(options.get("tools")), servers, options.get("confirm"), steps or MAX_STEPS)


def _guards(guards: Sequence[Guard | Check] | None) -> tuple[Guard, ...]:
    if not guards:
        return ()
    from anaphora.guards.base import chosen_guards

    return chosen_guards(guards)


def _memory(options: ChatbotOptions) -> Memory:
    window = options.get("window") or FitContext()
    chosen = frozenset(name for name in ("summary", "recall", "facts") if options.get(name))
    parts = _part(options, "summary", Summary), _part(options, "recall", Recall), _part(options, "facts", Facts)
    return Memory(window, *parts, chosen=chosen)


def _part(options: ChatbotOptions, name: str, kind: Callable[[], Part]) -> Part | None:
    chosen: Any = options.get(name)
    if chosen is None or chosen is True:
        return kind()
    if chosen is False:
        return None
    if not isinstance(chosen, type(kind())):
        raise ConfigError(f"{name} must be {type(kind()).__name__}(…) or False, not {chosen!r}.")
    part: Part = chosen
    return part


def _embedder(recall: Recall | None) -> Embedder | None:
    if recall is None or not recall.embedder:
        return None
    from anaphora.memory.vectors import Embedder

    try:
        return Embedder(recall.embedder)
    except MissingExtra:
        raise
    except (ConfigError, ProviderError) as error:
        raise ConfigError(f"the embedder, {recall.embedder!r}: {error}") from error


def _vectors(store: Store, owner: str, embedder: Embedder | None) -> VectorIndex | None:
    if embedder is None:
        return None
    from anaphora.memory.vectors import VectorIndex

    return VectorIndex(store, owner, embedder)


def _other_model(part: Summary | Facts | None, options: ChatbotOptions, cards: Mapping[str, ModelCard]) -> Model | None:
    """Opens the model that is named for a part of the memory."""
    if part is None or part.model is None:
        return None
    try:
        ref = parse_model(part.model)
        deadlines = cast("Deadlines | None", options.get("deadlines"))
        return Model(open_provider(ref, ProviderOptions(deadlines=deadlines, cards=cards)), ref.model)
    except (ConfigError, ProviderError) as error:
        raise ConfigError(f"the model for {type(part).__name__.lower()}, {part.model!r}: {error}") from error


def _store(store: Store | str | os.PathLike[str] | None) -> Store:
    if store is None or store == ":memory:":
        from anaphora.stores.inmemory import InMemoryStore

        return InMemoryStore()
    return open_store(store) if isinstance(store, str | os.PathLike) else completed(store)


def with_persona(model: str | Provider | None, options: ChatbotOptions) -> tuple[str | Provider | None, ChatbotOptions]:
    """Gives the model and the options with those of a persona where they say nothing. Raises ConfigError."""
    chosen = options.get("persona")
    if chosen is None or chosen == "":
        return model, options
    from anaphora.personas.persona import MEMORY, Persona, load_persona, persona_file

    if not isinstance(chosen, Persona):
        name = os.fspath(chosen)
        chosen = persona_file(Path(name).expanduser()) if name.endswith(".md") else load_persona(name)
    said: ChatbotOptions = {"system": chosen.prompt, "temperature": chosen.temperature, "max_tokens": chosen.max_tokens}
    if chosen.memory is not None:
        off: dict[str, Literal[False]] = {name: False for name in MEMORY if name not in chosen.memory}
        said = cast("ChatbotOptions", {**said, **off})
    own = {name: value for name, value in options.items() if value is not None}
    given = list(options.get("tools") or ())
    tools = [*(name for name in chosen.tools if name not in given), *given]
    return model or chosen.model, cast("ChatbotOptions", {**said, **own, "tools": tools})
