"""Weights from the hub, whose two calls are answered by a stand-in on this machine."""

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from tests.doubles.loopback import Loopback, head, http
from tests.doubles.program import run

from anaphora import AsyncChatbot
from anaphora.cli.verbs.local_models import SUGGESTIONS, memory_bytes, suggested
from anaphora.errors import LocalModelError
from anaphora.providers.local.hub import HubModel, fetch_from_hub, fetched_from_hub, hub_folder, hub_model
from anaphora.providers.local.one_fetch import one_fetch
from anaphora.providers.local.weights import weights_path

CONTENT = b"GGUF" + bytes(range(256)) * 400
NAMES = (
    "README.md",
    "tiny-Q8_0.gguf",
    "tiny-Q4_K_M.gguf",
    "tiny-mmproj-Q4_K_M.gguf",
    "big-Q4_K_M-00001-of-00002.gguf",
    "tiny-IQ2_XS.gguf",
)
TINY = HubModel("acme", "tiny-GGUF")


def listing(size: int = len(CONTENT), digest: str = hashlib.sha256(CONTENT).hexdigest()) -> bytes:
    files = [{"rfilename": name, "size": size, "lfs": {"sha256": digest, "size": size}} for name in NAMES]
    return http(json.dumps({"siblings": files}).encode())


@pytest.fixture(autouse=True)
def own_hub(loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", loopback.url.removesuffix("/v1"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    loopback.about.clear()


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("hf.co/acme/tiny-GGUF", TINY),
        ("hf.co/acme/tiny-GGUF:Q8_0", HubModel("acme", "tiny-GGUF", "Q8_0")),
        ("https://huggingface.co/acme/tiny-GGUF", TINY),
        ("/path/hf.co/acme/tiny.gguf", None),
        ("hf.co/acme", None),
        ("hf.co/acme/../x", None),
    ],
)
def test_a_name_on_the_hub_is_known(name: str, model: HubModel | None):
    assert hub_model(name) == model


@pytest.mark.usefixtures("empty_cache")
def test_the_best_kind_is_fetched_checked_and_kept(loopback: Loopback):
    loopback.answer(listing())
    loopback.answer(http(CONTENT))
    seen: list[tuple[int, int]] = []
    path = fetch_from_hub(TINY, progress=lambda done, whole: seen.append((done, whole)))
    assert path.name == "tiny-Q4_K_M.gguf"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [request.line.split()[1] for request in loopback.seen] == [
        "/api/models/acme/tiny-GGUF?blobs=true",
        "/acme/tiny-GGUF/resolve/main/tiny-Q4_K_M.gguf",
    ]
    assert fetch_from_hub(TINY) == path == fetched_from_hub(TINY)
    assert fetched_from_hub(HubModel("acme", "tiny-GGUF", "Q8_0")) is None


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    ("quant", "name"), [("Q8_0", "tiny-Q8_0.gguf"), ("q8_0", "tiny-Q8_0.gguf"), ("IQ2_XS", "tiny-IQ2_XS.gguf")]
)
def test_the_kind_that_is_asked_for_is_fetched(loopback: Loopback, quant: str, name: str):
    loopback.answer(listing())
    loopback.answer(http(CONTENT))
    assert fetch_from_hub(HubModel("acme", "tiny-GGUF", quant)).name == name


@pytest.mark.usefixtures("empty_cache")
def test_a_kind_that_is_not_there_is_told_with_those_that_are(loopback: Loopback):
    loopback.answer(listing())
    with pytest.raises(LocalModelError, match=r"tiny-IQ2_XS, tiny-Q4_K_M, tiny-Q8_0"):
        fetch_from_hub(HubModel("acme", "tiny-GGUF", "Q2_K"))


@pytest.mark.usefixtures("empty_cache")
def test_a_download_that_broke_goes_on_where_it_stopped(loopback: Loopback):
    loopback.answer(listing())
    loopback.answer(head(kind="application/octet-stream", content_length=str(len(CONTENT))) + CONTENT[:70_000])
    with pytest.raises(LocalModelError, match="what came is kept"):
        fetch_from_hub(TINY)
    (part,) = hub_folder().glob("*/*.part")
    came = part.stat().st_size
    assert 0 < came <= 70_000
    loopback.answer(listing())
    loopback.answer(http(CONTENT[came:], status=206))
    assert fetch_from_hub(TINY).read_bytes() == CONTENT
    assert loopback.seen[-1].headers["range"] == f"bytes={came}-"


