"""The commands of the chat: a declared table, from which /help and completion are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import cast

from anaphora.calls import total, totals
from anaphora.chatbot import ChatbotOptions
from anaphora.cli.attaching import is_picture
from anaphora.cli.choosing import chosen
from anaphora.cli.listing import conversation_lines, hit_lines, one_line
from anaphora.cli.memory_commands import context, forget, memories, remember
from anaphora.cli.opening import Opened, open_model, parts_off, resume
from anaphora.cli.past import form_of
from anaphora.cli.sanitize import sanitized
from anaphora.cli.tools import tool_lines
from anaphora.cli.usage import table
from anaphora.errors import ConfigError
from anaphora.images import image_of
from anaphora.message import Image
from anaphora.persona import load_persona, persona_names
from anaphora.providers.vendors import VENDORS
from anaphora.saying import GO_ON
from anaphora.settings import config_folder
from anaphora.stores.base import new_conversation_id
from anaphora.sync import Chatbot, Conversation
from anaphora.sync_reply import Reply
from anaphora.transcript import Entry
from anaphora.transfer.files import replacing
from anaphora.transfer.markdown import date_text

Ask = Callable[[Conversation], Reply]
Choices = Callable[[], Iterable[tuple[str, str]]]


@dataclass(slots=True)
class Chat:
    """What a command works on. A command may set ``ask`` to have an answer shown, or ``left`` to end the chat.

    ``listed`` are the ids of the conversations last shown with numbers. ``forget_typed`` takes a line out of what the arrow
    keys bring back. ``images`` go with the next message.
    """

    opened: Opened
    say: Callable[[str], None]
    ask: Ask | None = None
    left: bool = False
    listed: list[str] = field(default_factory=list)
    forget_typed: Callable[[str], None] = lambda _: None
    images: list[Image] = field(default_factory=list)

    @property
    def bot(self) -> Chatbot:
        """The chatbot."""
        return self.opened.bot

    @property
    def conversation(self) -> Conversation:
        """The conversation that goes on."""
        return self.opened.conversation


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, what it takes, what it does, and the function."""

    name: str
    takes: str
    help: str
    run: Callable[[Chat, str], None]


def run_command(chat: Chat, line: str) -> None:
    """Do what a line beginning with a slash says. Raises AnaphoraError."""
    word, _, rest = line.partition(" ")
    name = _ALIASES.get(word.lower(), word.lower())
    begun = [known for known in COMMANDS if known.startswith(name)]
    if name not in COMMANDS and len(begun) != 1:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else "/help lists them."
        chat.say(f"There is no command {_short(word)}. {hint} A message that begins with a slash is sent with two: //…")
        return
    COMMANDS[name if name in COMMANDS else begun[0]].run(chat, rest.strip())


def _help(chat: Chat, _: str) -> None:
    width = max(len(f"{command.name} {command.takes}") for command in COMMANDS.values())
    for command in COMMANDS.values():
        usage = f"{command.name} {command.takes}"
        chat.say(f"{usage:{width}}  {command.help}")
    chat.say("Enter sends, Alt-Enter begins a new line, Ctrl-C stops an answer (twice leaves), Ctrl-D leaves.")
    chat.say("// sends a message that begins with a slash.")


def _new(chat: Chat, _: str) -> None:
    chat.opened.conversation = chat.bot.conversation(new_conversation_id())
    chat.say("A new conversation.")


def _undo(chat: Chat, _: str) -> None:
    undone = chat.conversation.undo()
    if undone is None:
        chat.say("There is nothing to undo.")
    else:
        chat.say(f"Taken back: {_short(undone.text)}")


def _retry(chat: Chat, _: str) -> None:
    chat.ask = Conversation.retry_stream


def _continue(chat: Chat, _: str) -> None:
    chat.ask = Conversation.go_on_stream


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
    _reopen(chat, name, options)
    chat.say(f"{chat.bot.model} answers from now on.")


def _reopen(chat: Chat, model: str, options: ChatbotOptions) -> None:
    """The same store under another model or persona: the conversation goes on."""
    before = chat.opened.bot
    chat.opened.bot = open_model(model, options, quiet=chat.opened.quiet)
    chat.opened.options = options
    chat.opened.conversation = chat.opened.bot.conversation(chat.conversation.info)
    before.close()


def _usage(chat: Chat, _: str) -> None:
    spent = chat.conversation.spent
    for line in table("for", totals(spent, "purpose"), total(spent)) if spent else ("Nothing yet.",):
        chat.say(line)


