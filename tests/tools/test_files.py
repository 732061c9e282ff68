"""The tools for the files of a folder read nothing that lies outside of it."""

import os
from pathlib import Path

import pytest

from anaphora.tools.base import ToolFailed
from anaphora.tools.files import _inside, _read


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "root"
    (folder / "d").mkdir(parents=True)
    (folder / "d" / "s.txt").write_text("inside")
    (folder.parent / "out").mkdir()
    (folder.parent / "out" / "s.txt").write_text("OUTSIDE")
    return folder


def test_a_folder_that_becomes_a_link_between_the_check_and_the_open_leads_nowhere(root: Path):
    place = _inside([root], "d/s.txt")
    assert _read(place) == "inside"
    (root / "d").rename(root / "d2")
    (root / "d").symlink_to(root.parent / "out")
    with pytest.raises(ToolFailed, match="cannot be read"):
        _read(place)


def test_a_file_that_becomes_a_link_or_a_pipe_is_not_read(root: Path):
    place = _inside([root], "d/s.txt")
    (root / "d" / "s.txt").unlink()
    (root / "d" / "s.txt").symlink_to(root.parent / "out" / "s.txt")
    with pytest.raises(ToolFailed):
        _read(place)
    (root / "d" / "s.txt").unlink()
    os.mkfifo(root / "d" / "s.txt")
    with pytest.raises(ToolFailed, match="not a file"):
        _read(place)


@pytest.mark.parametrize("name", ["../out/s.txt", "/etc/passwd", "d/../../out/s.txt", "a\0b", ".hidden", ""])
def test_other_ways_out_lead_nowhere(root: Path, name: str):
    (root / ".hidden").write_text("hidden")
    with pytest.raises(ToolFailed):
        _read(_inside([root], name))
