"""The chat: read, send, show, repeat."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from anaphora.cli.asking import answered
from anaphora.cli.commands import COMMANDS, Ask, Chat, choices, run_command
from anaphora.cli.context_view import moved_line
from anaphora.cli.main import INTERRUPTED, OK, report
from anaphora.cli.notice import notice
from anaphora.cli.opening import Opened
from anaphora.cli.render import show, show_whole
from anaphora.cli.status import status_line
from anaphora.errors import AnaphoraError
from anaphora.reply import Answer
from anaphora.stores.inmemory import InMemoryStore
from anaphora.sync import Conversation

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

_LEAVE_WORDS = {"quit", "exit"}
_FINISH_SECONDS = 10.0


def chat(opened: Opened, files: Sequence[str] = ()) -> int:
    """Talk until the user leaves, with ``files`` attached at the start; gives the exit code."""
    Thread(target=_connect, args=(opened,), daemon=True).start()
    state = Chat(opened, notice)
    session = _session(state)
    if not opened.quiet:
        notice(f"anaphora with {opened.bot.model}. /help lists the commands, Ctrl-D leaves.")
    for file in files:
        _answer(state, f"/attach {file}")
    interrupted = False
    while not state.left:
        try:
            line = session.prompt("> ").strip()
        except EOFError:
            break
        except KeyboardInterrupt:
            if interrupted:
                return INTERRUPTED
            interrupted = True
            notice("Ctrl-C again leaves.")
            continue
        interrupted = False
        if line.lower() in _LEAVE_WORDS:
            break
        if line:
            interrupted = not _answer(state, line)
    with suppress(AnaphoraError):
        if opened.settings.learn:
            _finish(state)
        state.bot.close()
    return OK


def _finish(state: Chat) -> None:
    """What was just said may have facts in it: who asked for them waits a moment. Ctrl-C does not."""
    with suppress(KeyboardInterrupt):
        state.conversation.settle(_FINISH_SECONDS)


def _connect(opened: Opened) -> None:
    """Begin to connect while the user types; what fails here is told with the first question."""
    # Also what leaving the chat in the middle of it raises.
    with suppress(Exception, CancelledError):
        opened.bot.prepare()


def _answer(state: Chat, line: str) -> bool:
    """Do one line. False if the user stopped it."""
    try:
        if line.startswith("/") and not line.startswith("//"):
            run_command(state, line)
        else:
            text = line.removeprefix("/") if line.startswith("//") else line
            images, state.images = state.images, []
            state.ask = lambda conversation: conversation.stream(text, images=images)
        ask, state.ask = state.ask, None
        if ask is not None:
            _ask(state, ask)
    except KeyboardInterrupt:
        notice("Stopped; what came is kept. Ctrl-C again leaves.")
        return False
    except AnaphoraError as error:
        report(error)
    return True


def _ask(state: Chat, ask: Ask) -> None:
    def run(conversation: Conversation) -> Answer:
        with ask(conversation) as reply:
            return show(reply) if state.opened.settings.stream else reply.answer()

    answer = answered(state.opened, run)
    if not state.opened.settings.stream:
        show_whole(answer.text)
    if not state.opened.quiet:
        notice(status_line(answer))
        moved = moved_line(answer.context) if answer.context else None
        if moved:
            notice(moved)


def _session(state: Chat) -> PromptSession[str]:
    """The line editor: history across runs, Alt-Enter for a new line, pasted lines kept together, commands completed."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import History, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from anaphora.cli.completion import CommandCompleter
    from anaphora.cli.typed import TypedLines, history_path

    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    # What is not to be kept is not kept here either.
    path = None if isinstance(state.opened.options.get("store"), InMemoryStore) else history_path()
    history: History = InMemoryHistory() if path is None else TypedLines(path)
    if isinstance(history, TypedLines):
        state.forget_typed = history.forget
    completer = CommandCompleter(choices(state), frozenset(name for name, command in COMMANDS.items() if "FILE" in command.takes))
    return PromptSession(
        history=history,
        key_bindings=keys,
        multiline=True,
        completer=completer,
        complete_while_typing=False,
        prompt_continuation="  ",
    )
