"""Asks before a file that exists is written over."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

from anaphora.errors import ConfigError


def may_write(path: str, *, force: bool = False, own: Collection[str] = ()) -> bool:
    """True if the file is not there yet, is one of this program's ``own``, or may be written over: with ``force`` or after a yes.

    Raises ConfigError where nobody can be asked. Pipes and devices are no files.
    """
    if force or not Path(path).is_file() or full_path(path) in own:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(f"{path} exists: add --force to write over it, or name another file.")
    return agreed(f"{path} exists. Write over it? [y/N] ")


def full_path(path: str) -> str:
    """The path by which a file is known, however it was named."""
    return str(Path(path).resolve())


def agreed(question: str) -> bool:
    """True if the person at the terminal types y or yes."""
    try:
        return input(question).strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        return False