def _thinking(chat: Chat, _: str) -> None:
    thought = next((entry.message.thinking for entry in reversed(chat.conversation.history) if entry.role == "assistant"), "")
    chat.say(sanitized(thought) or "The last answer came without any thinking that was shown.")


def _list(chat: Chat, _: str) -> None:
    infos = chat.bot.conversations()[:_LISTED]
    chat.listed = [info.id for info in infos]
    for line in conversation_lines(infos):
        chat.say(line)
    chat.say("/resume NUMBER goes on with one." if infos else "There are no conversations yet.")


def _resume(chat: Chat, which: str) -> None:
    if not which:
        chat.say("Which one? /list and /search show them with numbers; part of a title or an id will do too.")
        return
    resume(chat.opened, chosen(chat.bot.conversations(), which, listed=chat.listed))


def _search(chat: Chat, text: str) -> None:
    if not text:
        chat.say("What for? /search WORDS finds the messages that have them all.")
        return
    hits = chat.bot.search(text)
    chat.listed = [hit.conversation for hit in hits]
    for line in hit_lines(hits, numbered=True):
        chat.say(line)
    chat.say("/resume NUMBER goes on with a conversation." if hits else "Nothing was found: no message has all these words.")


def _fork(chat: Chat, _: str) -> None:
    chat.opened.conversation = chat.conversation.fork()
    chat.say(f"Going on in “{chat.conversation.info.title}”; the conversation it came from stays as it is.")


def _title(chat: Chat, title: str) -> None:
    if title:
        chat.conversation.rename(title)
    chat.say(chat.conversation.info.title or "There is no title yet.")


def _branches(chat: Chat, _: str) -> None:
    head = chat.conversation.info.head
    for number, leaf in enumerate(chat.conversation.branches, 1):
        mark = "*" if leaf.id == head else " "
        chat.say(f"{mark}{number:3}  {date_text(leaf.created)}  {leaf.role}: {_short(leaf.text) or '(nothing)'}")
    chat.say("/goto NUMBER goes on from the end of a branch.")


def _goto(chat: Chat, which: str) -> None:
    leaves = chat.conversation.branches
    if not which.isdecimal() or len(which) > 8 or not 0 < int(which) <= len(leaves):
        chat.say("Which branch? /branches shows them with their numbers.")
        return
    chat.conversation.goto(leaves[int(which) - 1])
    chat.say(f"Going on after: {_short(leaves[int(which) - 1].text)}")


def _edit(chat: Chat, text: str) -> None:
    last = _last_asked(chat)
    if not last or not text:
        chat.say("/edit TEXT says something else instead of your last message; the old one stays as a branch.")
        return
    chat.ask = lambda conversation: conversation.edit_stream(last[0], text)


def _last_asked(chat: Chat) -> list[Entry]:
    """The last message that the user wrote, if there is one."""
    asked = (entry for entry in reversed(chat.conversation.history) if entry.role == "user" and entry.text != GO_ON)
    return list(islice(asked, 1))


def _save(chat: Chat, path: str) -> None:
    if not path:
        chat.say("Where to? /save FILE.json")
        return
    chat.conversation.save(_path(path))
    chat.say(f"Saved to {path}.")


def _load(chat: Chat, path: str) -> None:
    if not path:
        chat.say("From where? /load FILE.json")
        return
    count = chat.conversation.load(_path(path))
    chat.say(f"{count} {'message' if count == 1 else 'messages'} loaded. Go on where they end.")


def _export(chat: Chat, path: str) -> None:
    if not path:
        chat.say("Where to? /export FILE.json has everything, FILE.md is for reading.")
        return
    with replacing(_path(path)) as file:
        file.write(chat.conversation.export(form_of(path)))
    chat.say(f"Written to {path}.")


def _attach(chat: Chat, path: str) -> None:
    if not path:
        for document in chat.conversation.documents:
            chat.say(f"{one_line(document.name)}, {document.tokens:,} tokens")
        chat.say("/attach FILE reads a document, or shows a picture with your next message. /forget NAME forgets a document.")
        return
    if is_picture(Path(_path(path))):
        chat.images.append(image_of(_path(path)))
        chat.say(f"{path} goes with your next message.")
        return
    before = chat.conversation.documents
    document = chat.conversation.read(_path(path))
    if document in before:
        chat.say(f"{one_line(document.name)} has not changed since it was read.")
        return
    replaced = len(chat.conversation.documents) == len(before)
    chat.say(f"Read{' again' * replaced}: {one_line(document.name)}, {document.tokens:,} tokens. Ask about it.")


