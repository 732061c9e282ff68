"""One question, one answer: for the command line, pipes and programs."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, TextIO

from anaphora.cli.attachments import guessed_encoding
from anaphora.cli.exit import FAILED, OK
from anaphora.cli.fallback import answered
from anaphora.cli.session import Session
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.render import picture_line, show, show_whole
from anaphora.cli.terminal.status import cut_lines, status_line
from anaphora.cli.terminal.waiting import Waiting
from anaphora.errors import ConfigError, InvalidMessage
from anaphora.schema.shape import Shape
from anaphora.sync.conversation import Conversation
from anaphora.tools.functions import json_value, result_text
from anaphora.values.answer import Answer
from anaphora.values.codec import usage_to_json
from anaphora.values.message import MOST_CHARACTERS, Image

# A pipe that is still open after so many seconds is told.
_PATIENCE = 2.0


def piped_text(stdin: TextIO | None) -> str | None:
    """Gives the text that came through a pipe; None if nothing is piped. Raises InvalidMessage if it is not UTF-8."""
    if stdin is None or stdin.isatty():
        return None
    ended = Event()
    Thread(target=_tell_of_pipe, args=(ended,), daemon=True).start()
    try:
        # Something without an end is read no further.
        data = stdin.buffer.read(MOST_CHARACTERS + 1)
    finally:
        ended.set()
    if len(data) > MOST_CHARACTERS:
        raise InvalidMessage(f"standard input has more than {MOST_CHARACTERS >> 20} MiB: name the file with -f instead.")
    try:
        return data.decode("utf-8-sig").rstrip("\n") or None
    except UnicodeDecodeError as error:
        raise InvalidMessage(
            f"the text from standard input is not UTF-8: byte 0x{data[error.start]:02x} at position {error.start + 1}. "
            "Convert it first, for example with iconv -f latin1 -t utf-8."
        ) from error


def _tell_of_pipe(ended: Event) -> None:
    if not ended.wait(_PATIENCE):
        notice("waiting for standard input to end; to ask without it, add </dev/null")


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its pictures and documents, the number of answers wanted, and their shape."""

    text: str
    images: Sequence[Image] = ()
    answers: int = 1
    documents: Sequence[Path] = ()
    shape: Shape | None = None


def ask_once(session: Session, question: Question, *, as_json: bool) -> int:
    """Ask, print the answer, give the exit code: FAILED if nothing came. Raises AnaphoraError."""
    if question.answers != 1:
        return _ask_often(session, question, as_json=as_json)
    shown = session.settings.stream and not as_json and question.shape is None

    def ask(conversation: Conversation) -> Answer:
        _read(conversation, question)
        if not shown:
            with Waiting(quiet=session.quiet):
                return conversation.say(question.text, output_type=question.shape, images=question.images)
        with conversation.stream(question.text, images=question.images) as reply:
            return show(reply, quiet=session.quiet)

    try:
        answer = answered(session, ask)
    finally:
        session.bot.close()
    came = bool(answer.text.strip()) or bool(answer.images)
    if as_json:
        print(json.dumps(_as_json(answer)))
        return OK if came else FAILED
    if question.shape is not None:
        print(result_text(answer.value))
    elif not shown:
        show_whole(answer.text)
    # That nothing came is told even where nothing but the answer is to be printed.
    for line in _beside(answer, session) if not session.quiet else [] if came else answer.warnings:
        notice(line)
    return OK if came else FAILED


def _beside(answer: Answer, session: Session) -> list[str]:
    """Gives the lines for the person beside an answer; those that a terminal has not shown while it came."""
    lines: list[str] = []
    if not sys.stdout.isatty() or not session.settings.stream:
        lines += map(picture_line, answer.images)
        lines += answer.warnings
    return [*lines, *([status_line(answer)] if sys.stderr.isatty() else cut_lines(answer))]


def _ask_often(session: Session, question: Question, *, as_json: bool) -> int:
    """Print several answers, numbered. Raises AnaphoraError."""
    if question.shape is not None:
        raise ConfigError("several answers are not given in a shape: leave out -n or --schema.")
    try:
        _read(session.conversation, question)
        with Waiting(quiet=session.quiet):
            answers = session.conversation.candidates(question.text, question.answers, images=question.images)
    finally:
        session.bot.close()
    came = any(answer.text.strip() or answer.images for answer in answers)
    if as_json:
        print(json.dumps([_as_json(answer) for answer in answers]))
        return OK if came else FAILED
    for number, answer in enumerate(answers, 1):
        print(f"{'' if number == 1 else chr(10)}[{number}]")
        show_whole(answer.text)
    for number, answer in enumerate(answers, 1):
        for line in (*answer.warnings, *cut_lines(answer)) if not session.quiet or not came else ():
            notice(f"[{number}] {line}")
    if not session.quiet and sys.stderr.isatty():
        notice("The conversation goes on from the first; /branches in anaphora -c shows the others.")
    return OK if came else FAILED


def _read(conversation: Conversation, question: Question) -> None:
    for path in question.documents:
        document = conversation.read(path)
        if document.encoding:
            notice(guessed_encoding(document))


def _as_json(answer: Answer[Any]) -> dict[str, object]:
    return {
        "text": answer.text,
        "status": answer.status,
        "model": answer.model,
        "finish": answer.finish,
        "usage": None if answer.usage is None else usage_to_json(answer.usage),
        "seconds": round(answer.seconds, 3),
        **({"value": json_value(answer.value)} if answer.value is not None else {}),
        **({"tools": _tools(answer)} if answer.steps else {}),
        **({"warnings": answer.warnings} if answer.warnings else {}),
        **({"thinking": answer.thinking} if answer.thinking else {}),
        **({"images": [_image_json(image) for image in answer.images]} if answer.images else {}),
    }


def _image_json(image: Image) -> dict[str, str]:
    return {"media_type": image.media_type, "data": base64.b64encode(image.data).decode()}


def _tools(answer: Answer[Any]) -> list[dict[str, object]]:
    """The tools that were called, what they were asked and what they gave."""
    results = {result.call_id: result for step in answer.steps for result in step.tool_results}
    calls = [call for step in answer.steps for call in step.tool_calls]
    return [
        {"name": call.name, "arguments": call.arguments, "result": results[call.id].text if call.id in results else None}
        for call in calls
    ]
