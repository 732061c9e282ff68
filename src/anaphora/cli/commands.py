"""The commands of the chat: a declared table, from which /help and completion are made."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from anaphora.chatbot import ChatbotOptions
from anaphora.cli.opening import Opened, open_model
from anaphora.cli.sanitize import sanitized
from anaphora.sync import Chatbot, Conversation, Reply


@dataclass(slots=True)
class Chat:
    """What a command works on. A command may set ``reply`` to have an answer shown, or ``left`` to end the chat."""

    opened: Opened
    conversation: Conversation
    say: Callable[[str], None]
    reply: Reply | None = None
    left: bool = False

    @property
    def bot(self) -> Chatbot:
        """The chatbot."""
        return self.opened.bot


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, what it takes, what it does, and the function."""

    name: str
    takes: str
    help: str
    run: Callable[[Chat, str], None]


def run_command(chat: Chat, line: str) -> None:
    """Do what a line beginning with a slash says. Raises AnaphoraError."""
    name, _, rest = line.partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        near = [known for known in COMMANDS if known.startswith(name)]
        if len(near) != 1:
            chat.say(f"There is no command {name}. /help lists them.")
            return
        command = COMMANDS[near[0]]
    command.run(chat, rest.strip())


def _help(chat: Chat, _: str) -> None:
    width = max(len(f"{command.name} {command.takes}") for command in COMMANDS.values())
    for command in COMMANDS.values():
        usage = f"{command.name} {command.takes}"
        chat.say(f"{usage:{width}}  {command.help}")
    chat.say("Enter sends, Alt-Enter begins a new line, Ctrl-C stops an answer (twice leaves), Ctrl-D leaves.")


def _new(chat: Chat, _: str) -> None:
    chat.conversation = chat.bot.conversation(f"conv_{secrets.token_hex(8)}")
    chat.say("A new conversation.")


def _undo(chat: Chat, _: str) -> None:
    undone = chat.conversation.undo()
    if undone is None:
        chat.say("There is nothing to undo.")
    else:
        chat.say(f"Taken back: {_short(undone.text)}")


def _retry(chat: Chat, _: str) -> None:
    chat.reply = chat.conversation.retry_stream()


def _system(chat: Chat, text: str) -> None:
    if text:
        chat.conversation.system = text
        chat.say("The system prompt is set.")
    else:
        chat.say(sanitized(chat.conversation.system) or "There is no system prompt.")


def _model(chat: Chat, name: str) -> None:
    if not name:
        chat.say(chat.bot.model)
        return
    before = chat.opened.bot
    options = chat.opened.options
    if before.model.partition(":")[0] != name.partition(":")[0]:
        # What was said of the one service holds for no other: its address, and so where a key is sent; its window.
        options = ChatbotOptions(**{**options, "base_url": None, "context_window": None})
    # The same store under another model: the conversation goes on.
    chat.opened.bot = open_model(name, options, quiet=chat.opened.quiet)
    chat.opened.options = options
    chat.conversation = chat.opened.bot.conversation(chat.conversation.id)
    before.close()
    chat.say(f"{chat.bot.model} answers from now on.")


def _context(chat: Chat, _: str) -> None:
    chat.say(str(chat.conversation.context.report))


def _save(chat: Chat, path: str) -> None:
    if not path:
        chat.say("Where to? /save FILE.json")
        return
    chat.conversation.save(os.path.expanduser(path))  # noqa: PTH111 -- an unknown user's name stays as it is
    chat.say(f"Saved to {path}.")


def _load(chat: Chat, path: str) -> None:
    if not path:
        chat.say("From where? /load FILE.json")
        return
    count = chat.conversation.load(os.path.expanduser(path))  # noqa: PTH111 -- the same
    chat.say(f"{count} messages loaded. Go on where they end.")


def _quit(chat: Chat, _: str) -> None:
    chat.left = True


def _short(text: str) -> str:
    line = " ".join(sanitized(text).split())
    return line if len(line) <= 60 else f"{line[:59]}…"


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("/help", "", "list the commands", _help),
        Command("/new", "", "begin a new conversation", _new),
        Command("/undo", "", "take back the last question and its answer", _undo),
        Command("/retry", "", "answer the last question anew", _retry),
        Command("/system", "[TEXT]", "show or set the system prompt", _system),
        Command("/model", "[MODEL]", "show or change who answers", _model),
        Command("/context", "", "show what the model sees and what is left out", _context),
        Command("/save", "FILE", "write the conversation as JSON", _save),
        Command("/load", "FILE", "go on from a JSON file", _load),
        Command("/quit", "", "leave; also quit, exit and Ctrl-D", _quit),
    )
}
