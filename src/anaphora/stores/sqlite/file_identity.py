"""Notices that the file of an open database was removed or replaced, and keeps its log away from the file that is there now."""

from __future__ import annotations

import ctypes
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_Place = tuple[int, int] | None
_LOGS = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """The device and inode of an open database's file and of its log."""

    file: _Place
    logs: tuple[_Place, ...]

    def is_same(self, path: Path) -> bool:
        """True if the same file is at the path."""
        return self.file == _place(path)

    def remove_log(self, path: Path) -> None:
        """Removes the log of the lost file: SQLite would apply it to whatever file is at the path."""
        for ending, place in zip(_LOGS, self.logs, strict=True):
            log = path.with_name(f"{path.name}{ending}")
            if place is not None and _place(log) == place:
                with suppress(OSError):
                    log.unlink()


def identity_of(path: Path) -> FileIdentity:
    """Gives the identity of the database that was opened at a path."""
    return FileIdentity(_place(path), tuple(_place(path.with_name(f"{path.name}{ending}")) for ending in _LOGS))


def leave_open(database: sqlite3.Connection) -> None:
    """Keeps a connection until the process ends: by closing it SQLite would remove the log of a new file at its path."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(database))


def _place(path: Path) -> _Place:
    try:
        about = os.stat(path)  # noqa: PTH116 -- for every write, and pathlib takes twice the time
    except OSError:
        return None
    return about.st_dev, about.st_ino
