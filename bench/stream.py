"""Processor time per streamed chunk: anaphora, the official openai client and bare httpx2, in one run.

usage: python bench/stream.py [--chunks 20000] [--rounds 3]        (needs the extra `bench`)

A process of its own answers every request with chunks as OpenAI writes them, either fifty per write or one per write
with a pause in between, so that the reader gets every one alone. Each reader takes the text of all chunks; what is
counted is the time its process spent on a processor, all threads together (the smallest of the rounds). The last line
is one JSON object: microseconds per chunk for each reader, and anaphora's ratio to the two others.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from anaphora import AsyncChatbot, Chatbot

WORD = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795259836,"model":"m","system_fingerprint":'
    b'"fp_1","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
END = b'data: {"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PER_WRITE = 50
PAUSE_SECONDS = 0.0006


def framed(data: bytes) -> bytes:
    """One chunk of HTTP's chunked encoding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def serve(ready: Connection, chunks: int) -> None:
    """Answer for ever; the path says how the chunks are written."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    ready.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, chunks), daemon=True).start()


def answer(connection: socket.socket, chunks: int) -> None:
    """All requests of one connection."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while head := read_request(connection):
        connection.sendall(HEAD)
        if b"/many/" in head:
            for _ in range(chunks // PER_WRITE):
                connection.sendall(framed(WORD) * PER_WRITE)
        else:
            for _ in range(chunks):
                connection.sendall(framed(WORD))
                time.sleep(PAUSE_SECONDS)
        connection.sendall(framed(END) + b"0\r\n\r\n")


def read_request(connection: socket.socket) -> bytes:
    """The head of the next request, whose body has been read; nothing at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head


def anaphora_sync(url: str) -> int:
    """Words read through Chatbot.stream."""
    with Chatbot("openai-compatible:m", base_url=url) as bot:
        return sum(text.count("word") for text in bot.stream("hi"))


async def anaphora_async(url: str) -> int:
    """Words read through AsyncChatbot.stream."""
    async with AsyncChatbot("openai-compatible:m", base_url=url) as bot:
        return sum([text.count("word") async for text in bot.stream("hi")])


def openai_sync(url: str) -> int:
    """Words read through the official client."""
    import openai

    with openai.OpenAI(base_url=url, api_key="k") as client:
        stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
        return sum((chunk.choices[0].delta.content or "").count("word") for chunk in stream)


async def openai_async(url: str) -> int:
    """Words read through the official asynchronous client."""
    import openai

    async with openai.AsyncOpenAI(base_url=url, api_key="k") as client:
        stream = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
        return sum([(chunk.choices[0].delta.content or "").count("word") async for chunk in stream])


def bare_sync(url: str) -> int:
    """Bytes read by httpx2 and not looked into."""
    import httpx2

    with httpx2.Client() as client, client.stream("POST", f"{url}/chat/completions", json={}) as response:
        return sum(len(piece) for piece in response.iter_bytes()) // len(WORD)


async def bare_async(url: str) -> int:
    """The same, asynchronously."""
    import httpx2

    async with httpx2.AsyncClient() as client, client.stream("POST", f"{url}/chat/completions", json={}) as response:
        return sum([len(piece) async for piece in response.aiter_bytes()]) // len(WORD)


READERS: dict[str, Callable[[str], int]] = {
    "anaphora": anaphora_sync,
    "openai": openai_sync,
    "bare": bare_sync,
    "anaphora_async": lambda url: asyncio.run(anaphora_async(url)),
    "openai_async": lambda url: asyncio.run(openai_async(url)),
    "bare_async": lambda url: asyncio.run(bare_async(url)),
}


def microseconds(reader: Callable[[str], int], url: str, chunks: int) -> float:
    """Processor time of this process for each chunk."""
    begun = time.process_time()
    words = reader(url)
    spent = time.process_time() - begun
    if words < chunks:
        raise SystemExit(f"only {words} of {chunks} words came")
    return spent / chunks * 1e6


def measured(server: str, mode: str, arguments: argparse.Namespace) -> dict[str, float]:
    """The smallest figure of each reader; they take turns, so that a busy moment of the machine hits all."""
    for reader in READERS.values():
        reader(f"{server}/many/v1")  # what is loaded once is not counted
    rounds = [
        {name: microseconds(reader, f"{server}/{mode}/v1", arguments.chunks) for name, reader in READERS.items()}
        for _ in range(arguments.rounds)
    ]
    return {name: min(spent[name] for spent in rounds) for name in READERS}


def main() -> None:
    """Measure all readers and print a table."""
    parser = argparse.ArgumentParser(description="processor time per streamed chunk")
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, arguments.chunks), daemon=True)
    process.start()
    port = ours.recv()
    figures: dict[str, float] = {}
    for mode in ("many", "one"):
        for name, spent in measured(f"http://127.0.0.1:{port}", mode, arguments).items():
            figures[f"{mode}_{name}"] = round(spent, 1)
            print(f"{mode:5} {name:15} {spent:7.1f} µs per chunk", flush=True)
    for mode in ("many", "one"):
        for door in ("", "_async"):
            ours_here = figures[f"{mode}_anaphora{door}"]
            for peer in ("openai", "bare"):
                figures[f"{mode}{door}_by_{peer}"] = round(ours_here / figures[f"{mode}_{peer}{door}"], 3)
        figures[f"{mode}_by_bare_async"] = round(figures[f"{mode}_anaphora"] / figures[f"{mode}_bare_async"], 3)
    process.kill()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