def _tools(chat: Chat, name: str) -> None:
    found = [tool for tool in chat.bot.tools if tool.name == name]
    lines = [sanitized(tool.description) for tool in found] or tool_lines(chat.bot.tools)
    for line in lines or ("There are no tools. Start with --tools calculate,now or --mcp FILE.",):
        chat.say(line)


def _persona(chat: Chat, name: str) -> None:
    folder = config_folder() / "personas"
    if not name:
        for one in persona_names(folder):
            try:
                about = load_persona(one, folder).description
            except ConfigError as error:
                about = f"({error})"
            chat.say(f"{one:16} {about}")
        chat.say("/persona NAME goes on with one; what it says holds for this chat.")
        return
    persona = load_persona(name, folder)
    # What was set for the last one must not hold for this.
    kept = {name: value for name, value in chat.opened.options.items() if name not in parts_off(persona)}
    options = cast("ChatbotOptions", {**kept, "persona": persona, "system": None})
    _reopen(chat, persona.model or chat.bot.model, options)
    chat.say(f"{one_line(persona.description) or persona.name}. {chat.bot.model} answers.")


def _quit(chat: Chat, _: str) -> None:
    chat.left = True


def _path(text: str) -> str:
    """A path as people type it: perhaps in quotes, perhaps with ~."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    # As a shell completes it.
    text = text.replace("\\ ", " ")
    return os.path.expanduser(text)  # noqa: PTH111 -- pathlib's raises for a user who does not exist


def _short(text: str) -> str:
    line = " ".join(sanitized(text).split())
    return line if len(line) <= 60 else f"{line[:59]}…"


_LISTED = 20
_ALIASES = {"/exit": "/quit", "/?": "/help"}
COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        Command("/help", "", "list the commands", _help),
        Command("/new", "", "begin a new conversation", _new),
        Command("/list", "", "list the conversations, newest first", _list),
        Command("/resume", "NUMBER", "go on with another conversation", _resume),
        Command("/search", "WORDS", "find what was said, in all conversations", _search),
        Command("/title", "[TEXT]", "show or set this conversation's title", _title),
        Command("/undo", "", "take back the last question and its answer", _undo),
        Command("/retry", "", "answer the last question anew", _retry),
        Command("/continue", "", "go on with an answer that was cut short", _continue),
        Command("/edit", "TEXT", "say something else instead of the last question", _edit),
        Command("/branches", "", "list the branches of this conversation", _branches),
        Command("/goto", "NUMBER", "go on from the end of a branch", _goto),
        Command("/fork", "", "go on in a copy of this conversation", _fork),
        Command("/system", "[TEXT]", "show or set the system prompt", _system),
        Command("/model", "[MODEL]", "show or change who answers", _model),
        Command("/context", "", "show what the model sees and what is left out", context),
        Command("/thinking", "", "show what the model thought before its last answer", _thinking),
        Command("/usage", "", "show what this conversation has cost", _usage),
        Command("/remember", "[TEXT]", "keep a fact for all conversations; alone, your last message", remember),
        Command("/memories", "[all]", "show what is remembered, and where it comes from", memories),
        Command("/forget", "WHAT", "forget a memory (NUMBER), a document (NAME), or the last question", forget),
        Command("/attach", "FILE", "read a document, or show a picture with the next message", _attach),
        Command("/tools", "[NAME]", "list what the model may call, or say more of one", _tools),
        Command("/persona", "[NAME]", "list the personas, or go on with one", _persona),
        Command("/save", "FILE", "write the conversation as JSON", _save),
        Command("/load", "FILE", "go on from a JSON file", _load),
        Command("/export", "FILE", "write everything as JSON, or Markdown for reading", _export),
        Command("/quit", "", "leave; also quit, exit and Ctrl-D", _quit),
    )
}


def choices(chat: Chat) -> dict[str, Choices | None]:
    """What can be completed after each command: the value to put there, and what it is."""
    known: dict[str, Choices] = {
        "/resume": lambda: ((info.id, info.title) for info in chat.bot.conversations()),
        "/forget": lambda: ((str(number), _short(fact.text)) for number, fact in enumerate(chat.bot.facts.list(), 1)),
        "/goto": lambda: ((str(number), _short(leaf.text)) for number, leaf in enumerate(chat.conversation.branches, 1)),
        "/model": lambda: ((f"{vendor.name}:{vendor.model}", vendor.name) for vendor in VENDORS.values()),
        "/persona": lambda: ((one, "") for one in persona_names(config_folder() / "personas")),
        "/title": lambda: [(chat.conversation.info.title, "as it is")],
        "/edit": lambda: [(entry.text, "the last question") for entry in _last_asked(chat)],
    }
    return {name: known.get(name) for name in COMMANDS}
