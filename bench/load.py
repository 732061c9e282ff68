"""The parts of bench/server.py that run as processes of their own: a scripted provider, a bare relay, and the load.

    python bench/load.py provider --port 7001 --chunks 60
    python bench/load.py relay --port 7002 --upstream http://127.0.0.1:7001/v1
    python bench/load.py load --task '["http://127.0.0.1:7002", "/v1/chat/completions", {"messages": []}, 10, 1]'

The load's last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

WORD = "word "


async def provide(port: int, chunks: int, delay: float) -> None:
    """Serves chat completions of so many chunks, one every ``delay`` seconds."""

    def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        text = f"data: {json.dumps(body)}\n\n".encode()
        return b"%x\r\n%b\r\n" % (len(text), text)

    word, end = chunk({"content": WORD}), chunk({}, "stop")
    usage = {"prompt_tokens": 9, "completion_tokens": chunks, "total_tokens": 9 + chunks}
    told = {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage}
    last = f"data: {json.dumps(told)}\n\ndata: [DONE]\n\n"
    tail = end + b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last.encode())
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                if raw.startswith(b"GET"):
                    writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}")
                    continue
                lines = [line.lower().partition(b":") for line in raw.split(b"\r\n")]
                await reader.readexactly(next(int(value) for name, _, value in lines if name == b"content-length"))
                writer.write(head + word)
                for _ in range(chunks - 1):
                    if delay:
                        await asyncio.sleep(delay)
                    writer.write(word)
                    await writer.drain()
                writer.write(tail)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=4_096)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


def relay(port: int, upstream: str) -> None:
    """Starlette and httpx2 and nothing else."""
    import httpx2
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    client = httpx2.AsyncClient(timeout=60, limits=httpx2.Limits(max_connections=2_000, max_keepalive_connections=2_000))

    async def chat(request: Request) -> StreamingResponse:
        body = await request.body()
        sent = client.build_request("POST", f"{upstream}/chat/completions", content=body)
        sent.headers["content-type"] = "application/json"
        answer = await client.send(sent, stream=True)

        async def pieces() -> Any:
            try:
                async for piece in answer.aiter_bytes():
                    yield piece
            finally:
                await answer.aclose()

        return StreamingResponse(pieces(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", loop="uvloop", http="httptools", backlog=4_096)


async def load(url: str, path: str, body: dict[str, Any], streams: int, rounds: int) -> dict[str, float]:
    """Reads so many streams at once; gives the chunks that came, the seconds, and the times to the first word."""
    host, port = url.removeprefix("http://").split(":")
    raw = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nauthorization: Bearer sk-1234\r\n"
    more = f"x-portkey-provider: openai\r\nx-portkey-custom-host: {body.pop('upstream', '')}\r\n"
    request = f"{head}{more}content-length: {len(raw)}\r\n\r\n".encode() + raw
    first: list[float] = []
    words = 0

    async def one() -> None:
        nonlocal words
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 22)
        try:
            for _ in range(rounds):
                begun, seen, rest = time.perf_counter(), False, b""
                writer.write(request)
                while True:
                    data = await reader.read(1 << 16)
                    if not data:
                        raise RuntimeError(f"the stream was cut: {rest[-300:]!r}")
                    rest += data
                    found = rest.count(WORD.encode())
                    if found and not seen:
                        seen = True
                        first.append(time.perf_counter() - begun)
                    if b"0\r\n\r\n" in rest[-16:]:
                        break
                words += rest.count(WORD.encode())
        finally:
            writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(streams)))
    seconds = time.perf_counter() - begun
    ordered = sorted(first)
    return {
        "words": words,
        "seconds": seconds,
        "p50": ordered[len(ordered) // 2] * 1_000,
        "p95": ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)] * 1_000,
    }


def main() -> None:
    """Plays one of the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=("provider", "relay", "load"))
    parser.add_argument("--port", type=int)
    parser.add_argument("--upstream", default="")
    parser.add_argument("--task", default="")
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--chunks", type=int, default=60)
    arguments = parser.parse_args()
    if arguments.role == "provider":
        asyncio.run(provide(arguments.port, arguments.chunks, arguments.delay))
    elif arguments.role == "relay":
        relay(arguments.port, arguments.upstream)
    else:
        print(json.dumps(asyncio.run(load(*json.loads(arguments.task)))))


if __name__ == "__main__":
    main()
