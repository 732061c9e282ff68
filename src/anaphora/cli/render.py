"""Shows an answer as it comes: plain text for pipes, Markdown for terminals.

Markdown is committed block by block: what is complete is printed once and never touched again, so scrollback holds no duplicates
and only the last, unfinished block is drawn anew, the more rarely the longer it takes.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Group
    from rich.markdown import Markdown

from anaphora.cli.sanitize import sanitized
from anaphora.events import Retrying, TextDelta, ThinkingDelta
from anaphora.reply import Answer
from anaphora.sync import Reply

_FRAME_SECONDS = 0.05


def show(reply: Reply) -> Answer:
    """Print the answer to standard output while it comes. Raises what ends it early, after showing what there is."""
    if not sys.stdout.isatty():
        return _show_plain(reply)
    with MarkdownView() as view:
        for event in reply.events:
            match event:
                case TextDelta(text):
                    view.add(sanitized(text))
                case ThinkingDelta(text):
                    view.think(sanitized(text))
                case Retrying(error, delay):
                    view.say(f"{sanitized(str(error))} Trying again in {delay:.1f} seconds.")
                case _:
                    pass
    return reply.answer()


def _show_plain(reply: Reply) -> Answer:
    last = "\n"
    try:
        for text in reply:
            clean = sanitized(text)
            sys.stdout.write(clean)
            sys.stdout.flush()
            last = clean[-1:] or last
    except BrokenPipeError:
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
    """Markdown on a terminal, growing."""

    def __init__(self) -> None:
        from markdown_it import MarkdownIt
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        self._parser = MarkdownIt("commonmark").enable("table").enable("strikethrough")
        self._console = Console(highlight=False, emoji=False)
        self._live = Live(
            Text(), console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._tail = ""
        self._thought = ""
        self._next_draw = 0.0

    def add(self, text: str) -> None:
        """More words of the answer."""
        self._end_thought()
        self._tail += text
        if "\n" in text:
            self._commit()
        self._draw()

    def think(self, text: str) -> None:
        """Words of the thinking, dim; whole lines are printed at once."""
        *lines, self._thought = (self._thought + text).split("\n")
        for line in lines:
            self.say(line)
        self._draw()

    def say(self, text: str) -> None:
        """A dim line between."""
        self._console.print(text, style="dim", markup=False)

    def _end_thought(self) -> None:
        if self._thought:
            thought, self._thought = self._thought, ""
            self._clear()
            self.say(thought)
            self._console.print()

    def _draw(self) -> None:
        begun = time.monotonic()
        if begun >= self._next_draw:
            self._live.update(self._visible(), refresh=True)
            # A long block takes long to draw; drawing it more rarely leaves the processor to the model.
            now = time.monotonic()
            self._next_draw = now + max(_FRAME_SECONDS, 10 * (now - begun))

    def _clear(self) -> None:
        from rich.text import Text

        self._live.update(Text(), refresh=True)

    def _commit(self) -> None:
        """Print all top-level blocks but the last, which may still grow."""
        starts = [
            token.map[0] for token in self._parser.parse(self._tail) if token.level == 0 and token.map and token.nesting >= 0
        ]
        if len(starts) < 2:
            return
        lines = self._tail.splitlines(keepends=True)
        done, self._tail = "".join(lines[: starts[-1]]), "".join(lines[starts[-1] :])
        self._print(done)

    def _print(self, markdown: str) -> None:
        self._clear()
        self._console.print(_markdown(markdown))
        self._console.print()

    def _visible(self) -> Group:
        """The last block, or its last lines if it is higher than the screen."""
        from rich.console import Group
        from rich.segment import Segments
        from rich.text import Text

        growing = Text(self._thought, style="dim") if self._thought else _markdown(self._tail)
        lines = self._console.render_lines(growing, pad=False)
        room = max(self._console.height - 1, 1)
        return Group(*(Segments(line) for line in lines[-room:]))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end_thought()
        self._live.stop()
        if self._tail.strip():
            self._console.print(_markdown(self._tail))


def _markdown(text: str) -> Markdown:
    from rich.markdown import Markdown

    # No hyperlinks: the address stands beside the words, so that a link cannot pretend to be another.
    return Markdown(text, hyperlinks=False)
