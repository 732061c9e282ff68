"""Shows an answer as it comes: plain text for pipes, Markdown for terminals.

Markdown is committed block by block: what is complete is printed once and never touched again, so scrollback holds no duplicates
and only the last, unfinished block is drawn anew, the more rarely the longer it takes.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Self

from anaphora.cli.terminal.confirm import CONFIRMATIONS, POLL_SECONDS, call_text
from anaphora.cli.terminal.keys import silent_keys
from anaphora.cli.terminal.sanitize import sanitized
from anaphora.cli.terminal.waiting import Waiting
from anaphora.sync.reply import Reply
from anaphora.values.answer import Answer
from anaphora.values.events import (
    Event,
    ImageDelta,
    Planned,
    Refused,
    Retrying,
    TextDelta,
    ThinkingDelta,
    ToolEnded,
    ToolStarted,
    Warned,
)
from anaphora.values.markdown_blocks import markdown_blocks
from anaphora.values.message import Image
from anaphora.values.transcript import shortened

if TYPE_CHECKING:
    from rich.segment import Segment

_FRAME_SECONDS = 0.05
# A silence between words is shown from so many seconds on.
_SILENCE_SECONDS = 3
# Of a model's thinking so many of the last pieces, characters and lines are looked at and shown.
_THOUGHTS, _THOUGHT_LENGTH, _THOUGHT_LINES = 400, 1_000, 3


def show(reply: Reply, *, quiet: bool = False) -> Answer:
    """Print the answer to standard output while it comes. Raises what ends it early, after showing what there is."""
    if not sys.stdout.isatty():
        return _show_plain(reply, quiet=quiet)
    with silent_keys(), MarkdownView() as view:
        reply.on_wait(partial(_wait, view))
        view.wait()
        for event in reply.events:
            # A plan is our own: the service has said nothing yet.
            if not isinstance(event, Planned):
                view.heard()
            _show_event(view, event)
    return reply.answer()


def _show_event(view: MarkdownView, event: Event) -> None:
    match event:
        case TextDelta(text):
            view.add(sanitized(text))
        case ThinkingDelta(text):
            view.think(sanitized(text))
        case ToolStarted(call):
            view.settle()
            view.say(f"→ {call_text(call)}")
        case ToolEnded(result):
            view.say(f"← {shortened(sanitized(result.text))}")
        case Refused(text):
            view.add(f"\n\n{sanitized(text)}")
        case Retrying(error, delay):
            view.say(f"{sanitized(str(error))} Trying again in {delay:.1f} seconds.")
        case ImageDelta(image):
            view.settle()
            view.say(picture_line(image))
        case Warned(text):
            view.say(sanitized(text))
        case Planned():
            view.wait()
        case _:
            pass


def picture_line(image: Image) -> str:
    """Names a picture of an answer, which a terminal cannot show."""
    return f"[picture, {sanitized(image.media_type)}, {len(image.data):,} bytes; in a chat /pictures FILE writes it]"


def _wait(view: MarkdownView) -> float:
    """Draw what came, and ask what is to be asked; gives the seconds until it is to be called again."""
    CONFIRMATIONS.answer(view.settle, view.say)
    return min(view.catch_up() or POLL_SECONDS, POLL_SECONDS)


def show_whole(text: str) -> None:
    """Print an answer that is complete."""
    if not sys.stdout.isatty():
        print(sanitized(text))
        return
    with MarkdownView() as view:
        view.add(sanitized(text))


def _show_plain(reply: Reply, *, quiet: bool) -> Answer:
    last = "\n"
    with Waiting(quiet=quiet) as waiting:
        try:
            for text in reply:
                waiting.stop()
                clean = sanitized(text)
                sys.stdout.write(clean)
                sys.stdout.flush()
                last = clean[-1:] or last
        except OSError:
            raise
        except BaseException:
            _end_line(last)
            raise
    _end_line(last)
    return reply.answer()


def _end_line(last: str) -> None:
    if last != "\n":
        sys.stdout.write("\n")
        sys.stdout.flush()


class MarkdownView:
    """Markdown on a terminal, growing at its end."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, emoji=False)
        self._tail = ""
        self._thoughts: list[str] = []
        self._drawn = 0  # lines of the unfinished block that are on the screen
        self._printed = False
        self._next_draw = 0.0
        self._undrawn = False
        self._heard = time.monotonic()
        self._silence = 0  # seconds of it that are shown

    def wait(self) -> None:
        """A sign that something is being waited for, until the first words."""
        self._draw_lines(self._dim(f"… {self._silence} s, Ctrl-C stops" if self._silence else "…"))

    def heard(self) -> None:
        """Something came: the clock of the silence begins anew."""
        self._heard = time.monotonic()
        self._undrawn = self._undrawn or bool(self._silence)
        self._silence = 0

    def add(self, text: str) -> None:
        """More words of the answer."""
        self._end_thought()
        self._tail += text
        if "\n" in text:
            self._commit()
        self._draw()

    def think(self, text: str) -> None:
        """Words of the thinking, dim: the last lines of it while it goes on."""
        self._thoughts.append(text)
        self._draw()

    def settle(self) -> None:
        """Print what there is: something else follows it."""
        self._end_thought()
        self._draw_lines([])
        blocks, self._tail = (markdown_blocks(self._tail) if self._tail.strip() else []), ""
        for block in blocks:
            self._print(block)

    def say(self, text: str) -> None:
        """A dim line between."""
        self._draw_lines([])
        self._put(self._dim(text))

    def _end_thought(self) -> None:
        """Fold the thinking up into one line."""
        if self._thoughts:
            words = len("".join(self._thoughts).split())
            self._thoughts.clear()
            self.say(f"(thought in {words} word{'s' * (words != 1)})")
            self._put([[]])

    def _thinking(self) -> list[list[Segment]]:
        """Gives the visible lines of the thinking."""
        tail = "".join(self._thoughts[-_THOUGHTS:])
        return self._dim(tail[-_THOUGHT_LENGTH:].strip())[-_THOUGHT_LINES:]

    def catch_up(self) -> float | None:
        """Draw what came since the last time, if it is time; else tell in how many seconds it is. None: all is drawn."""
        seconds = int(time.monotonic() - self._heard)
        if seconds > self._silence and (not self._tail or seconds >= _SILENCE_SECONDS):
            self._silence, self._undrawn = seconds, True
        if self._undrawn:
            self._draw()
        return max(self._next_draw - time.monotonic(), 0.001) if self._undrawn else None

    def _draw(self) -> None:
        begun = time.monotonic()
        self._undrawn = begun < self._next_draw
        if not self._undrawn:
            lines = self._thinking() if self._thoughts else self._rendered(self._tail)
            clock = self._dim(f"… {self._silence} s, Ctrl-C stops") if self._silence else []
            self._draw_lines([*lines, *clock])
            # A long block takes long to draw; drawing it more rarely leaves the processor to the model.
            now = time.monotonic()
            self._next_draw = now + max(_FRAME_SECONDS, 10 * (now - begun))

    def _commit(self) -> None:
        """Print all top-level blocks but the last, which may still grow."""
        *done, self._tail = markdown_blocks(self._tail)
        for block in done:
            self._print(block)

    def _print(self, markdown: str) -> None:
        lines = self._rendered(markdown, whole_code=True)
        if lines:
            self._draw_lines([])
            self._put([[], *lines] if self._printed else lines)
            self._printed = True

    def _draw_lines(self, lines: list[list[Segment]]) -> None:
        """Replace what is drawn of the unfinished block by its last lines, as many as the screen has room for."""
        if self._drawn:
            # Up to its first line, and clear from there.
            self._console.file.write(f"\x1b[{self._drawn}A\r\x1b[J")
        gap: list[list[Segment]] = [[]] if self._printed and lines else []
        lines = [*gap, *lines][-max(self._console.height - 1, 1) :]
        self._put(lines)
        self._drawn = len(lines)

    def _put(self, lines: list[list[Segment]]) -> None:
        from rich.segment import Segment, Segments

        for line in lines:
            self._console.print(Segments([*line, Segment.line()]), end="", soft_wrap=True)
        self._console.file.flush()

    def _rendered(self, markdown: str, *, whole_code: bool = False) -> list[list[Segment]]:
        from anaphora.cli.terminal.markdown import markdown_lines

        # The last column stays free: what terminals do there differs.
        return markdown_lines(self._console, markdown, max(self._console.width - 1, 1), whole_code=whole_code)

    def _dim(self, text: str) -> list[list[Segment]]:
        from anaphora.cli.terminal.markdown import plain_lines

        return plain_lines(self._console, text, max(self._console.width - 1, 1), "dim")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end_thought()
        self._draw_lines([])
        for block in markdown_blocks(self._tail) if self._tail.strip() else ():
            self._print(block)
