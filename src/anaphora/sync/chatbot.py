"""The chatbot without await."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from anaphora.chat.chatbot import AsyncChatbot
from anaphora.chat.options import ChatbotOptions
from anaphora.providers.base import ModelInfo, Provider
from anaphora.sync.conversation import Conversation
from anaphora.sync.facts import FactList
from anaphora.sync.parity import same_as
from anaphora.sync.portal import portal
from anaphora.sync.verbs import AnswerVerbs, TranscriptVerbs
from anaphora.tools.base import Tool
from anaphora.values.message import Usage
from anaphora.values.transcript import ConversationInfo, Entry, Hit
from anaphora.values.usage import Spent

if TYPE_CHECKING:
    from anaphora.transfer.reading import Imported, Progress


class Chatbot(AnswerVerbs, TranscriptVerbs):
    """A chatbot that remembers.

    ``model`` is ``"provider:model"`` or a Provider; None is the model inside the process. Of several models,
    ``"groq:a,openai:b,local"``, the next one answers where one fails, once each, and only before a word came.

    A bot has conversations. Its verbs act on its own one, ``bot.conversation()``; ``search``, ``usage``, ``spent`` and
    ``conversations`` look at all of its owner. ``with`` is optional. Raises ConfigError at once for what cannot work.
    """

    _inner: AsyncChatbot

    @same_as(AsyncChatbot.__init__)
    def __init__(self, model: str | Provider | None = None, **options: Unpack[ChatbotOptions]) -> None:
        self._inner = AsyncChatbot(model, **options)
        self.facts = FactList(self._inner.facts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    @property
    def id(self) -> str:
        """The id of the bot's own conversation."""
        return self._inner.id

    @property
    def model(self) -> str:
        """The model that answers, as ``provider:model``."""
        return self._inner.model

    @same_as(AsyncChatbot.tools)
    def tools(self) -> tuple[Tool, ...]:
        return portal.call(self._inner.tools)

    @same_as(AsyncChatbot.conversation)
    def conversation(self, name: str | ConversationInfo | None = None, *, owner: str | None = None) -> Conversation:
        return Conversation(self._inner.conversation(name, owner=owner))

    @same_as(AsyncChatbot.new_conversation)
    def new_conversation(self, *, owner: str | None = None) -> Conversation:
        return Conversation(self._inner.new_conversation(owner=owner))

    @same_as(AsyncChatbot.for_owner)
    def for_owner(self, owner: str) -> Chatbot:
        return _OwnersChatbot(self._inner.for_owner(owner))

    @same_as(AsyncChatbot.fork)
    def fork(self, message: Entry | str | None = None, *, name: str | None = None) -> Conversation:
        return Conversation(portal.call(lambda: self._inner.fork(message, name=name)))

    @same_as(AsyncChatbot.conversations)
    def conversations(self, *, after: ConversationInfo | None = None, limit: int | None = None) -> tuple[ConversationInfo, ...]:
        return portal.call(lambda: self._inner.conversations(after=after, limit=limit))

    @same_as(AsyncChatbot.search)
    def search(self, text: str, *, limit: int = 20) -> tuple[Hit, ...]:
        return portal.call(lambda: self._inner.search(text, limit=limit))

    @same_as(AsyncChatbot.usage)
    def usage(self) -> Usage:
        return portal.call(self._inner.usage)

    @same_as(AsyncChatbot.spent)
    def spent(self, *, since: float = 0.0) -> Sequence[Spent]:
        return portal.call(lambda: self._inner.spent(since=since))

    @same_as(AsyncChatbot.count_tokens)
    def count_tokens(self, text: str) -> int:
        return portal.call(lambda: self._inner.count_tokens(text))

    @same_as(AsyncChatbot.export_to)
    def export_to(self, path: str | os.PathLike[str]) -> int:
        return portal.call(lambda: self._inner.export_to(path))

    @same_as(AsyncChatbot.import_from)
    def import_from(self, path: str | os.PathLike[str], progress: Progress | None = None) -> Imported:
        return portal.call(lambda: self._inner.import_from(path, progress))

    @same_as(AsyncChatbot.index)
    def index(self, progress: Progress | None = None) -> int:
        return portal.call(lambda: self._inner.index(progress))

    @same_as(AsyncChatbot.prepare)
    def prepare(self) -> ModelInfo:
        return portal.call(self._inner.prepare)

    @same_as(AsyncChatbot.aclose)
    def close(self) -> None:
        portal.call(self._inner.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _OwnersChatbot(Chatbot):
    """A bot for one of its owners."""

    def __init__(self, inner: AsyncChatbot) -> None:
        self._inner = inner
        self.facts = FactList(inner.facts)
