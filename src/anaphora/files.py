"""Reads files of the user, but no device, no pipe and nothing without an end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_file(path: str | os.PathLike[str], *, most: int) -> bytes:
    """Gives the bytes of a regular file. Raises OSError, also for a file of another kind or of more than ``most`` bytes."""
    # A file that grows is read no further than one byte beyond the limit.
    data = read_start(path, most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most // 1_000_000} MB", str(path))
    return data


def is_regular(path: str | os.PathLike[str]) -> bool:
    """True for a regular file that is there; a link, a pipe or a device is none."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def make_private_folder(path: Path) -> None:
    """Makes a folder and those above it that are missing, for this user only, whatever the umask. Raises OSError."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def read_start(path: str | os.PathLike[str], size: int) -> bytes:
    """Gives the first bytes of a regular file. Raises OSError, also for another kind of file."""
    # Opening a pipe without a writer would wait for one.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no regular file, but a pipe or a device", str(path))
        return file.read(size)
