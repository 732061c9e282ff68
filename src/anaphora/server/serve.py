"""Runs the server: opens the socket, says where it listens, and ends it without losing a word."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import uvicorn

from anaphora.errors import ConfigError
from anaphora.server.app import make_app
from anaphora.server.http import allowed_hosts
from anaphora.server.protocol import limited
from anaphora.server.services import Services

# Of connections that wait to be accepted.
_BACKLOG = 2_048
# Last events get so long to be sent, in seconds.
_LAST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Listen:
    """The address of a server, and how long running answers may go on when it is stopped (``grace``, seconds)."""

    host: str
    port: int
    grace: float = 20.0


def open_socket(listen: Listen) -> socket.socket:
    """Opens the socket. Raises ConfigError if it cannot be."""
    try:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        sock = socket.create_server((listen.host, listen.port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        is_host = isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL
        advice = "Name an address of this machine with --host." if is_host else "Choose another with --port; 0 takes any."
        raise ConfigError(f"the server cannot listen on {listen.host} port {listen.port}: {reason}. {advice}") from error
    # The end of an answer is not to wait for the next packet. Connections inherit it.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def address_of(sock: socket.socket) -> str:
    """Gives the address of a server's socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Config(uvicorn.Config):
    """A configuration whose time for the end may change."""

    def shorten(self, seconds: float) -> None:
        """Sets the time that connections get at the end, in seconds."""
        self.timeout_graceful_shutdown = max(int(seconds), 1)


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    def __init__(self, config: _Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._config = config
        self._started = started

    def install_signal_handlers(self) -> None:
        """Does nothing."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells when it can answer."""
        await super().startup(sockets)
        if self.started:
            self._started()

    def end(self, seconds: float) -> None:
        """Ends the server; what is being sent may go on for so many seconds."""
        self._config.shorten(seconds)
        self.should_exit = True


def _config(app: Any, services: Services) -> _Config:
    proxies = services.config.proxies
    return _Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies) or None,
        timeout_keep_alive=75,
        http=limited(services.config.header_seconds),
        timeout_graceful_shutdown=2,
    )


async def serve(services: Services, listen: Listen, sock: socket.socket, *, tell: bool = True) -> None:
    """Serves until a signal comes: then no new answers are begun, and running ones get their time.

    Raises StoreError for a store that cannot be used.
    """
    try:
        await _serve(services, listen, sock, tell=tell)
    finally:
        await services.kept.bot.aclose()
        await services.passing.bot.aclose()
        await services.store.aclose()


async def _serve(services: Services, listen: Listen, sock: socket.socket, *, tell: bool) -> None:
    # A line that says it serves is not to be followed by errors alone.
    await services.store.token("")

    def started() -> None:
        if tell:
            print(f"anaphora serves {address_of(sock)}", flush=True)  # noqa: T201 -- programs wait for this line

    app = make_app(services, hosts=allowed_hosts(listen.host, services.config.hosts))
    server = _Server(_config(app, services), started)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_end_on_signal, services, listen, server)
        await server._serve([sock])  # noqa: SLF001 -- serve() would take the signals
        tasks.cancel_scope.cancel()


async def _end_on_signal(services: Services, listen: Listen, server: _Server) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        draining: anyio.CancelScope | None = None
        async with anyio.create_task_group() as tasks:
            async for _ in signals:
                if draining is not None:
                    # Somebody is in a hurry.
                    draining.cancel()
                    continue
                draining = anyio.CancelScope()
                tasks.start_soon(_drain, services, listen, server, draining)


async def _drain(services: Services, listen: Listen, server: _Server, hurry: anyio.CancelScope) -> None:
    begun = anyio.current_time()
    with hurry:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(services.kept.keeper.drain, listen.grace)
            tasks.start_soon(services.passing.keeper.drain, listen.grace)
        # Relays may go on for what is left of the time.
        left = max(listen.grace - (anyio.current_time() - begun), 0.0)
        server.end(left + _LAST_SECONDS)
        await anyio.sleep(left)
    if hurry.cancelled_caught:
        await services.kept.keeper.drain(0)
        await services.passing.keeper.drain(0)
        server.end(_LAST_SECONDS)
    services.stopping.set()


def run(services: Services, listen: Listen, sock: socket.socket, *, tell: bool = True) -> None:
    """Runs the server in an event loop of its own."""
    backend: dict[str, Any] = {} if sys.platform == "win32" else {"use_uvloop": True}
    anyio.run(lambda: serve(services, listen, sock, tell=tell), backend_options=backend)
