"""A real server on a real socket that answers byte by byte as a test says: slow, cut, reset, wrong, or right."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Self


@dataclass(frozen=True)
class Reset:
    """Break the connection with a RST instead of closing it."""


Step = bytes | float | Reset


@dataclass
class Seen:
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Loopback:
    """Each connection gets the next answer: bytes are sent, numbers are seconds to wait. After the last the connection closes.

    What is asked about a model before it answers, below one of the paths in ``about``, is answered by what stands there and not
    counted.
    """

    answers: deque[Sequence[Step]] = field(default_factory=deque)
    about: dict[str, bytes] = field(default_factory=lambda: {path: http(b"{}", status=404) for path in ("/models", "/props")})
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = False
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        with socket.create_connection(self._listener.getsockname()):
            pass
        self._thread.join(5)
        self._listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def answer(self, *steps: Step) -> None:
        """The next connection gets this."""
        self.answers.append(steps)

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing:
                connection.close()
                return
            Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = _read(connection)
            if request is None:
                return
            path = request.line.split(" ")[1].partition("?")[0]
            about = next((answer for part, answer in self.about.items() if _is_about(part, path)), None)
            if about is not None:
                connection.sendall(about)
                return
            self.seen.append(request)
            steps = self.answers.popleft() if self.answers else (http(b"nothing to say", status=500),)
            try:
                for step in steps:
                    if isinstance(step, bytes):
                        connection.sendall(step)
                    elif isinstance(step, Reset):
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    else:
                        time.sleep(step)
            except OSError:
                return


def _is_about(part: str, path: str) -> bool:
    """A model's own page begins like the address at which it streams."""
    return part in path and (":stream" in part) == (":stream" in path)


def http(body: bytes, *, status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    """A whole response."""
    return head(status=status, kind=kind, content_length=str(len(body)), **headers) + body


def head(*, status: int = 200, kind: str = "text/event-stream", **headers: str) -> bytes:
    """The head of a response whose body goes on until the connection closes."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunked(body: bytes) -> bytes:
    """One piece of a chunked body; an empty one ends it."""
    return b"%x\r\n%s\r\n" % (len(body), body)


def delta(text: str, finish: str | None = None, **more: Any) -> bytes:
    """One event of a streamed answer."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return f"data: {json.dumps({'id': 'c', 'model': 'm', 'choices': [choice], **more})}\n\n".encode()


def stream(*texts: str) -> bytes:
    """A whole, right, streamed answer."""
    usage = {"prompt_tokens": 10, "completion_tokens": len(texts)}
    return head() + b"".join(map(delta, texts)) + delta("", "stop", usage=usage) + b"data: [DONE]\n\n"


def _read(connection: socket.socket) -> Seen | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    top, _, body = data.partition(b"\r\n\r\n")
    line, *rest = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Seen(line, headers, body)