@pytest.mark.usefixtures("empty_cache")
def test_a_server_that_cannot_go_on_begins_anew(loopback: Loopback):
    loopback.answer(listing())
    loopback.answer(http(CONTENT[:1_000]))
    with pytest.raises(LocalModelError, match="only 1000 of"):
        fetch_from_hub(TINY)
    loopback.answer(listing())
    loopback.answer(http(CONTENT))
    assert fetch_from_hub(TINY).read_bytes() == CONTENT


@pytest.mark.usefixtures("empty_cache")
def test_wrong_bytes_are_thrown_away(loopback: Loopback):
    loopback.answer(listing(digest="0" * 64))
    loopback.answer(http(CONTENT))
    with pytest.raises(LocalModelError, match="checksum"):
        fetch_from_hub(TINY)
    assert not [path for path in hub_folder().rglob("*") if path.is_file()]


@pytest.mark.usefixtures("empty_cache")
def test_what_is_interrupted_is_kept(loopback: Loopback):
    loopback.answer(listing())
    loopback.answer(http(CONTENT))
    cancelled = Event()
    cancelled.set()
    with pytest.raises(LocalModelError, match="goes on next time"):
        fetch_from_hub(TINY, cancelled=cancelled)
    assert list(hub_folder().glob("*/*.part"))


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    ("status", "body", "words"),
    [(404, b"{}", "no such model"), (401, b"{}", "HF_TOKEN"), (500, b"{}", "HTTP 500"), (200, b"<html>", "cannot be read")],
)
def test_what_the_hub_refuses_is_told(loopback: Loopback, status: int, body: bytes, words: str):
    loopback.answer(http(body, status=status))
    with pytest.raises(LocalModelError, match=words) as caught:
        fetch_from_hub(TINY)
    assert "hf.co/acme/tiny-GGUF" in str(caught.value)


