"""The chatbot: one model, one memory policy, any number of conversations, for asynchronous code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from anaphora.chat.conversation import AsyncConversation
from anaphora.chat.open_conversation import OpenConversation, OpenConversations
from anaphora.chat.option_values import checked_path
from anaphora.chat.options import ChatbotOptions
from anaphora.chat.resolve import ModelSource, Resolved, resolve
from anaphora.chat.signatures import shows_options
from anaphora.chat.transcript_verbs import AsyncTranscriptVerbs
from anaphora.chat.verbs import AsyncAnswerVerbs
from anaphora.concurrency import run_in_thread
from anaphora.errors import ConfigError, StoreError, StoreUnusable, UnreadableRow
from anaphora.memory.facts import AsyncFactList
from anaphora.providers.base import ModelInfo, Provider
from anaphora.stores.base import Indexed
from anaphora.stores.records import checked_limit, checked_name, checked_query, new_conversation_id
from anaphora.tools.base import Tool
from anaphora.values.message import Usage, text_message, valid_text
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Hit, Transcript
from anaphora.values.usage import Spent, total

if TYPE_CHECKING:
    from anaphora.transfer.reading import Damaged, Imported, Progress


class AsyncChatbot(AsyncAnswerVerbs, AsyncTranscriptVerbs):
    """A chatbot that remembers.

    ``model`` is ``"provider:model"`` or a Provider; None is the model inside the process. Of several models,
    ``"groq:a,openai:b,local"``, the next one answers where one fails, once each, and only before a word came.

    A bot has conversations. Its verbs act on its own one, ``bot.conversation()``; ``search``, ``usage``, ``spent`` and
    ``conversations`` look at all of its owner. Raises ConfigError at once for what cannot work.
    """

    @shows_options(ChatbotOptions)
    def __init__(self, model: str | Provider | None = None, **options: Unpack[ChatbotOptions]) -> None:
        resolved = resolve(model, options)
        self._resolved = resolved
        self._bot = resolved.bot
        self._conversations = OpenConversations(self._opened)
        self._open = self._opened(resolved.scope)
        self._conversations.adopt(self._open)
        self.facts = AsyncFactList(resolved.bot.store, resolved.scope)
        messages = options.get("messages")
        if messages is not None:
            from anaphora.transfer.plain import read_messages

            system, first = read_messages(messages)
            self._open.begin_with(first, system)

    def _opened(self, scope: Scope) -> OpenConversation:
        return OpenConversation(self._resolved, scope)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    @property
    def id(self) -> str:
        """The id of the bot's own conversation."""
        return self._open.scope.conversation

    @property
    def model(self) -> str:
        """The model that answers, as ``provider:model``."""
        return str(self._bot.model)

    async def tools(self) -> tuple[Tool, ...]:
        """Gives the tools that the model may call: our own, and those of MCP servers."""
        return await self._bot.toolbox.all()

    def conversation(self, name: str | ConversationInfo | None = None, *, owner: str | None = None) -> AsyncConversation:
        """Gives the conversation of that name, begun if there is none, or one of ``conversations()``.

        Without a name it is the bot's own. ``owner`` names the person whose it is: recall, facts and ``search_past`` then reach
        all conversations of that owner, and nobody else's. Raises ConfigError for a name or an owner that is blank.
        """
        own = self._resolved.scope
        if name is None and owner is None:
            return AsyncConversation(self._conversations, self._open)
        if isinstance(name, ConversationInfo):
            # It exists already, whatever an import called it.
            checked = name.id
        else:
            checked = new_conversation_id() if name is None else checked_name(name, "a conversation's name")
        scope = Scope(own.owner, checked, own.is_named) if owner is None else Scope(checked_name(owner, "an owner"), checked)
        return AsyncConversation(self._conversations, self._conversations.get(scope))

    def new_conversation(self, *, owner: str | None = None) -> AsyncConversation:
        """Begins a conversation without a name. It is called after its first words."""
        return self.conversation(ConversationInfo(new_conversation_id(), "", None, None, 0.0, 0.0, 0), owner=owner)

    def for_owner(self, owner: str) -> AsyncChatbot:
        """Gives this bot for a person: with the same models, connections and store, and with that person's conversations.

        Closing it closes nothing. Raises ConfigError for an owner that is blank.
        """
        return _OwnersChatbot(self._resolved, self._conversations, checked_name(owner, "an owner"))

    async def fork(self, message: Entry | str | None = None, *, name: str | None = None) -> AsyncConversation:
        """Makes a conversation that begins with the branch of the bot's own one. See ``AsyncConversation.fork``."""
        return await self.conversation().fork(message, name=name)

    async def conversations(
        self, *, after: ConversationInfo | None = None, limit: int | None = None
    ) -> tuple[ConversationInfo, ...]:
        """Gives the conversations of this owner, the one that changed last first.

        At most ``limit`` of them, from the one that follows ``after``.
        """
        if after is not None and not isinstance(after, ConversationInfo):
            raise ConfigError(f"after must be one of conversations(), not {after!r}.")
        limit = None if limit is None else checked_limit(limit)
        found = await self._bot.store.conversations(self._resolved.scope.owner)
        start = 0
        if after is not None:
            start = next((place + 1 for place, info in enumerate(found) if info.id == after.id), len(found))
        return tuple(found[start : None if limit is None else start + limit])

    async def search(self, text: str, *, limit: int = 20) -> tuple[Hit, ...]:
        """Finds the messages of all conversations of this owner that have all these words, newest first.

        Words in quotes must stand in a row. Raises InvalidMessage if there is nothing to look for.
        """
        return tuple(await self._bot.store.search(self._resolved.scope.owner, checked_query(text, limit)))

    async def usage(self) -> Usage:
        """Gives the tokens and the cost of all calls for this owner, those in the background too. A cost of None is unknown."""
        whole = total(await self.spent())
        return whole.known_usage

    async def spent(self, *, since: float = 0.0) -> Sequence[Spent]:
        """Gives the tokens and the cost of all conversations, one row for each day, model and purpose.

        ``since``: seconds since 1970.
        """
        return await self._bot.store.spent(self._resolved.scope.owner, since=since)

    async def count_tokens(self, text: str) -> int:
        """Counts the tokens of a text: exactly where the model's tokenizer is known, else by an estimate."""
        return (await self._bot.model.size(text_message("user", valid_text(text, "the text")))).tokens

    async def export_to(self, path: str | os.PathLike[str]) -> int:
        """Writes everything of all conversations to a file for ``import_from``. Gives how many conversations there are.

        Raises TranscriptFileError, and then the file is as it was; StoreError if some could not be read, after the others are
        written.
        """
        from anaphora.transfer.files import replacing
        from anaphora.transfer.full import FullWriter

        infos = await self.conversations()
        with replacing(checked_path(path)) as file:
            writer = FullWriter(file)
            unreadable: list[UnreadableRow] = []
            for info in infos:
                try:
                    entries = await self._bot.store.transcript(Scope(self._resolved.scope.owner, info.id))
                except UnreadableRow as error:
                    # It takes no other conversation with it.
                    unreadable.append(error)
                    continue
                await run_in_thread(writer.add, Transcript(info, entries))
            writer.end()
        if unreadable:
            raise StoreError(f"{len(infos) - len(unreadable)} of {len(infos)} conversations were written: {unreadable[0]}")
        return len(infos)

    async def import_from(self, path: str | os.PathLike[str], progress: Progress | None = None) -> Imported:
        """Takes in the conversations of a file, a ZIP archive or a folder: ours, ChatGPT's, Claude's, or a plain list.

        Messages that are here already are not taken twice. ``progress`` is told from time to time how many bytes of how many
        are read. Raises TranscriptFileError if there is nothing to read from; the result tells of damaged entries.
        """
        from anaphora.transfer.reading import MOST_REPORTED, Damaged, Imported, read_conversations

        read = changed = messages = 0
        damaged: list[Damaged] = []
        found = read_conversations(Path(checked_path(path)), progress)
        while (one := await run_in_thread(next, found, None)) is not None:
            if isinstance(one, Damaged):
                damaged.append(one)
                continue
            read += 1
            try:
                new = await self._bot.store.restore(self._resolved.scope.owner, one.info, one.entries)
            except StoreUnusable:
                raise
            except StoreError as error:
                damaged.append(Damaged(one.info.title or one.info.id, str(error)))
            else:
                changed += new > 0
                messages += new
        if len(damaged) > MOST_REPORTED:
            more = len(damaged) - MOST_REPORTED
            damaged = [*damaged[:MOST_REPORTED], Damaged("and more", f"{more} further entries could not be read")]
        return Imported(read, changed, messages, tuple(damaged))

    async def index(self, progress: Progress | None = None) -> int:
        """Takes into the search index what is not in it yet, as after an update. Gives how many messages that were.

        It may be stopped at any time and continues where it was; meanwhile a search reads the newest of what is missing.
        ``progress`` is told from time to time how many messages of how many are done.
        """
        store = self._bot.store
        if not isinstance(store, Indexed) or not (missing := await store.unindexed()):
            return 0
        while not await store.index():
            if progress is not None:
                progress(missing - await store.unindexed(), missing)
        return missing

    async def prepare(self) -> ModelInfo:
        """Connects and loads now, so that the first answer does not wait for it. Gives what is known of the model.

        Raises ProviderError.
        """
        self._bot.model.look_again()
        return await self._bot.model.prepare()

    async def aclose(self) -> None:
        """Stops what still runs, keeps what came, closes connections. A store that was given stays open for its owner."""
        for known in self._conversations.all():
            await known.stop()
        await self._bot.aclose()
        if self._resolved.owns_store:
            await self._bot.store.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()


class _OwnersChatbot(AsyncChatbot):
    """A bot for one of its owners."""

    def __init__(self, resolved: Resolved, conversations: OpenConversations, owner: str) -> None:
        scope = Scope(owner, new_conversation_id())
        self._resolved = replace(resolved, scope=scope, owns_store=False)
        self._bot = resolved.bot
        self._conversations = conversations
        self._open = OpenConversation(self._resolved, scope)
        self.facts = AsyncFactList(resolved.bot.store, scope)
        conversations.adopt(self._open)

    async def aclose(self) -> None:
        """Stops what still runs in its own conversation. Everything else is the bot's that it came from."""
        await self._open.stop()


def open_conversations(bot: AsyncChatbot) -> OpenConversations:
    """Gives the conversations of a bot that are open, for a door that begins turns itself."""
    return bot._conversations  # noqa: SLF001 -- the same module


def model_source(bot: AsyncChatbot) -> ModelSource:
    """Gives the source that opens models as the options of a bot say."""
    return bot._resolved.source  # noqa: SLF001 -- the same module
