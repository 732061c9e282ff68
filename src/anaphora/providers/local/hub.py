"""Fetches GGUF weights from the Hugging Face hub: ``hf.co/ORG/REPO[:QUANT]``, as llama.cpp and Ollama write it.

It makes two calls of huggingface_hub 1.x: the list of a repository's files with their hashes, and the bytes of one file.
``HF_ENDPOINT`` names another hub; ``HF_TOKEN`` (or the file that ``hf auth login`` writes) opens private repositories.
An interrupted download continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from anaphora.errors import LocalModelError
from anaphora.files import is_regular, make_private_folder
from anaphora.providers.local.one_fetch import one_fetch
from anaphora.providers.local.weights import Progress, weights_folder

if TYPE_CHECKING:
    import httpx2

_NAME = re.compile(
    r"(?:https://)?(?:hf\.co|huggingface\.co)/(?P<org>[\w.-]+)/(?P<repo>[\w.-]+?)(?::(?P<quant>[\w.-]+))?", re.ASCII
)
# The quantizations for most machines, best first.
_PREFERRED = ("Q4_K_M", "Q4_K_S", "Q4_0", "Q5_K_M", "Q6_K", "Q8_0", "F16", "BF16")
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_SECONDS = 60.0
_MOST_LIST_BYTES = 32 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HubModel:
    """A repository of weights and one of its quantizations; an empty ``quant`` is the best one for most machines."""

    org: str
    repo: str
    quant: str = ""

    def __str__(self) -> str:
        return f"hf.co/{self.org}/{self.repo}" + (f":{self.quant}" if self.quant else "")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository: its name, its size in bytes and its SHA-256 (empty if the hub does not say)."""

    name: str
    size: int
    hash: str


def hub_model(name: str) -> HubModel | None:
    """Parses the name of a model on the hub; None if it is no such name."""
    found = _NAME.fullmatch(name)
    return HubModel(found["org"], found["repo"], found["quant"] or "") if found else None


def hub_folder() -> Path:
    """Gives the folder of weights from the hub; it has a folder for each repository."""
    return weights_folder() / "hub"


def fetched_from_hub(model: HubModel) -> Path | None:
    """Finds the complete file of a model on this machine; None if it is not there."""
    there = sorted(path for path in _folder(model).glob("*.gguf") if is_regular(path))
    name = _chosen(model, [HubFile(path.name, 0, "") for path in there])
    return _folder(model) / name.name if name else None


def fetch_from_hub(model: HubModel, *, progress: Progress | None = None, cancelled: Event | None = None) -> Path:
    """Gives the file of a model, and downloads and checks it if it is missing. Blocks; ``progress`` gets bytes so far and in all.

    Raises LocalModelError with a remedy. Setting ``cancelled`` ends it with the same error; the bytes so far are kept.
    """
    found = fetched_from_hub(model)
    if found is not None:
        return found
    cancelled, folder = cancelled or Event(), _folder(model)
    with _errors(model):
        make_private_folder(folder)
        with one_fetch(folder, cancelled), _client() as client:
            # Another program may have fetched it meanwhile.
            return fetched_from_hub(model) or _fetched(model, folder, client, progress or _nobody, cancelled)


def _fetched(model: HubModel, folder: Path, client: httpx2.Client, progress: Progress, cancelled: Event) -> Path:
    file = _choose(model, _files(model, client))
    part = folder / f"{Path(file.name).name}.part"
    if os.path.lexists(part) and not is_regular(part):
        raise _failure(model, f"{part} is a link or a pipe, which is not written to: remove it")
    free, missing = shutil.disk_usage(folder).free, file.size - (part.stat().st_size if part.exists() else 0)
    if free < missing:
        raise _failure(model, f"{missing / 1e9:.1f} GB are to be fetched, and only {free / 1e9:.1f} GB of the disk are free")
    _download(model, file, part, client, progress, cancelled)
    if not file.hash:
        _log.warning("%s: the hub names no checksum for %s, so what came could not be checked.", model, file.name)
    elif _hash(part) != file.hash:
        part.unlink()
        raise _failure(model, "what came is not what the hub says it should be (its checksum differs), and was thrown away")
    return part.replace(part.with_suffix(""))


def _nobody(_done: int, _all: int) -> None:
    """Shows no progress."""


def _folder(model: HubModel) -> Path:
    return hub_folder() / f"{model.org}--{model.repo}"


def _files(model: HubModel, client: httpx2.Client) -> list[HubFile]:
    with client.stream("GET", f"/api/models/{model.org}/{model.repo}", params={"blobs": "true"}) as answer:
        _check(model, answer)
        content = bytearray()
        for block in answer.iter_bytes():
            content += block
            if len(content) > _MOST_LIST_BYTES:
                raise _failure(model, "the hub's list of its files has no end")
    try:
        return [_file(item) for item in json.loads(bytes(content))["siblings"]]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise _failure(model, "the hub's list of its files cannot be read") from None


