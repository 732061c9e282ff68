"""The time of a first request in a fresh process: a plain question with anaphora, bare httpx2, and the openai client.

    python bench/first_byte.py [--rounds 9]

Each round starts a new Python for each of them, in turn, against a server on this machine. The median of the whole process is
compared. The last line is one JSON object; ``ratio`` is anaphora over bare httpx2.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from threading import Thread

ANSWER = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": {"content": "Paris."}, "finish_reason": "stop"}]}
STREAM = f"data: {json.dumps(ANSWER)}\n\ndata: [DONE]\n\n".encode()
BODY = '{"model": "m", "stream": true, "messages": [{"role": "user", "content": "Capital of France?"}]}'
PROGRAMS = {
    "anaphora": (
        'from anaphora import Chatbot; print(Chatbot("openai:m", base_url=URL, api_key="k", context_window=8000).say('
        '"Capital of France?"))'
    ),
    "httpx2": (
        "import asyncio, httpx2\n"
        "async def ask():\n"
        "    async with httpx2.AsyncClient() as client:\n"
        f"        async with client.stream('POST', URL + '/chat/completions', content={BODY!r}) as answer:\n"
        "            print(len(await answer.aread()))\n"
        "asyncio.run(ask())"
    ),
    "openai": (
        "import openai\n"
        "chunks = openai.OpenAI(base_url=URL, api_key='k').chat.completions.create(model='m', stream=True,"
        " messages=[{'role': 'user', 'content': 'Capital of France?'}])\n"
        "print(''.join(chunk.choices[0].delta.content or '' for chunk in chunks))"
    ),
}


class Answering(BaseHTTPRequestHandler):
    """Answers every request with the same stream."""

    def do_POST(self) -> None:
        """Answers."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(STREAM)))
        self.end_headers()
        self.wfile.write(STREAM)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def server() -> Iterator[str]:
    """Gives the base URL of a running server."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/v1"
    finally:
        running.shutdown()


def seconds(program: str, url: str) -> float:
    """Gives the time of one process, in seconds."""
    # Installed packages have bytecode, so ours may write its own.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"URL = {url!r}\n{program}"], check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - begun


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    known = {name: program for name, program in PROGRAMS.items() if find_spec(name)}
    taken: dict[str, list[float]] = {name: [] for name in known}
    with server() as url:
        for _ in range(rounds + 1):
            for name, program in known.items():
                taken[name].append(seconds(program, url))
    medians = {name: statistics.median(times[1:]) for name, times in taken.items()}
    for name, median in medians.items():
        print(f"{name:10} {median * 1000:6.0f} ms")
    result = {f"{name}_ms": round(median * 1000, 1) for name, median in medians.items()}
    print(json.dumps({**result, "ratio": round(medians["anaphora"] / medians["httpx2"], 2)}))


if __name__ == "__main__":
    main()
