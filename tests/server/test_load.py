"""Many clients, slow ones and rude ones: memory, tasks and sockets stay bounded and go back to where they were."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.doubles.server import Served, scripted_server, services_for, serving

from anaphora import InMemoryStore, ScriptedProvider
from anaphora.providers.scripted import Delay
from anaphora.values.events import TextDelta

pytestmark = pytest.mark.slow
IS_WHOLE = bool(os.environ.get("ANAPHORA_PROOFS"))
REQUESTS = 20_000 if IS_WHOLE else 1_500
IDLE = 5_000 if IS_WHOLE else 1_000
BODY = {"messages": [{"role": "user", "content": "hi"}]}


def sockets() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def memory() -> int:
    """The resident memory of this process, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def tasks(served: Served) -> int:
    async def count() -> int:
        return len(asyncio.all_tasks())

    return int(served.do(count))


def settles(look: Callable[[], int], most: int) -> bool:
    """True once a number is not above a limit any more."""
    for _ in range(100):
        gc.collect()
        if look() <= most:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def echo() -> Iterator[Served]:
    with scripted_server(echo=True) as served:
        yield served


def test_a_soak_leaves_nothing_behind(echo: Served):
    async def soak(count: int) -> None:
        limits = httpx2.Limits(max_connections=20)
        async with httpx2.AsyncClient(base_url=echo.url, limits=limits, timeout=60) as client:
            queue = iter(range(count))

            async def work() -> None:
                for number in queue:
                    kind = number % 5
                    if kind == 0:
                        await client.post("/v1/chat/completions", json=BODY)
                    elif kind == 1:
                        await client.post("/v1/responses", json={"input": "x", "store": False})
                    elif kind == 2:
                        await client.post("/v1/responses", json={"input": 5})
                    elif kind == 3:
                        async with client.stream("POST", "/v1/chat/completions", json={**BODY, "stream": True}) as answer:
                            async for _ in answer.aiter_bytes():
                                break
                    else:
                        await client.post("/v1/chat/completions", json={**BODY, "conversation": f"c{number % 40}"})

            await asyncio.gather(*(work() for _ in range(20)))

    asyncio.run(soak(300))
    gc.collect()
    before = tasks(echo), sockets(), memory()
    asyncio.run(soak(REQUESTS))
    assert settles(lambda: tasks(echo), before[0] + 5)
    assert settles(sockets, before[1] + 5)
    assert memory() - before[2] < 40 + REQUESTS // 400
    assert echo.services.kept.keeper.live == echo.services.passing.keeper.live == 0


def test_idle_connections_cost_little_and_hold_nobody_up(echo: Served):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * IDLE + 500
    if hard < wanted:
        pytest.fail(f"this system allows only {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    host, port = echo.url.removeprefix("http://").split(":")
    before = memory()
    idle = [socket.create_connection((host, int(port))) for _ in range(IDLE)]
    try:
        assert echo.http().post("/v1/chat/completions", json=BODY).status_code == 200
        assert memory() - before < 10 + IDLE // 20
    finally:
        for connection in idle:
            connection.close()
    assert settles(sockets, 200)


def test_headers_that_never_end_are_given_up(echo: Served):
    host, port = echo.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n")
        connection.settimeout(30)
        sent = 0
        try:
            while sent < 5 << 20:
                sent += connection.send(b"x-filler: " + b"y" * 8_000 + b"\r\n")
        except OSError:
            pass
        assert sent < 5 << 20
    assert echo.http().get("/healthz").status_code == 200


def test_a_slow_reader_holds_up_nobody_and_its_answer_does_not_pile_up():
    words = [TextDelta("word " * 200) for _ in range(4_000)]
    provider = ScriptedProvider(words, words, "quick")
    with serving(services_for(provider, InMemoryStore())) as served:
        host, port = served.url.removeprefix("http://").split(":")
        before = memory()
        body = json.dumps({**BODY, "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}"
        readers: list[socket.socket] = []
        for _ in range(2):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            reader.connect((host, int(port)))
            reader.sendall(head.encode() + b"\r\ncontent-type: application/json\r\n\r\n" + body)
            readers.append(reader)
            assert reader.recv(10)
        assert served.http().post("/v1/chat/completions", json=BODY).json()["choices"][0]["message"]["content"] == "quick"
        assert memory() - before < 30
        for reader in readers:
            reader.close()
        assert settles(lambda: tasks(served), 20)


@pytest.mark.parametrize("read", [0, 1, 3])
@pytest.mark.parametrize("stream", [False, True])
def test_a_stateless_answer_ends_with_its_connection_in_every_state(read: int, stream: bool):
    reply: Any = [TextDelta("one "), Delay(0.2), TextDelta("two "), Delay(60.0), TextDelta("three")]
    with scripted_server(reply, reply) as served:
        before = tasks(served)
        with httpx2.Client(base_url=served.url, timeout=0.5 if not stream else 20) as client:
            for path, body in (("/v1/chat/completions", BODY), ("/v1/responses", {"input": "x", "store": False})):
                try:
                    with client.stream("POST", path, json={**body, "stream": stream}) as answer:
                        lines = answer.iter_lines()
                        for _ in range(read):
                            next(lines, None)
                except httpx2.TimeoutException:
                    pass
        assert settles(lambda: tasks(served), before + 2)
        assert served.services.passing.keeper.live == 0
