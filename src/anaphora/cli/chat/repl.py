"""The chat: read, send, show, repeat."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from anaphora.cli.chat.commands import COMMANDS, choices, run_command
from anaphora.cli.exit import INTERRUPTED, OK, report
from anaphora.cli.fallback import answered
from anaphora.cli.session import Leave, Request, Session
from anaphora.cli.terminal.context_view import moved_line
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.render import show, show_whole
from anaphora.cli.terminal.status import status_line
from anaphora.errors import AnaphoraError
from anaphora.stores.inmemory import InMemoryStore
from anaphora.sync.conversation import Conversation
from anaphora.values.answer import Answer

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

_LEAVE_WORDS = {"quit", "exit"}
_FINISH_SECONDS = 10.0


def chat(session: Session, files: Sequence[str] = ()) -> int:
    """Talks until the user leaves, with ``files`` attached at the start. Gives the exit code."""
    Thread(target=_connect, args=(session,), daemon=True).start()
    editor = _editor(session)
    session.tell(f"anaphora with {session.bot.model}. /help lists the commands, Ctrl-D leaves.")
    for file in files:
        _do(session, f"/attach {file}")
    if not _talk(session, editor):
        return INTERRUPTED
    with suppress(AnaphoraError):
        if session.settings.learn:
            _finish(session)
        session.bot.close()
    return OK


def _talk(session: Session, editor: PromptSession[str]) -> bool:
    """Reads lines and answers them. False if the user left by Ctrl-C."""
    interrupted = False
    while True:
        try:
            line = editor.prompt("> ").strip()
        except EOFError:
            return True
        except KeyboardInterrupt:
            if interrupted:
                return False
            interrupted = True
            session.say("Ctrl-C again leaves.")
            continue
        interrupted = False
        try:
            if line.lower() in _LEAVE_WORDS or (line and _do(session, line)):
                return True
        except KeyboardInterrupt:
            interrupted = True
            session.say("Stopped; what came is kept. Ctrl-C again leaves.")


def _finish(session: Session) -> None:
    """Waits a moment for facts to be found in the last words. Ctrl-C ends the wait."""
    with suppress(KeyboardInterrupt):
        session.conversation.wait_for_background(_FINISH_SECONDS)


def _connect(session: Session) -> None:
    """Begin to connect while the user types; what fails here is told with the first question."""
    # Also what leaving the chat in the middle of it raises.
    with suppress(Exception, CancelledError):
        session.bot.prepare()


def _do(session: Session, line: str) -> bool:
    """Runs a command or sends a message, and shows the answer. True if the chat ends. Raises KeyboardInterrupt."""
    try:
        result = run_command(session, line) if line.startswith("/") and not line.startswith("//") else _message(session, line)
        if isinstance(result, Leave):
            return True
        if result is not None:
            _show_answer(session, result)
    except AnaphoraError as error:
        report(error)
    return False


def _message(session: Session, line: str) -> Request:
    text = line.removeprefix("/") if line.startswith("//") else line
    images = session.take_images()
    return lambda conversation: conversation.stream(text, images=images)


def _show_answer(session: Session, request: Request) -> None:
    def run(conversation: Conversation) -> Answer:
        with request(conversation) as reply:
            return show(reply) if session.settings.stream else reply.answer()

    answer = answered(session, run)
    if not session.settings.stream:
        show_whole(answer.text)
    if not session.quiet:
        notice(status_line(answer))
        moved = moved_line(answer.context) if answer.context else None
        if moved:
            notice(moved)


def _editor(session: Session) -> PromptSession[str]:
    """The line editor: history across runs, Alt-Enter for a new line, pasted lines kept together, commands completed."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import History, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from anaphora.cli.chat.completion import CommandCompleter
    from anaphora.cli.terminal.history import TypedLines, history_path

    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    # What is not to be kept is not kept here either.
    path = None if isinstance(session.options.get("store"), InMemoryStore) else history_path()
    history: History = InMemoryHistory() if path is None else TypedLines(path)
    if isinstance(history, TypedLines):
        session.on_forget(history.forget)
    completer = CommandCompleter(
        choices(session), frozenset(name for name, command in COMMANDS.items() if "FILE" in command.takes)
    )
    return PromptSession(
        history=history,
        key_bindings=keys,
        multiline=True,
        completer=completer,
        complete_while_typing=False,
        prompt_continuation="  ",
    )
