"""A server in a thread of this process, on a real socket, with scripted models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import anyio
import httpx2
import openai
import uvicorn

from anaphora import AsyncChatbot, InMemoryStore, ScriptedProvider, Timing
from anaphora.providers.model import Model
from anaphora.server.app import make_app
from anaphora.server.auth import Auth
from anaphora.server.config import ServeConfig
from anaphora.server.models import ModelTable
from anaphora.server.protocol import limited
from anaphora.server.run_keeper import RunKeeper
from anaphora.server.serve import Listen, open_socket
from anaphora.server.services import RunEngine, Services
from anaphora.stores.base import ServerStore
from anaphora.stores.sqlite.store import SQLiteStore

NAMES = ("scripted:",)


@dataclass(frozen=True)
class Served:
    """A running server: its address, its parts, and a way to do something in its event loop."""

    url: str
    services: Services
    do: Callable[[Callable[[], Any]], Any]

    def client(self, key: str = "none", **options: Any) -> Any:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, **options)

    def http(self, key: str | None = None) -> httpx2.Client:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30)


def services_for(
    provider: Any,
    store: ServerStore,
    *,
    config: ServeConfig | None = None,
    is_open: bool = True,
    aliases: Mapping[str, str] | None = None,
    embed: Any = None,
    **options: Any,
) -> Services:
    """The parts of a server that asks one provider, whatever model is named."""
    memory = InMemoryStore()
    timing = Timing(flush=0.02, lease=15.0, quiet=0.0, title=0.0)
    bot = AsyncChatbot(provider, store=store, owner="me", resume=False, timing=timing, **options)
    passing = AsyncChatbot(provider, store=memory, owner="me", resume=False, timing=timing, **options)
    kept = RunKeeper(store)
    table = ModelTable(NAMES, dict(aliases or {}), lambda _: (Model(provider, ""),))
    auth = Auth(store, is_open=is_open, holder=kept.holder)
    parts = (config or ServeConfig(), table, auth, RunEngine(bot, kept), RunEngine(passing, RunKeeper(memory)))
    return Services(*parts, embedder="words" if embed else "", embed=embed)


@contextmanager
def serving(services: Services, *, hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost"})) -> Iterator[Served]:
    """Runs a server until the block ends."""
    sock = open_socket(Listen("127.0.0.1", 0))
    http: Any = limited(services.config.header_seconds)
    server = uvicorn.Server(
        uvicorn.Config(make_app(services, hosts=hosts), log_config=None, timeout_graceful_shutdown=1, http=http)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    started = Event()
    loops: list[Any] = []

    async def main() -> None:
        import asyncio

        loops.append(asyncio.get_running_loop())

        async def tell() -> None:
            while not server.started:
                await anyio.sleep(0.005)
            started.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tell)
            await server._serve([sock])
            tasks.cancel_scope.cancel()
        await services.kept.bot.aclose()
        await services.passing.bot.aclose()
        await services.store.aclose()

    def do(work: Callable[[], Any]) -> Any:
        import asyncio

        return asyncio.run_coroutine_threadsafe(work(), loops[0]).result(30)

    thread = Thread(target=lambda: anyio.run(main), daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield Served(f"http://127.0.0.1:{sock.getsockname()[1]}", services, do)
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def scripted_server(
    *replies: Any, store: ServerStore | None = None, path: Path | None = None, echo: bool = False, **options: Any
) -> Iterator[Served]:
    """A server whose model answers from a script, or repeats what is said."""
    provider = ScriptedProvider(*replies, echo=echo)
    kept = store or (SQLiteStore(path) if path else InMemoryStore())
    with serving(services_for(provider, kept, **options)) as served:
        yield served


def texts(events: Sequence[Any]) -> str:
    """The words in the events of a response."""
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")
