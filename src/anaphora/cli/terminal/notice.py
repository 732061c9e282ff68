"""Lines for the person beside the answer, on standard error."""

from __future__ import annotations

import shutil
import sys
import textwrap

from anaphora.cli.terminal.sanitize import sanitized


def notice(text: str) -> None:
    """A line for the person, dim, beside the answer."""
    dim, normal = ("\x1b[2m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    print(f"{dim}{wrapped(text)}{normal}", file=sys.stderr, flush=True)


def wrapped(text: str) -> str:
    """The text made harmless and, on a terminal, with its lines broken between words."""
    clean = sanitized(text)
    if not sys.stderr.isatty():
        return clean
    width = shutil.get_terminal_size().columns - 1
    lines = (textwrap.wrap(line, max(width, 20), break_long_words=False, break_on_hyphens=False) for line in clean.splitlines())
    return "\n".join("\n".join(line) for line in lines)
