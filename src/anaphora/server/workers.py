"""Several processes that serve on one socket. Those that die are begun anew; a signal ends all."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from anaphora.errors import ConfigError
from anaphora.server.serve import address_of

_LOOK_SECONDS = 0.2


class Workers:
    """The processes, each the same program with the same arguments on the same socket."""

    def __init__(self, argv: Sequence[str], sock: socket.socket, count: int) -> None:
        if sys.platform == "win32":
            raise ConfigError("several workers do not work on Windows: use --workers 1.")
        sock.set_inheritable(True)
        self._socket = sock
        self._command = [sys.executable, "-m", "anaphora", *argv, "--workers", "1", "--fd", str(sock.fileno())]
        self._count = count
        self._workers: list[subprocess.Popen[bytes]] = []
        self._is_ending = False

    def run(self) -> int:
        """Runs them until a signal comes; gives the exit code. Raises ConfigError if one does not begin."""
        self._workers = [self._begin() for _ in range(self._count)]
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        for worker in self._workers:
            if worker.stdout is not None and not worker.stdout.readline():
                self._end(signal.SIGTERM, None)
                raise ConfigError("a worker did not begin; its reason stands above.")
        print(f"anaphora serves {address_of(self._socket)}", flush=True)  # noqa: T201 -- programs wait for this line
        while any(worker.poll() is None for worker in self._workers) or not self._is_ending:
            self._revive()
            signal.sigtimedwait([], _LOOK_SECONDS)
        return 0

    def _begin(self) -> subprocess.Popen[bytes]:
        # A Ctrl-C goes to the parent alone, which passes it on once.
        own: dict[str, Any] = {"pass_fds": [self._socket.fileno()], "start_new_session": True}
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, **own)  # noqa: S603 -- our own program

    def _revive(self) -> None:
        for place, worker in enumerate(self._workers):
            if worker.poll() is not None and not self._is_ending:
                logging.getLogger("anaphora.server").warning("a worker ended", extra={"code": worker.returncode})
                self._workers[place] = self._begin()

    def _end(self, number: int, _frame: object) -> None:
        self._is_ending = True
        for worker in self._workers:
            worker.send_signal(number)
