"""One run of the terminal program: its bot, the conversation that is open, and the person's choices."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anaphora.chat.options import ChatbotOptions
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.overwrite import full_path, may_write
from anaphora.settings import Settings
from anaphora.sync.chatbot import Chatbot
from anaphora.sync.conversation import Conversation
from anaphora.sync.reply import Reply
from anaphora.values.message import Image
from anaphora.values.transcript import ConversationInfo

# Starts an answer in a conversation.
Request = Callable[[Conversation], Reply]


class Leave:
    """A command's result: the chat ends."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """How the program was started: the arguments, those of them that are settings, and the settings with these.

    ``chat``: a person talks, beyond one question.
    """

    arguments: argparse.Namespace
    flags: Mapping[str, Any]
    base: Settings
    chat: bool = False


@dataclass(frozen=True, slots=True)
class SettingsOrigin:
    """Where the settings in force come from: ``is_borrowed`` from a resumed conversation; ``left`` had an address before."""

    left: Settings | None = None
    is_borrowed: bool = False


class Session:
    """The bot, its open conversation, and the options and settings that the bot was opened with.

    ``say`` prints one line for the person. A ``quiet`` session prints nothing but answers and the output of commands.
    """

    def __init__(
        self,
        bot: Chatbot,
        settings: Settings,
        options: ChatbotOptions,
        *,
        quiet: bool,
        invocation: Invocation,
        say: Callable[[str], None] = notice,
    ) -> None:
        self.bot = bot
        self.conversation: Conversation = bot.conversation()
        self.settings = settings
        self.options = options
        self.quiet = quiet
        self.invocation = invocation
        self.say = say
        self.listed: tuple[str, ...] = ()
        self.written: set[str] = set()
        self.origin = SettingsOrigin()
        self._images: tuple[Image, ...] = ()
        self._forget_typed: Callable[[str], None] = lambda _: None

    def tell(self, text: str) -> None:
        """Prints a line unless the session is quiet."""
        if not self.quiet:
            self.say(text)

    def switch(self, conversation: Conversation) -> None:
        """Continues in another conversation of the same bot."""
        self.conversation = conversation

    def replace_bot(
        self, bot: Chatbot, options: ChatbotOptions, settings: Settings, info: ConversationInfo | None = None
    ) -> None:
        """Continues the open conversation with another bot, and closes the one before. ``info`` names it if the store cannot."""
        before, info = self.bot, info or self.conversation.info()
        self.bot, self.options, self.settings = bot, options, settings
        self.conversation = bot.conversation(info)
        before.close()

    def leave(self, settings: Settings) -> None:
        """Remembers the address that a service was at before another one answers, for the way back."""
        if settings.base_url is not None:
            self.origin = replace(self.origin, left=settings)

    def borrow(self, *, is_borrowed: bool = True) -> None:
        """Notes that the settings in force are those of a conversation, and not the user's own."""
        self.origin = replace(self.origin, is_borrowed=is_borrowed)

    def number(self, conversations: Sequence[str]) -> None:
        """Remembers the ids of the conversations that were shown with numbers, so that a number names one of them."""
        self.listed = tuple(conversations)

    def writes(self, path: str, *, force: bool) -> bool:
        """True if the chat may write this file: it is new, its own, or the person agrees. Raises ConfigError."""
        allowed = may_write(path, force=force, own=self.written)
        if not allowed:
            self.say("Nothing was written.")
        return allowed

    def wrote(self, path: str) -> None:
        """Notes a file that the chat wrote itself."""
        self.written.add(full_path(path))

    def attach(self, image: Image) -> None:
        """Keeps a picture for the next message."""
        self._images = (*self._images, image)

    def take_images(self) -> tuple[Image, ...]:
        """Gives the pictures for the next message, once."""
        images, self._images = self._images, ()
        return images

    def on_forget(self, forget_typed: Callable[[str], None]) -> None:
        """Sets the function that removes a line from the history of typed lines."""
        self._forget_typed = forget_typed

    def forget_typed(self, text: str) -> None:
        """Removes a line from the history of typed lines."""
        self._forget_typed(text)
