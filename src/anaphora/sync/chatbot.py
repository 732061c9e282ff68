"""The chatbot without await."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Self, Unpack

from anaphora.chat.chatbot import AsyncChatbot, ChatbotOptions
from anaphora.providers.base import Provider
from anaphora.sync.conversation import Conversation
from anaphora.sync.portal import door
from anaphora.tools.base import Tool
from anaphora.transfer.reading import Imported, Progress
from anaphora.values.transcript import ConversationInfo
from anaphora.values.usage import Spent


class Chatbot(Conversation):
    """A chatbot that remembers. ``model`` is ``"provider:model"`` or a Provider; nothing means the model inside the process.

    It is a conversation itself; ``conversation(name)`` gives others. The options are those of ChatbotOptions.
    ``with`` is optional. Raises ConfigError at once for what cannot work.
    """

    def __init__(self, model: str | Provider | None = None, **options: Unpack[ChatbotOptions]) -> None:
        self._bot = AsyncChatbot(model, **options)
        super().__init__(self._bot)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    @property
    def model(self) -> str:
        """The model that answers, as ``provider:model``."""
        return self._bot.model

    @property
    def tools(self) -> Sequence[Tool]:
        """What the model may call: our own tools, and those of MCP servers."""
        return door.call(self._bot.tools)

    def conversation(self, name: str | ConversationInfo | None = None, *, owner: str | None = None) -> Conversation:
        """The conversation of that name, begun if there is none, or one of ``conversations()``; without a name the bot's own.

        ``owner`` names whose it is: recall, facts and ``search_past`` then reach all conversations of that owner, and nobody
        else's. Without it the conversation is the bot's owner's. Raises ConfigError for a name or an owner that is blank.
        """
        return Conversation(self._bot.conversation(name, owner=owner))

    def conversations(self) -> Sequence[ConversationInfo]:
        """All conversations of this owner, most recently changed first."""
        return door.call(self._bot.conversations)

    def all_spent(self, *, since: float = 0.0) -> Sequence[Spent]:
        """What was spent in all conversations of this owner since that time (seconds since 1970), in the background too."""
        return door.call(lambda: self._bot.all_spent(since=since))

    def export_to(self, path: str | os.PathLike[str]) -> int:
        """Write everything of all conversations to a file, which ``import_from`` reads; gives how many they are.

        Raises TranscriptFileError, and then the file is as it was.
        """
        return door.call(lambda: self._bot.export_to(path))

    def import_from(self, path: str | os.PathLike[str], progress: Progress | None = None) -> Imported:
        """Take in the conversations of a file, a ZIP archive or a folder: ours, ChatGPT's, Claude's, or a plain list of messages.

        What is here already is not taken twice. ``progress`` is told from time to time how many bytes of how many are read.
        Raises TranscriptFileError if there is nothing to read from; an entry that is damaged is reported in what it gives.
        """
        return door.call(lambda: self._bot.import_from(path, progress))

    def index(self, progress: Progress | None = None) -> int:
        """Take into the search index what is not in it yet, as after an update; gives how many messages that were.

        It may be stopped at any time and goes on where it was; meanwhile a search reads the newest of what is missing.
        ``progress`` is told from time to time how many messages of how many are done.
        """
        return door.call(lambda: self._bot.index(progress))

    def prepare(self) -> None:
        """Connect and load now, so that the first answer need not wait for it. Raises ProviderError."""
        door.call(self._bot.prepare)

    def close(self) -> None:
        """Stop what still runs, keep what came, let go of connections."""
        door.call(self._bot.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
