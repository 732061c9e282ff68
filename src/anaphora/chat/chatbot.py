"""The chatbot: one model, one memory policy, any number of conversations that never share anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, cast

import anyio.to_thread

from anaphora.chat.conversation import AsyncConversation
from anaphora.context.facts import Facts
from anaphora.context.plan import Memory
from anaphora.context.recall import Recall
from anaphora.context.summary import Summary
from anaphora.context.window import FitContext, Window
from anaphora.errors import ConfigError, MissingExtra, ProviderError, StoreError, StoreUnusable
from anaphora.guards.guard import Check, Guard, chosen_guards
from anaphora.memory.vectors import Embedder, VectorIndex
from anaphora.personas.persona import MEMORY, Persona, load_persona, persona_file
from anaphora.providers.base import Deadlines, ModelInfo, Provider, ProviderOptions
from anaphora.providers.model import Model
from anaphora.providers.models.card import ModelCard, own_cards
from anaphora.providers.registry import open_provider, parse_model, parse_models
from anaphora.providers.retry import Retries
from anaphora.stores.base import Store
from anaphora.stores.inmemory import InMemoryStore
from anaphora.stores.records import checked_name, checked_query, new_conversation_id
from anaphora.stores.registry import open_store
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.tools.base import Tool
from anaphora.tools.mcp import MCPServer
from anaphora.tools.mcp_config import ServerConfig, server_configs
from anaphora.tools.run import Confirm
from anaphora.transfer.files import replacing
from anaphora.transfer.full import FullWriter
from anaphora.transfer.reading import Damaged, Imported, Progress, read_conversations
from anaphora.turn.bot import Setup
from anaphora.values.message import Options, valid_text
from anaphora.values.options import AnswerOptions, chosen_options
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Hit, Transcript
from anaphora.values.usage import Spent

DEFAULT_MODEL = "local"
# Whose conversations are in a store, where the program names nobody.
UNNAMED_OWNER = "me"
MOST_STEPS = 8

Part = TypeVar("Part")


class ChatbotOptions(AnswerOptions, total=False):
    """Everything a chatbot can be told at its start, beside its model.

    ``system`` is the system prompt; None takes the one the model does best with, "" none at all. ``window`` says how
    much of a conversation the model sees (default FitContext()). ``context_window`` (tokens) overrides what the
    provider says of its model. ``base_url``, ``api_key`` and ``deadlines`` go to the provider. ``store`` keeps the
    conversations, under the name of ``owner``: a Store, the path of a SQLite file, or a URL; None means in memory.
    ``max_cost``: dollars that one conversation may cost; the call that may pass it is not made. ``models``: what you know better
    than the catalog of models, as ``{"provider:model": {"context_window": 32_000, "input": 0.1, "output": 0.4}}``, prices in
    dollars for a million tokens.
    ``wait``: seconds to wait while another answer in the same conversation is being written, instead of raising
    ConversationBusy. ``titles``: ask the model, in the background, for a better title than a conversation's first words.

    ``summary``, ``recall`` and ``facts`` say what is remembered beyond the window; False is not at all. With an ``owner``, recall
    and facts reach over all conversations of that owner, so give every person one of their own, here or for each conversation.
    Without one they stay within each conversation.

    ``tools`` are functions with type hints and a docstring, or names of built-in ones (anaphora.tools), that the model may call
    in at most ``max_steps`` rounds (8). Those that act in the world are run if ``confirm``, called with the ToolCall, gives True;
    without it they are not. ``guards`` pass, change or refuse what is said (anaphora.guards). ``persona`` is the name of one that
    comes with the package, the path of a file (.md), or a Persona; whatever else is set holds over what it says. ``mcp`` are MCP
    servers whose tools may be called too: a file in the usual shape, or what is in one.

    None is not set, for every option.
    """

    system: str | None
    window: Window | None
    summary: Summary | Literal[False] | None
    recall: Recall | Literal[False] | None
    facts: Facts | Literal[False] | None
    context_window: int | None
    base_url: str | None
    api_key: str | None
    deadlines: Deadlines | None
    retries: Retries | None
    store: Store | str | os.PathLike[str] | None
    owner: str | None
    wait: float | None
    titles: bool | None
    max_cost: float | None
    models: Mapping[str, Mapping[str, Any]] | None
    tools: Sequence[Callable[..., Any] | Tool | str] | None
    confirm: Confirm | None
    max_steps: int | None
    guards: Sequence[Guard | Check] | None
    persona: Persona | str | os.PathLike[str] | None
    mcp: str | os.PathLike[str] | Mapping[str, Any] | None


class AsyncChatbot(AsyncConversation):
    """A chatbot that remembers. ``model`` is ``"provider:model"`` or a Provider; nothing means the model inside the process.

    Several, ``"groq:a,openai:b,local"``, are asked in turn where one fails: each of the others once, and only before a word came.

    It is a conversation itself; ``conversation(name)`` gives others. Raises ConfigError at once for what cannot work.
    """

    def __init__(self, model: str | Provider | None = None, **options: Unpack[ChatbotOptions]) -> None:
        _check_names(options)
        model, options = _with_persona(model, options)
        system = options.get("system")
        store = options.get("store")
        named = options.get("owner")
        owner = UNNAMED_OWNER if named is None else checked_name(named, "an owner")
        memory = _memory(options)
        kept = _store(store)
        embedder = _embedder(memory.recall)
        cards = own_cards(options.get("models") or {})
        first, *fallbacks = _models(model, options, cards)
        setup = Setup(
            model=first,
            fallbacks=tuple(fallbacks),
            max_cost=_dollars(options.get("max_cost")),
            cards=cards,
            tools=_tools(options.get("tools")),
            servers=tuple(map(MCPServer, _servers(options.get("mcp")))),
            confirm=options.get("confirm"),
            max_steps=_steps(options.get("max_steps")),
            guards=chosen_guards(options.get("guards") or ()),
            store=kept,
            memory=memory,
            retries=options.get("retries") or Retries(),
            system=None if system is None else valid_text(system, "the system prompt"),
            titles=options.get("titles") or False,
            summariser=_other_model(memory.summary, options, cards),
            extractor=_other_model(memory.facts, options, cards),
            embedder=embedder,
            vectors=VectorIndex(kept, owner, embedder) if embedder else None,
        )
        answer = {name: value for name, value in options.items() if name in AnswerOptions.__annotations__}
        chosen = chosen_options(Options(), cast("AnswerOptions", answer))
        scope = Scope(owner, new_conversation_id(), is_named=named is not None)
        super().__init__(setup, scope, options=chosen, wait=options.get("wait") or 0.0)
        self._owns_store = store is None or isinstance(store, str | os.PathLike)
        self._all[scope] = self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    @property
    def model(self) -> str:
        """The model that answers, as ``provider:model``."""
        return str(self._setup.model)

    async def tools(self) -> Sequence[Tool]:
        """What the model may call: our own tools, and those of MCP servers."""
        return await self._setup.all_tools()

    def conversation(self, name: str | ConversationInfo | None = None, *, owner: str | None = None) -> AsyncConversation:
        """The conversation of that name, begun if there is none, or one of ``conversations()``; without a name the bot's own.

        ``owner`` names whose it is: recall, facts and ``search_past`` then reach all conversations of that owner, and nobody
        else's. Without it the conversation is the bot's owner's. Raises ConfigError for a name or an owner that is blank.
        """
        if name is None and owner is None:
            return self
        if isinstance(name, ConversationInfo):
            # It is there already, whatever an import called it.
            return self.sibling(name.id, None if owner is None else checked_name(owner, "an owner"))
        checked = new_conversation_id() if name is None else checked_name(name, "a conversation's name")
        return self.sibling(checked, None if owner is None else checked_name(owner, "an owner"))

    async def conversations(self) -> Sequence[ConversationInfo]:
        """All conversations of this owner, most recently changed first."""
        return await self._setup.store.conversations(self._scope.owner)

    async def search(self, text: str, *, limit: int = 20) -> Sequence[Hit]:
        """The messages of all conversations of this owner that have all these words, newest first.

        Words in quotes must stand in a row. Raises InvalidMessage if there is nothing to look for.
        """
        return await self._setup.store.search(self._scope.owner, checked_query(text, limit))

    async def all_spent(self, *, since: float = 0.0) -> Sequence[Spent]:
        """What was spent in all conversations of this owner since that time (seconds since 1970), in the background too."""
        return await self._setup.store.spent(self._scope.owner, since=since)

    async def export_to(self, path: str | os.PathLike[str]) -> int:
        """Write everything of all conversations to a file, which ``import_from`` reads; gives how many they are.

        Raises TranscriptFileError, and then the file is as it was.
        """
        infos = await self.conversations()

        with replacing(path) as file:
            writer = FullWriter(file)
            for info in infos:
                entries = await self._setup.store.transcript(Scope(self._scope.owner, info.id))
                await anyio.to_thread.run_sync(writer.add, Transcript(info, entries))
            writer.end()
        return len(infos)

    async def import_from(self, path: str | os.PathLike[str], progress: Progress | None = None) -> Imported:
        """Take in the conversations of a file, a ZIP archive or a folder: ours, ChatGPT's, Claude's, or a plain list of messages.

        What is here already is not taken twice. ``progress`` is told from time to time how many bytes of how many are read.
        Raises TranscriptFileError if there is nothing to read from; an entry that is damaged is reported in what it gives.
        """
        read = changed = messages = 0
        damaged: list[Damaged] = []
        found = read_conversations(Path(path), progress)
        while (one := await anyio.to_thread.run_sync(next, found, None)) is not None:
            if isinstance(one, Damaged):
                damaged.append(one)
                continue
            read += 1
            try:
                new = await self._setup.store.restore(self._scope.owner, one.info, one.entries)
            except StoreUnusable:
                raise
            except StoreError as error:
                damaged.append(Damaged(one.info.title or one.info.id, str(error)))
            else:
                changed += new > 0
                messages += new
        return Imported(read, changed, messages, tuple(damaged))

    async def index(self, progress: Progress | None = None) -> int:
        """Take into the search index what is not in it yet, as after an update; gives how many messages that were.

        It may be stopped at any time and goes on where it was; meanwhile a search reads the newest of what is missing.
        ``progress`` is told from time to time how many messages of how many are done.
        """
        store = self._setup.store
        if not isinstance(store, SQLiteStore) or not (total := await store.unindexed()):
            return 0
        done = 0
        while not await store.index():
            done = total - await store.unindexed()
            if progress is not None:
                progress(done, total)
        return total

    async def prepare(self) -> ModelInfo:
        """Connect and load now, so that the first answer need not wait for it; tells what is known of the model.

        Raises ProviderError.
        """
        self._setup.model.look_again()
        return await self._setup.model.prepare()

    async def aclose(self) -> None:
        """Stop what still runs, keep what came, let go of connections. A store that was given stays open for whoever gave it."""
        for conversation in list(self._all.values()):
            await conversation.stop()
        for one in (self._setup.model, *self._setup.fallbacks, self._setup.summariser, self._setup.extractor):
            if one is not None:
                await one.provider.aclose()
        for server in self._setup.servers:
            await server.aclose()
        if self._setup.embedder is not None:
            await self._setup.embedder.aclose()
        if self._owns_store:
            await self._setup.store.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()


def _models(model: str | Provider | None, options: ChatbotOptions, cards: Mapping[str, ModelCard]) -> list[Model]:
    """The models that answer, in the order in which they are asked. Raises ConfigError."""
    window = options.get("context_window")
    if window is not None and window < 1:
        raise ConfigError("context_window must be a positive number of tokens.")
    if not isinstance(model, str | None):
        if not hasattr(model, "stream") or not hasattr(model, "prepare"):
            raise ConfigError(f"the model must be a text like 'openai:gpt-5.4-mini' or a Provider, not {model!r}.")
        return [Model(model, "", context_window=window)]
    base_url = options.get("base_url")
    refs = parse_models(model or DEFAULT_MODEL, base_url=base_url)
    # What is said of one service holds for no other: its address, and so where a key is sent; its window.
    meant = next((ref.provider for ref in refs if ref.provider == "openai-compatible"), refs[0].provider)
    chosen = ProviderOptions(base_url, options.get("api_key"), options.get("deadlines"), window, cards)
    elsewhere = ProviderOptions(deadlines=options.get("deadlines"), cards=cards)
    return [
        Model(open_provider(ref, chosen), ref.model, context_window=window)
        if ref.provider == meant
        else Model(open_provider(ref, elsewhere), ref.model)
        for ref in refs
    ]


def _dollars(value: Any) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf")):
        raise ConfigError(f"max_cost must be a number of dollars from 0, not {value!r}.")
    return None if value is None else float(value)


def _tools(tools: Sequence[Callable[..., Any] | Tool | str] | None) -> tuple[Tool, ...]:
    if not tools:
        return ()
    from anaphora.tools.builtin import chosen_tools

    return chosen_tools(tools)


def _servers(source: str | os.PathLike[str] | Mapping[str, Any] | None) -> tuple[ServerConfig, ...]:
    return () if source is None else server_configs(source)


def _steps(value: Any) -> int:
    if value is not None and (type(value) is not int or value < 1):
        raise ConfigError(f"max_steps must be a whole number from 1, not {value!r}.")
    return value or MOST_STEPS


def _memory(options: ChatbotOptions) -> Memory:
    """The parts of a memory as they were chosen. Raises ConfigError for what is none."""
    window = options.get("window") or FitContext()
    if not hasattr(window, "limits"):
        raise ConfigError(f"the window must be one like LastTurns(10), not {window!r}.")
    chosen = frozenset(name for name in MEMORY if options.get(name))
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
    """What makes vectors, if anything does."""
    if recall is None or not recall.embedder:
        return None
    try:
        return Embedder(recall.embedder)
    except MissingExtra:
        raise
    except (ConfigError, ProviderError) as error:
        raise ConfigError(f"the embedder, {recall.embedder!r}: {error}") from error


def _other_model(part: Summary | Facts | None, options: ChatbotOptions, cards: Mapping[str, ModelCard]) -> Model | None:
    """The model that is named for a part of the memory."""
    if part is None or part.model is None:
        return None
    try:
        ref = parse_model(part.model)
        return Model(open_provider(ref, ProviderOptions(deadlines=options.get("deadlines"), cards=cards)), ref.model)
    except (ConfigError, ProviderError) as error:
        raise ConfigError(f"the model for {type(part).__name__.lower()}, {part.model!r}: {error}") from error


def _store(store: Store | str | os.PathLike[str] | None) -> Store:
    if store is None:
        return InMemoryStore()
    return open_store(store) if isinstance(store, str | os.PathLike) else store


def _with_persona(model: str | Provider | None, options: ChatbotOptions) -> tuple[str | Provider | None, ChatbotOptions]:
    """The model and the options with what a persona says where they say nothing. Raises ConfigError."""
    chosen = options.get("persona")
    if chosen is None:
        return model, options
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


def _check_names(options: ChatbotOptions) -> None:
    """A misspelled option is an error, not a setting that silently does nothing."""
    unknown = sorted(set(options) - set(ChatbotOptions.__annotations__))
    if unknown:
        raise ConfigError(f"unknown option {', '.join(unknown)}: use {', '.join(sorted(ChatbotOptions.__annotations__))}.")