@pytest.mark.usefixtures("empty_cache")
def test_the_token_is_shown_to_the_hub_and_to_no_other_host(loopback: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    with Loopback() as elsewhere:
        elsewhere.answer(http(CONTENT))
        loopback.answer(listing())
        place = elsewhere.url.replace("127.0.0.1", "localhost").removesuffix("/v1") + "/blob"
        loopback.answer(http(b"", status=302, location=place))
        assert fetch_from_hub(TINY).read_bytes() == CONTENT
        assert all(request.headers["authorization"] == "Bearer hf_canary" for request in loopback.seen)
        assert "authorization" not in elsewhere.seen[0].headers
    monkeypatch.delenv("HF_TOKEN")
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_written\n", encoding="utf-8")
    loopback.answer(http(b"{}", status=404))
    with pytest.raises(LocalModelError):
        fetch_from_hub(HubModel("acme", "other"))
    assert loopback.seen[-1].headers["authorization"] == "Bearer hf_written"


@pytest.mark.usefixtures("empty_cache")
def test_no_model_is_fetched_that_the_disk_has_no_room_for(loopback: Loopback):
    loopback.answer(listing(size=10**18))
    with pytest.raises(LocalModelError, match="of the disk are free"):
        fetch_from_hub(TINY)


@pytest.mark.usefixtures("empty_cache")
def test_what_is_there_already_needs_no_room(loopback: Loopback, monkeypatch: pytest.MonkeyPatch):
    loopback.answer(listing())
    loopback.answer(http(CONTENT[:-10]))
    with pytest.raises(LocalModelError, match="the next try goes on there"):
        fetch_from_hub(TINY)
    free = shutil.disk_usage(hub_folder())._replace(free=20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    loopback.answer(listing())
    loopback.answer(http(CONTENT[-10:], status=206))
    assert fetch_from_hub(TINY).read_bytes() == CONTENT


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize(
    ("name", "value"), [("HF_TOKEN", "hf_gr\u00fcn"), ("HTTPS_PROXY", "foo://x"), ("HF_ENDPOINT", "foo://x")]
)
def test_a_setting_that_cannot_be_is_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(name, value)
    with pytest.raises(LocalModelError, match=r"hf\.co/acme/tiny-GGUF"):
        fetch_from_hub(TINY)


@pytest.mark.usefixtures("empty_cache")
def test_the_program_fetches_lists_and_removes(loopback: Loopback):
    loopback.answer(listing())
    loopback.answer(http(CONTENT))
    result = run("-m", "local:hf.co/acme/tiny-GGUF", "Hi")
    # It is no model that could be loaded.
    assert (result.returncode, "could not be loaded" in result.stderr) == (1, True)
    assert "Fetching hf.co/acme/tiny-GGUF, once" in result.stderr
    result = run("models", "local")
    assert "hf.co/acme/tiny-GGUF:tiny-Q4_K_M  0.00 GB" in result.stdout
    assert "anaphora -m local:hf.co/" in result.stderr
    assert run("models", "rm", "hf.co/acme/other").returncode == 1
    assert run("models", "rm").returncode == 2
    result = run("models", "rm", "hf.co/acme/tiny-GGUF:tiny-Q4_K_M")
    assert (result.returncode, "is gone" in result.stderr) == (0, True)
    assert run("models", "local").stdout == ""
    assert not list(hub_folder().iterdir())


def test_the_largest_model_that_runs_well_is_suggested():
    assert suggested(0, 8) == SUGGESTIONS[0]
    assert suggested(8 * 10**9, 8).name.endswith("Qwen3-4B-GGUF:Q4_K_M")
    assert suggested(10**12, 8) == SUGGESTIONS[-1]
    assert suggested(10**12, 2).name.endswith("Qwen3-4B-GGUF:Q4_K_M")
    assert memory_bytes() > 10**8


@pytest.mark.slow
@pytest.mark.local
@pytest.mark.anyio
async def test_a_model_from_the_hub_answers(loopback: Loopback):
    weights = weights_path()
    assert weights is not None
    content = weights.read_bytes()
    loopback.answer(listing(len(content), hashlib.sha256(content).hexdigest()))
    loopback.answer(http(content))
    try:
        async with AsyncChatbot("local:hf.co/acme/tiny-GGUF:Q8_0", max_tokens=8, temperature=0) as bot:
            assert (await bot.say("What is the capital of France?")).text
    finally:
        for path in hub_folder().glob("acme--tiny-GGUF/*"):
            path.unlink()


@pytest.mark.usefixtures("empty_cache")
def test_four_fetches_at_once_share_one(loopback: Loopback):
    loopback.answer(listing())
    loopback.answer(http(CONTENT))
    with ThreadPoolExecutor(4) as pool:
        paths = {future.result() for future in [pool.submit(fetch_from_hub, TINY) for _ in range(4)]}
    assert [path.read_bytes() for path in paths] == [CONTENT]
    assert len(loopback.seen) == 2


@pytest.mark.usefixtures("empty_cache")
def test_a_fetch_that_waits_for_another_can_be_interrupted(tmp_path: Path):
    cancelled = Event()
    with one_fetch(tmp_path, Event()), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_wait_for, tmp_path, cancelled)
        cancelled.set()
        with pytest.raises(InterruptedError):
            waiting.result(10)


def _wait_for(folder: Path, cancelled: Event) -> None:
    with one_fetch(folder, cancelled):
        """Never reached."""


@pytest.mark.usefixtures("empty_cache")
def test_more_than_was_announced_is_thrown_away(loopback: Loopback):
    loopback.answer(listing(size=1_000))
    loopback.answer(http(CONTENT))
    with pytest.raises(LocalModelError, match="more came than the 1000 bytes that were announced"):
        fetch_from_hub(TINY)
    assert not list(hub_folder().rglob("*.gguf*"))


@pytest.mark.usefixtures("empty_cache")
def test_a_missing_checksum_is_said(loopback: Loopback, caplog: pytest.LogCaptureFixture):
    loopback.answer(listing(digest=""))
    loopback.answer(http(CONTENT))
    assert fetch_from_hub(TINY).read_bytes() == CONTENT
    assert "names no checksum" in caplog.text


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_in_the_cache_are_not_followed(loopback: Loopback, tmp_path: Path, kind: str):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    folder = hub_folder() / "acme--tiny-GGUF"
    folder.mkdir(parents=True)
    for name in ("tiny-Q4_K_M.gguf", "tiny-Q4_K_M.gguf.part"):
        if kind == "link":
            (folder / name).symlink_to(victim)
        else:
            os.mkfifo(folder / name)
    assert fetched_from_hub(TINY) is None
    loopback.answer(listing())
    with pytest.raises(LocalModelError, match="is a link or a pipe"):
        fetch_from_hub(TINY)
    assert victim.read_text() == "mine"


@pytest.mark.usefixtures("empty_cache")
def test_the_cache_is_for_its_user_only_whatever_the_umask(loopback: Loopback):
    loopback.answer(listing())
    loopback.answer(http(CONTENT))
    before = os.umask(0)
    try:
        path = fetch_from_hub(TINY)
    finally:
        os.umask(before)
    for folder in (path.parent, hub_folder(), hub_folder().parent):
        assert folder.stat().st_mode & 0o777 == 0o700
