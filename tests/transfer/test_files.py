import os
import stat
from pathlib import Path
from threading import Thread

import pytest

from anaphora.errors import TranscriptFileError
from anaphora.transfer.files import replacing


def write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text)


def test_a_file_is_replaced_whole_and_keeps_its_permissions(tmp_path: Path):
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(0o644)
    write(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_in_the_middle_changes_nothing(tmp_path: Path):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.write(3)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_through_a_link_the_file_it_names_is_written(tmp_path: Path):
    (tmp_path / "x").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "x").read_text() == "new"


def test_a_pipe_is_written_to(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    reader = Thread(target=lambda: read.append(path.read_text()))
    reader.start()
    write(path, "new")
    reader.join(10)
    assert read == ["new"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_what_cannot_be_written_is_said_so(tmp_path: Path):
    with pytest.raises(TranscriptFileError, match="cannot be written"):
        write(tmp_path / "no" / "x", "new")
