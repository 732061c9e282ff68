"""Extraction in a process of its own: limits of time and memory, and nothing that waits for ever."""

import os
from pathlib import Path

import pytest
from tests.doubles.documents import pdf

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.documents import apart
from anaphora.documents.apart import extracted_apart
from anaphora.documents.extract import Extracted
from anaphora.documents.pieces import Page
from anaphora.errors import DocumentError, MissingExtra
from anaphora.files import read_file

pytestmark = pytest.mark.anyio
QUADRATIC = b'<a href="' * 60_000


async def test_pages_and_errors_come_from_the_other_process():
    found = await extracted_apart("report.pdf", pdf("Peas are green."))
    assert found == Extracted([Page("Peas are green.", 1)], is_markdown=False)
    with pytest.raises(DocumentError, match=r"a.pdf cannot be read, it is damaged or protected"):
        await extracted_apart("a.pdf", b"%PDF-1.4 nonsense")


async def test_a_file_that_takes_too_long_is_an_error():
    with pytest.raises(DocumentError, match="takes longer than 1 seconds"):
        await extracted_apart("evil.html", QUADRATIC, seconds=1)


async def test_a_file_that_takes_too_much_memory_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apart, "_CHILD", "import os; os._exit(9)")
    with pytest.raises(DocumentError, match="takes too much memory or time"):
        await extracted_apart("evil.html", b"<p>x</p>")


async def test_a_missing_library_is_named_by_its_extra(monkeypatch: pytest.MonkeyPatch):
    block = "import sys; sys.modules['pypdf'] = None; "
    monkeypatch.setattr(apart, "_CHILD", block + apart._CHILD)
    with pytest.raises(MissingExtra, match="docs"):
        await extracted_apart("report.pdf", pdf("Peas."))


async def test_plain_text_needs_no_other_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(apart, "_CHILD", "raise SystemExit(1)")
    assert (await extracted_apart("a.md", b"# Peas")).is_markdown


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
async def test_pipes_and_devices_are_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.txt")
    async with AsyncChatbot(ScriptedProvider()) as bot:
        for path in (tmp_path / "pipe.txt", Path("/dev/zero")):
            with pytest.raises(DocumentError, match="no regular file"):
                await bot.read(path)
        with pytest.raises(DocumentError, match="cannot be read"):
            await bot.read(tmp_path)


def test_a_file_over_the_limit_is_read_no_further(tmp_path: Path):
    path = tmp_path / "large"
    path.write_bytes(b"x" * 11)
    assert read_file(path, most=11) == b"x" * 11
    with pytest.raises(OSError, match="more than 0 MB"):
        read_file(path, most=10)
