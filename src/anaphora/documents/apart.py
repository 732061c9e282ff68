"""Extracts the text of a file in a process of its own, with limits of time and memory.

A small file can keep a library busy for hours. The parent writes the bytes to the child's standard input and reads its pages,
or the reason why there are none, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import anyio

from anaphora.concurrency import HAS_THREADS, run_in_thread
from anaphora.documents.extract import KINDS_OF_LIBRARIES, Extracted, extracted
from anaphora.documents.pieces import Page
from anaphora.errors import DocumentError, MissingExtra

# Limits for one file, in seconds and bytes.
SECONDS = 60.0
MEMORY = 3 << 30
_CHILD = "from anaphora.documents.apart import main; main()"


async def extracted_apart(name: str, data: bytes, *, seconds: float = SECONDS) -> Extracted:
    """Gives the pages of a file. Raises DocumentError, also after ``seconds``, and MissingExtra. With the task the child ends."""
    if not HAS_THREADS or (not data.startswith((b"%PDF-", b"PK\x03\x04")) and not name.lower().endswith(KINDS_OF_LIBRARIES)):
        return await run_in_thread(extracted, name, data)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        with anyio.fail_after(seconds):
            done = await anyio.run_process(
                [sys.executable, "-P", "-c", _CHILD, name, str(int(seconds) + 1)],
                input=data,
                stderr=subprocess.DEVNULL,
                check=False,
                env=environment,
            )
    except TimeoutError:
        raise DocumentError(f"{name} cannot be read: that takes longer than {seconds:g} seconds.") from None
    try:
        told = json.loads(done.stdout)
    except ValueError:
        raise DocumentError(f"{name} cannot be read: that takes too much memory or time.") from None
    if "pages" in told:
        return Extracted([Page(text, number) for text, number in told["pages"]], told["markdown"], told["encoding"])
    raise (MissingExtra if told["extra"] else DocumentError)(told["reason"])


def main() -> None:
    """Extracts in the child: the file's name and its seconds are arguments, its bytes come from standard input."""
    _limit(int(sys.argv[2]))
    try:
        found = extracted(sys.argv[1], sys.stdin.buffer.read())
        pages = [(page.text, page.number) for page in found.pages]
        told = {"pages": pages, "markdown": found.is_markdown, "encoding": found.encoding}
    except (DocumentError, MissingExtra) as error:
        told = {"reason": str(error), "extra": isinstance(error, MissingExtra)}
    except MemoryError:
        told = {"reason": f"{sys.argv[1]} cannot be read: that takes too much memory.", "extra": False}
    sys.stdout.write(json.dumps(told))


def _limit(seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return
    for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, MEMORY)):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
