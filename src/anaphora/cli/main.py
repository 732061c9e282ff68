"""The command line: what is asked, exit codes.

Everything else is loaded only when it is needed, so ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import io
import os
import sys

from anaphora.cli.exit import FAILED, INTERRUPTED, OK, USAGE, report
from anaphora.cli.flags import parser
from anaphora.cli.verbs.arguments import VERBS, takes, verb_arguments

# See anaphora/__init__.py.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; gives the exit code."""
    _prepare_streams()
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0].lower() == "help" and (len(argv) == 1 or (len(argv) == 2 and argv[1] in VERBS)):
        argv = [*argv[1:], "--help"]
    past = verb_arguments(argv)
    arguments = past or parser().parse_args(argv)
    from anaphora.errors import AnaphoraError

    if sys.stdout is None:
        print("anaphora: standard output is closed: there is nowhere to write the answer.", file=sys.stderr)
        return FAILED

    try:
        if past is not None:
            from anaphora.cli.verbs.conversations import run

            return run(past)
        return _run(arguments, argv)
    except AnaphoraError as error:
        return report(error)
    except KeyboardInterrupt:
        import signal

        # Further ones must not disturb the tidying up.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _leave_quietly(OK)
    except OSError as error:
        print(f"anaphora: the output cannot be written: {error.strerror or error}.", file=sys.stderr)
        _leave_quietly(FAILED)


def _prepare_streams() -> None:
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 -- pathlib would take its time too
    for stream in (sys.stdout, sys.stderr):
        # What this terminal cannot show becomes a question mark, never an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _command_meant(arguments: argparse.Namespace, argv: Sequence[str]) -> str | None:
    """Tells what to do instead if the question is, or is near, a command: it is not to be paid for."""
    words = arguments.question
    if not words or "--" in argv or any(len(word.split()) != 1 for word in words):
        return None
    word = words[0].lower().rstrip(".!?") if len(words) == 1 else words[0].lower()
    if word in VERBS and words[0] in argv[1:] and (len(words) == 1 or takes(word, words[1:])):
        told = f"a command goes first: anaphora {' '.join([word, *words[1:]])} …"
    elif len(words) > 1:
        return None
    elif word in {"config", "settings", "setings", "setting"}:
        from anaphora.settings import config_folder

        told = f"settings stand in {config_folder() / 'settings.toml'}."
    elif word in _INSTEAD or word in VERBS:
        told = _INSTEAD.get(word, f"commands are written in small letters: anaphora {word}.")
    else:
        from difflib import get_close_matches

        known = [*VERBS, "help"]
        swapped = [one for one in known if sorted(one) == sorted(word)]
        near = swapped or get_close_matches(word, known, n=1, cutoff=0.81)
        if not near:
            return None
        told = f"there is no command {word}. Did you mean anaphora {near[0]}?"
    return f"{told} To ask it as a question: anaphora -- {' '.join(words)}"


_INSTEAD = {
    "help": "the help is shown by: anaphora --help.",
    "version": "the version is shown by: anaphora --version.",
    "chat": "anaphora alone opens a chat.",
}


def _run(arguments: argparse.Namespace, argv: Sequence[str]) -> int:
    from anaphora.cli.ask_once import Question, ask_once, piped_text

    instead = _command_meant(arguments, argv)
    if instead is not None:
        from anaphora.cli.terminal.notice import wrapped

        print(wrapped(f"anaphora: {instead}"), file=sys.stderr)
        return USAGE
    if arguments.json and not arguments.question and sys.stdin is not None and sys.stdin.isatty():
        print("anaphora: --json needs a question.", file=sys.stderr)
        return USAGE
    from anaphora.cli.attachments import attached, chosen_shape

    piped = piped_text(sys.stdin)
    images, documents = attached(arguments.files)
    question = _with_piped(" ".join(arguments.question), piped)
    shape = chosen_shape(arguments.schema) if arguments.schema is not None else None
    has_person = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    wants_chat = not arguments.question and piped is None and (not arguments.files or has_person)
    if wants_chat and shape is not None:
        print("anaphora: --schema needs a question.", file=sys.stderr)
        return USAGE
    if wants_chat and not has_person:
        print("anaphora: a chat needs a terminal. Give a question, or run it in a terminal.", file=sys.stderr)
        return USAGE
    from anaphora.cli.open import open_bot

    if not wants_chat:
        from anaphora.values.message import checked_text

        checked_text(question or "?" * bool(images or documents))
    session = open_bot(arguments, chat=wants_chat)
    if wants_chat:
        from anaphora.cli.chat.repl import chat

        return chat(session, arguments.files)
    what = "document" if documents else "picture"
    question = question or f"What is in {f'these {what}s' if len(arguments.files) > 1 else f'this {what}'}?"
    return ask_once(session, Question(question, images, arguments.candidates, documents, shape), as_json=arguments.json)


def _with_piped(question: str, piped: str | None) -> str:
    """The question and what was piped. Beside a question that is marked as a document: the user did not say it themselves."""
    if piped is None or not question:
        return question or piped or ""
    # Nothing in it may end it.
    return f"{question}\n\n<document>\n{piped.replace('</document', '&lt;/document')}\n</document>"


def _leave_quietly(code: int) -> NoReturn:
    """Ends the program without another word, Python's own clean-up included: nobody reads its output any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
