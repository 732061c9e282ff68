"""The commands of the chat: a declared table, from which /help and completion are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from anaphora.chat.image_source import image_of
from anaphora.cli.attachments import guessed_encoding, is_picture
from anaphora.cli.chat.memory_commands import context, forget, memories, remember
from anaphora.cli.choose import chosen
from anaphora.cli.options import model_of_service, names_provider
from anaphora.cli.resume import begin, reopen, resume
from anaphora.cli.session import Leave, Request, Session
from anaphora.cli.terminal.listing import conversation_lines, hit_lines, one_line
from anaphora.cli.terminal.sanitize import sanitized
from anaphora.cli.terminal.waiting import Waiting
from anaphora.cli.verbs.conversations import exported_text, form_of
from anaphora.cli.verbs.tools import tool_lines
from anaphora.cli.verbs.usage import table
from anaphora.errors import ConfigError, TranscriptFileError
from anaphora.personas.persona import load_persona, persona_names
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.registry import parse_models
from anaphora.settings import config_folder
from anaphora.sync.conversation import Conversation
from anaphora.transfer.files import replacing
from anaphora.transfer.markdown import date_text
from anaphora.turn.incoming import CONTINUE
from anaphora.values.message import Image
from anaphora.values.transcript import Entry
from anaphora.values.usage import total, totals

Choices = Callable[[], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Command:
    """One command. ``run`` gives the answer that the command asks for, if it asks for one, or that the chat ends."""

    name: str
    takes: str
    help: str
    run: Callable[[Session, str], Request | Leave | None]


def run_command(session: Session, line: str) -> Request | Leave | None:
    """Runs the command in a line that begins with a slash, and gives its result. Raises AnaphoraError."""
    word, _, rest = line.partition(" ")
    name = _ALIASES.get(word.lower(), word.lower())
    begun = [known for known in COMMANDS if known.startswith(name)]
    if name not in COMMANDS and len(begun) != 1:
        near = get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else "/help lists them."
        session.say(f"There is no command {_short(word)}. {hint} A message that begins with a slash is sent with two: //…")
        return None
    return COMMANDS[name if name in COMMANDS else begun[0]].run(session, rest.strip())


def _help(session: Session, _: str) -> None:
    width = max(len(f"{command.name} {command.takes}") for command in COMMANDS.values())
    for command in COMMANDS.values():
        usage = f"{command.name} {command.takes}"
        session.say(f"{usage:{width}}  {command.help}")
    session.say("Enter sends, Alt-Enter begins a new line, Ctrl-C stops an answer (twice leaves), Ctrl-D leaves.")
    session.say("// sends a message that begins with a slash.")


def _new(session: Session, _: str) -> None:
    begin(session)
    session.say("A new conversation.")


def _undo(session: Session, _: str) -> None:
    undone = session.conversation.undo()
    if undone is None:
        session.say("There is nothing to undo.")
    else:
        session.say(f"Taken back: {_short(undone.text)}")


def _retry(_session: Session, _: str) -> Request:
    return Conversation.retry_stream


def _continue(_session: Session, _: str) -> Request:
    return Conversation.continue_stream


def _system(session: Session, text: str) -> None:
    if text:
        session.conversation.use(system=text)
        session.say("The system prompt is set.")
    else:
        session.say(sanitized(session.conversation.system()) or "There is no system prompt.")


def _model(session: Session, name: str) -> None:
    if not name:
        session.say(session.bot.model)
        return
    settings = session.settings
    service = session.bot.model.partition(":")[0]
    left = session.origin.left
    if settings.base_url is None and left is not None and not names_provider(name):
        # Back to the server that was left for another service.
        settings = replace(settings, base_url=left.base_url, key_env=left.key_env, context_window=left.context_window)
        service = "openai-compatible"
    name = model_of_service(name, service, settings.base_url)
    if service != parse_models(name, base_url=settings.base_url)[0].provider:
        # What was said of the one service holds for no other: its address, and so where a key is sent; its window.
        session.leave(settings)
        settings = replace(settings, base_url=None, key_env=None, context_window=None)
    reopen(session, replace(settings, model=name))
    if session.conversation.info().model:
        session.conversation.use(model="")
    session.say(f"{session.bot.model} answers from now on.")


def _usage(session: Session, _: str) -> None:
    spent = session.conversation.spent()
    for line in table("for", totals(spent, "purpose"), total(spent)) if spent else ("Nothing yet.",):
        session.say(line)


def _thinking(session: Session, _: str) -> None:
    thought = next(
        (entry.message.thinking for entry in reversed(session.conversation.history()) if entry.role == "assistant"), ""
    )
    session.say(sanitized(thought) or "The last answer came without any thinking that was shown.")


def _list(session: Session, _: str) -> None:
    infos = session.bot.conversations()[:_LISTED]
    session.number([info.id for info in infos])
    for line in conversation_lines(infos):
        session.say(line)
    session.say("/resume NUMBER goes on with one." if infos else "There are no conversations yet.")


def _resume(session: Session, which: str) -> None:
    if not which:
        session.say("Which one? /list and /search show them with numbers; part of a title or an id will do too.")
        return
    resume(session, chosen(session.bot.conversations(), which, listed=session.listed))


def _search(session: Session, text: str) -> None:
    if not text:
        session.say("What for? /search WORDS finds the messages that have them all.")
        return
    hits = session.bot.search(text)
    session.number([hit.conversation for hit in hits])
    for line in hit_lines(hits, numbered=True):
        session.say(line)
    session.say("/resume NUMBER goes on with a conversation." if hits else "Nothing was found: no message has all these words.")


def _fork(session: Session, _: str) -> None:
    session.switch(session.conversation.fork())
    session.say(f"Going on in “{session.conversation.info().title}”; the conversation it came from stays as it is.")


def _title(session: Session, title: str) -> None:
    if title:
        session.conversation.rename(title)
    session.say(session.conversation.info().title or "There is no title yet.")


def _branches(session: Session, _: str) -> None:
    head = session.conversation.info().head
    for number, leaf in enumerate(session.conversation.branches(), 1):
        mark = "*" if leaf.id == head else " "
        session.say(f"{mark}{number:3}  {date_text(leaf.created)}  {leaf.role}: {_short(leaf.text) or '(nothing)'}")
    session.say("/goto NUMBER goes on from the end of a branch.")


def _goto(session: Session, which: str) -> None:
    leaves = session.conversation.branches()
    if not which.isdecimal() or len(which) > 8 or not 0 < int(which) <= len(leaves):
        session.say("Which branch? /branches shows them with their numbers.")
        return
    session.conversation.goto(leaves[int(which) - 1])
    session.say(f"Going on after: {_short(leaves[int(which) - 1].text)}")


def _edit(session: Session, text: str) -> Request | None:
    last = _last_asked(session)
    if not last or not text:
        session.say("/edit TEXT says something else instead of your last message; the old one stays as a branch.")
        return None
    return lambda conversation: conversation.edit_stream(last[0], text)


def _last_asked(session: Session) -> list[Entry]:
    """The last message that the user wrote, if there is one."""
    asked = (entry for entry in reversed(session.conversation.history()) if entry.role == "user" and entry.text != CONTINUE)
    return list(islice(asked, 1))


def _save(session: Session, path: str) -> None:
    if not path:
        session.say("Where to? /save FILE.json")
        return
    path, force = _forced(path)
    if session.writes(_path(path), force=force):
        session.conversation.save(_path(path))
        session.wrote(_path(path))
        session.say(f"Saved to {path}.")


def _load(session: Session, path: str) -> None:
    if not path:
        session.say("From where? /load FILE.json")
        return
    count = session.conversation.load(_path(path))
    session.say(f"{count} {'message' if count == 1 else 'messages'} loaded. Go on where they end.")


def _export(session: Session, path: str) -> None:
    if not path:
        session.say("Where to? /export FILE.json has everything, FILE.md is for reading.")
        return
    path, force = _forced(path)
    if session.writes(_path(path), force=force):
        with replacing(_path(path)) as file:
            file.write(exported_text(session.conversation, form_of(path)))
        session.wrote(_path(path))
        session.say(f"Written to {path}.")


def _pictures(session: Session, path: str) -> None:
    answers = [entry for entry in session.conversation.history() if entry.role == "assistant"]
    pictures = [part for entry in answers for part in entry.message.parts if isinstance(part, Image)]
    if not path or not pictures:
        session.say("Where to? /pictures FILE writes the newest picture." if pictures else "There are no pictures yet.")
        return
    path, force = _forced(path)
    if session.writes(_path(path), force=force):
        try:
            Path(_path(path)).write_bytes(pictures[-1].data)
        except OSError as error:
            raise TranscriptFileError(path, f"cannot be written: {error.strerror or error}.") from error
        session.wrote(_path(path))
        session.say(f"Written to {path}: {pictures[-1].media_type}, {len(pictures[-1].data):,} bytes.")


def _forced(path: str) -> tuple[str, bool]:
    """Takes --force off, which stands before or after a path."""
    force = path.startswith("--force ") or path.endswith(" --force")
    return path.removeprefix("--force ").removesuffix(" --force").strip(), force


def _attach(session: Session, path: str) -> None:
    if not path:
        for document in session.conversation.documents():
            session.say(f"{one_line(document.name)}, {document.tokens:,} tokens")
        session.say("/attach FILE reads a document, or shows a picture with your next message. /forget NAME forgets a document.")
        return
    if is_picture(Path(_path(path))):
        session.attach(image_of(_path(path)))
        session.say(f"{path} goes with your next message.")
        return
    before = session.conversation.documents()
    document = session.conversation.read(_path(path))
    if document.id in {one.id for one in before}:
        session.say(f"{one_line(document.name)} has not changed since it was read.")
        return
    replaced = len(session.conversation.documents()) == len(before)
    session.say(f"Read{' again' * replaced}: {one_line(document.name)}, {document.tokens:,} tokens. Ask about it.")
    if document.encoding:
        session.say(guessed_encoding(document))


def _tools(session: Session, name: str) -> None:
    with Waiting("the servers of the tools"):
        tools = session.bot.tools()
    found = [tool for tool in tools if tool.name == name]
    lines = [sanitized(tool.description) for tool in found] or tool_lines(tools)
    for line in lines or ("There are no tools. Start with --tools calculate,now or --mcp FILE.",):
        session.say(line)


def _persona(session: Session, name: str) -> None:
    folder = config_folder() / "personas"
    if not name:
        for one in persona_names(folder):
            try:
                about = load_persona(one, folder).description
            except ConfigError as error:
                about = f"({error})"
            session.say(f"{one:16} {about}")
        session.say("/persona NAME goes on with one; what it says holds for this session.")
        return
    persona = load_persona(name, folder)
    # What was set for the last one must not hold for this.
    reopen(session, replace(session.settings, persona=name, system=None, model=persona.model or session.bot.model))
    session.say(f"{one_line(persona.description) or persona.name}. {session.bot.model} answers.")


def _quit(_session: Session, _: str) -> Leave:
    return Leave()


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
        Command("/pictures", "FILE", "write the newest picture of an answer", _pictures),
        Command("/quit", "", "leave; also quit, exit and Ctrl-D", _quit),
    )
}


def choices(session: Session) -> dict[str, Choices | None]:
    """Gives the completions after each command: the value to insert, and a description of it."""
    known: dict[str, Choices] = {
        "/resume": lambda: ((info.id, info.title) for info in session.bot.conversations()),
        "/forget": lambda: ((str(number), _short(fact.text)) for number, fact in enumerate(session.bot.facts.list(), 1)),
        "/goto": lambda: ((str(number), _short(leaf.text)) for number, leaf in enumerate(session.conversation.branches(), 1)),
        "/model": lambda: ((f"{vendor.name}:{vendor.model}", vendor.name) for vendor in VENDORS.values()),
        "/persona": lambda: ((one, "") for one in persona_names(config_folder() / "personas")),
        "/title": lambda: [(session.conversation.info().title, "as it is")],
        "/edit": lambda: [(entry.text, "the last question") for entry in _last_asked(session)],
    }
    return {name: known.get(name) for name in COMMANDS}
