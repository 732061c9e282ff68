"""Runs the terminal program as a user does: as a process, with pipes, or in a terminal that is emulated."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from unittest import mock

import pexpect
import pyte

from anaphora.cli.main import main

PROGRAM = [sys.executable, "-m", "anaphora"]


def inherited() -> dict[str, str]:
    """Gives the environment for a process, which may write bytecode: compiling everything each time takes a while."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(
    *arguments: str | bytes, stdin: bytes | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the program in this process, with pipes for its streams. Without ``stdin`` there is none to read."""
    pipes = [io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", write_through=True) for data in (stdin or b"", b"", b"")]
    streams = mock.patch.multiple(sys, stdin=pipes[0], stdout=pipes[1], stderr=pipes[2])
    with streams, mock.patch.dict(os.environ, environment or {}):
        try:
            code = main([os.fsdecode(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    out, error = (pipe.buffer.getvalue().decode() for pipe in pipes[1:])
    return subprocess.CompletedProcess([], code, out, error)


def run_process(
    *arguments: str | bytes, stdin: bytes | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs the program as a process of its own. Without ``stdin`` there is none to read."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin if stdin is not None else b"",
        capture_output=True,
        timeout=60,
        check=False,
        env={**inherited(), **(environment or {})},
    )
    return subprocess.CompletedProcess([], done.returncode, done.stdout.decode(), done.stderr.decode())


class Terminal:
    """A terminal of 80 by 24 with the program in it. Waiting is for what stands on the screen, never for time alone."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None, seconds: float = 10) -> None:
        self._seconds = seconds
        self.screen = pyte.HistoryScreen(80, 24, history=1_000, ratio=1.0)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.child = pexpect.spawn(
            PROGRAM[0],
            [*PROGRAM[1:], *arguments],
            dimensions=(24, 80),
            env={**inherited(), "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1", **(environment or {})},
            timeout=seconds,
        )

    @property
    def text(self) -> str:
        """Everything on the screen and above it."""
        above = ["".join(line[column].data for column in range(80)) for line in self.screen.history.top]
        return "\n".join(line.rstrip() for line in [*above, *self.screen.display])

    def wait_for(self, words: str, *, times: int = 1) -> None:
        """Until the words stand there so often. Where a line is wrapped depends on paths, so words may go on in the next one."""
        end = time.monotonic() + self._seconds
        while max(self.text.count(words), " ".join(self.text.split()).count(words)) < times:
            assert time.monotonic() < end, f"{words!r} is not there:\n{self.text}"
            self._read()

    def type(self, text: str) -> None:
        """Press keys."""
        self.child.send(text)

    def enter(self, text: str) -> None:
        """A line and the enter key."""
        self.type(text + "\r")

    def exit_code(self) -> int:
        """Wait for the end."""
        end = time.monotonic() + self._seconds
        while self.child.isalive():
            assert time.monotonic() < end, f"still running:\n{self.text}"
            self._read()
        self._read()
        self.child.close()
        return int(self.child.exitstatus if self.child.exitstatus is not None else -(self.child.signalstatus or 0))

    def _read(self) -> None:
        try:
            data = self.child.read_nonblocking(65536, timeout=0.05)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.raw += data
        self._stream.feed(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.child.close(force=True)


def script(folder: Path, source: str) -> str:
    """A model that answers from a script."""
    path = folder / "script"
    path.write_text(source, encoding="utf-8")
    return f"scripted:{path}"


def scripted(folder: Path, *replies: Sequence[str]) -> str:
    """A model that answers from lines of steps."""
    return script(folder, "\n---\n".join("\n".join(reply) for reply in replies))
