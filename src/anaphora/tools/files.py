"""Tools that read files below folders that the user names, and no others: not by ``..``, not by a link, no devices.

Hidden files and folders (their names begin with a dot) stay hidden.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from anaphora.errors import ConfigError
from anaphora.tools.base import Tool, ToolFailed
from anaphora.tools.functions import tool

_MOST_BYTES = 1_000_000
_MOST_FILES = 300


def file_tools(*folders: str | os.PathLike[str]) -> list[Tool]:
    """Gives two tools, ``list_files`` and ``read_file``, for files below these folders. Raises ConfigError for a bad folder."""
    roots = [Path(folder).expanduser().resolve() for folder in folders]
    for root in roots:
        if not root.is_dir():
            raise ConfigError(f"{root} is not a folder: name one whose files may be read.")
    if not roots:
        raise ConfigError("name a folder whose files may be read.")

    @tool
    def list_files(folder: str = "", pattern: str = "*") -> str:
        """List the files of a folder and its subfolders, with their sizes in bytes.

        Args:
            folder: as it was listed; empty is all that may be read
            pattern: for names, for example *.md
        """
        tops = [_inside(roots, folder).path] if folder.strip() else roots
        found = (line for top in tops for line in _listed(roots, top, pattern))
        lines = list(islice(found, _MOST_FILES + 1))
        if len(lines) > _MOST_FILES:
            lines[-1] = f"(and more: only the first {_MOST_FILES} are listed; name a folder or a pattern)"
        return "\n".join(lines) or "(no files)"

    @tool
    def read_file(path: str, first_line: int = 1, last_line: int | None = None) -> str:
        """Read a text file.

        Args:
            path: as list_files gives it
            first_line: where to begin, from 1
            last_line: where to end; null is the end of the file
        """
        lines = _read(_inside(roots, path)).splitlines(keepends=True)
        if first_line < 1 or first_line > max(len(lines), 1):
            raise ToolFailed(f"the file has lines 1 to {len(lines)}")
        return "".join(lines[first_line - 1 : last_line]) or "(empty)"

    return [list_files, read_file]


class _Below(NamedTuple):
    """A place below one of the folders, as a way of names from it."""

    root: Path
    names: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The whole path."""
        return self.root.joinpath(*self.names)


def _inside(roots: Sequence[Path], name: str) -> _Below:
    """Gives the real place of a name. Raises ToolFailed if it is not below one of the folders."""
    if "\0" in name:
        raise ToolFailed("a path has no zero byte")
    for root in roots:
        try:
            # Links are resolved first; the real path must still be inside.
            path = (root / name).resolve()
            hidden = path.is_relative_to(root) and any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.is_relative_to(root) and not hidden and path.exists():
                return _Below(root, path.relative_to(root).parts)
        except (OSError, RuntimeError, ValueError):
            continue
    raise ToolFailed(f"there is no {name!r} below the folders that may be read: list_files shows what there is")


def _listed(roots: Sequence[Path], top: Path, pattern: str) -> list[str]:
    root = next(one for one in roots if top.is_relative_to(one))
    found: list[str] = []
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.match(pattern or "*") and not path.is_symlink() and path.is_file():
                found.append(f"{path.relative_to(root)} ({path.stat().st_size})")
        if len(found) > _MOST_FILES:
            break
    return found


def _open(place: _Below) -> int:
    """Opens a file step by step from its folder, so that no folder on the way can be swapped for a link. Raises OSError."""
    # A pipe or a device would block for ever.
    only_reads = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    if os.open not in os.supports_dir_fd:
        return os.open(place.path, only_reads)
    folder = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY)
    for name in place.names:
        try:
            below = os.open(name, only_reads, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def _read(place: _Below) -> str:
    try:
        descriptor = _open(place)
        # The open file is checked again, in case it was swapped.
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ToolFailed("it is not a file that can be read")
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ToolFailed(f"it cannot be read: {error.strerror or error}") from None
    if b"\0" in data:
        raise ToolFailed("it is not a text file")
    text = data[:_MOST_BYTES].decode("utf-8", "replace")
    return text if len(data) <= _MOST_BYTES else f"{text}\n(only the first {_MOST_BYTES} bytes)"
