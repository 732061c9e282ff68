"""The JSON files of an export: one file, a ZIP archive or a folder. Nothing is unpacked to disk, no name in it is a path."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from anaphora.errors import TranscriptFileError

# In unpacked bytes, more than any export has. The sizes that an archive claims are not trusted.
LARGEST_FILE = 1 << 33


@dataclass(frozen=True, slots=True)
class Source:
    """One JSON file: its name for people, its claimed size in bytes, and its place."""

    name: str
    size: int
    path: Path
    archive: zipfile.ZipFile | None = None
    member: str = ""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Opens the bytes of the file, at most LARGEST_FILE. Raises TranscriptFileError, also while it is read."""
        try:
            with ExitStack() as stack:
                if self.archive is None:
                    stream: BinaryIO = stack.enter_context(self.path.open("rb"))
                elif self.archive.getinfo(self.member).compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    raise NotImplementedError("it is compressed in an unusual way")
                else:
                    stream = cast("BinaryIO", stack.enter_context(self.archive.open(self.member)))
                yield cast("BinaryIO", _Bounded(stream))
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise TranscriptFileError(self.name, f"is damaged: {error}.") from error
        except (RuntimeError, NotImplementedError) as error:
            raise TranscriptFileError(self.name, f"cannot be unpacked: {error}.") from error
        except OSError as error:
            raise TranscriptFileError(self.name, f"cannot be read: {error.strerror or error}.") from error


class _Bounded(io.RawIOBase):
    """A stream that raises an error after LARGEST_FILE bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = LARGEST_FILE

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise zipfile.BadZipFile(f"it is longer than {LARGEST_FILE >> 30} GB once unpacked")
        return data


def sources(path: Path, stack: ExitStack) -> list[Source]:
    """Finds the JSON files at a place that can hold conversations, in the order of their names. ``stack`` closes the archive.

    Raises TranscriptFileError.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # A pipe can be read only once, so it is not inspected.
            return [Source(str(path), 0, path)]
        if path.is_dir():
            inside = {str(file.relative_to(path)): file for file in path.rglob("*.json") if file.is_file()}
            return [Source(name, inside[name].stat().st_size, inside[name]) for name in _with_conversations(sorted(inside))]
        if zipfile.is_zipfile(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            members = {member.filename: member for member in archive.infolist() if not member.is_dir()}
            names = _with_conversations(sorted(name for name in members if name.lower().endswith(".json")))
            return [Source(f"{path.name}: {name}", members[name].file_size, path, archive, name) for name in names]
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                raise zipfile.BadZipFile("its end is missing")
        return [Source(str(path), path.stat().st_size, path)]
    except zipfile.BadZipFile as error:
        raise TranscriptFileError(str(path), f"is a damaged ZIP archive: {error}. Download it again.") from error
    except OSError as error:
        raise TranscriptFileError(str(path), f"cannot be read: {error.strerror or error}.") from error


def _with_conversations(names: list[str]) -> list[str]:
    """Keeps the names that ChatGPT's and Claude's exports use for conversations; if there are none, all names."""
    called = [
        name
        for name in names
        if PurePosixPath(name).name.lower().startswith("conversation")
        or any(folder.lower() == "conversations" for folder in PurePosixPath(name).parts[:-1])
    ]
    return called or names
