"""Completes commands and their arguments when the Tab key is pressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

from anaphora.cli.terminal.sanitize import sanitized
from anaphora.errors import AnaphoraError

Choices = Callable[[], Iterable[tuple[str, str]]]


class CommandCompleter(Completer):
    """Completes the name of a command, and then what comes after it: one of its choices, or a file."""

    def __init__(self, commands: Mapping[str, Choices | None], files: frozenset[str]) -> None:
        self._commands = commands
        self._files = files
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """The completions of the line up to the cursor."""
        line = document.text_before_cursor
        if not line.startswith("/"):
            return
        name, space, rest = line.partition(" ")
        if not space:
            yield from (Completion(known, -len(name)) for known in self._commands if known.startswith(name))
        elif name in self._files:
            for one in self._paths.get_completions(Document(rest), complete_event):
                yield Completion(one.text, one.start_position, display=sanitized(one.display_text))
        else:
            yield from self._choices(name, rest)

    def _choices(self, name: str, typed: str) -> Iterator[Completion]:
        choices = self._commands.get(name)
        try:
            found = list(choices()) if choices is not None else []
        except AnaphoraError:
            # A key press is no place to complain.
            return
        for value, about in found:
            if value.startswith(typed) or (typed and typed.casefold() in about.casefold()):
                yield Completion(value, -len(typed), display=value, display_meta=sanitized(about)[:60])