def _file(item: Mapping[str, Any]) -> HubFile:
    stored = item.get("lfs") or {}
    return HubFile(str(item["rfilename"]), int(stored.get("size") or item.get("size") or 0), str(stored.get("sha256") or ""))


def _choose(model: HubModel, files: list[HubFile]) -> HubFile:
    chosen = _chosen(model, files)
    if chosen is not None:
        return chosen
    kinds = ", ".join(sorted(Path(file.name).stem for file in _whole(files)))
    raise _failure(model, f"it has no such weights. It has: {kinds}" if kinds else "it has no GGUF weights in one file")


def _chosen(model: HubModel, files: list[HubFile]) -> HubFile | None:
    """Gives the file of the wanted quantization; without one, that of the best."""
    for kind in (model.quant,) if model.quant else (*_PREFERRED, ""):
        pattern = re.compile(rf"(?:^|[-._/]){re.escape(kind)}(?:[-._/]|$)", re.IGNORECASE)
        fitting = [file for file in _whole(files) if not kind or pattern.search(file.name)]
        if fitting:
            return min(fitting, key=lambda file: (len(file.name), file.name))
    return None


def _whole(files: list[HubFile]) -> list[HubFile]:
    """Keeps the weights of chat models that are in one file."""
    return [file for file in files if file.name.endswith(".gguf") and "mmproj" not in file.name and not _SPLIT.search(file.name)]


def _download(model: HubModel, file: HubFile, part: Path, client: httpx2.Client, progress: Progress, cancelled: Event) -> None:
    done = part.stat().st_size if part.exists() else 0
    if file.size and done >= file.size:
        return
    headers = {"range": f"bytes={done}-"} if done else {}
    url = f"/{model.org}/{model.repo}/resolve/main/{file.name}"
    with client.stream("GET", url, headers=headers) as answer:
        _check(model, answer)
        if answer.status_code != 206:
            # The server ignores the range and sends the whole file.
            done = 0
        announced = answer.headers.get("content-length", "")
        most = file.size or (done + int(announced) if announced.isdecimal() else 0)
        if not most:
            raise _failure(model, f"neither the hub nor its answer says how large {file.name} is, so it is not fetched")
        with part.open("ab" if done else "wb") as out:
            for block in answer.iter_bytes():
                if done + len(block) > most:
                    part.unlink()
                    raise _failure(model, f"more came than the {most} bytes that were announced, and was thrown away")
                out.write(block)
                done += len(block)
                progress(done, max(file.size, done))
                if cancelled.is_set():
                    raise _failure(model, "fetching it was interrupted; it goes on next time")
    if file.size and done != file.size:
        raise _failure(model, f"only {done} of {file.size} bytes came; the next try goes on there")


def _check(model: HubModel, answer: httpx2.Response) -> None:
    match answer.status_code:
        case 200 | 206:
            return
        case 401 | 403:
            raise _failure(model, "there is no such model, or it wants a token: set HF_TOKEN, and accept its licence on its page")
        case 404:
            raise _failure(model, "there is no such model or file on the hub")
        case status:
            raise _failure(model, f"the hub answered with HTTP {status}; try again later")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _client() -> httpx2.Client:
    import httpx2

    token = _token()
    return httpx2.Client(
        base_url=os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co",
        headers={"authorization": f"Bearer {token}"} if token else {},
        # The library does not send the token to another host.
        follow_redirects=True,
        timeout=_SECONDS,
    )


def _token() -> str:
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
        with suppress(OSError, UnicodeDecodeError):
            token = (home / "token").read_text(encoding="utf-8").strip()
    if token and (not token.isascii() or not token.isprintable() or " " in token):
        raise ValueError("HF_TOKEN has characters that no token has")
    return token


@contextmanager
def _errors(model: HubModel) -> Iterator[None]:
    """Turns every failure of a download into LocalModelError."""
    import httpx2

    try:
        yield
    except InterruptedError:
        raise _failure(model, "fetching it was interrupted; it goes on next time") from None
    except OSError as error:
        raise _failure(model, f"it cannot be stored in {hub_folder()}: {error.strerror or error}") from error
    except (ImportError, ValueError) as error:
        token = os.environ.get("HF_TOKEN", "").strip() or "\0"
        told = str(error).replace(token, "***")
        raise _failure(model, f"HTTPS_PROXY, HF_ENDPOINT or HF_TOKEN cannot be used: {told}") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _failure(model, f"the connection failed ({error}); what came is kept, try again") from error


def _failure(model: HubModel, reason: str) -> LocalModelError:
    return LocalModelError(f"local: {model}: {reason}.", provider="local")
