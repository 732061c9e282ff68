"""Processor time per streamed chunk: anaphora, the vendors' own clients and bare httpx2, in one run.

usage: python bench/stream.py [--chunks 20000] [--rounds 3]        (needs the extra `bench`)

A process of its own answers every request with chunks as OpenAI, Anthropic or Google write them, either fifty per write or one
per write with a pause in between, so that the reader gets every one alone. Each reader takes the text of all chunks; what is
counted is the time its process spent on a processor, all threads together (the smallest of the rounds). The last line is one
JSON object: microseconds per chunk for each reader, and the ratios.
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

OPENAI = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795259836,"model":"m","system_fingerprint":'
    b'"fp_1","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
OPENAI_END = (
    b'data: {"id":"chatcmpl-1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)
ANTHROPIC_START = b"""event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],\
"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

"""
ANTHROPIC = b"""event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}

"""
ANTHROPIC_END = b"""event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}

event: message_stop
data: {"type":"message_stop"}

"""
GEMINI = (
    b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":" word"}]},"index":0}],"usageMetadata":'
    b'{"promptTokenCount":9,"candidatesTokenCount":1,"totalTokenCount":10},"modelVersion":"m","responseId":"r1"}\r\n\r\n'
)
GEMINI_END = (
    b'data: {"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP","index":0}],"modelVersion":"m"}\r\n\r\n'
)
# What begins, fills and ends an answer, by what is in the path.
SHAPES = {
    b"/messages": (ANTHROPIC_START, ANTHROPIC, ANTHROPIC_END),
    b":streamGenerateContent": (b"", GEMINI, GEMINI_END),
    b"": (b"", OPENAI, OPENAI_END),
}
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
        start, word, end = next(shape for part, shape in SHAPES.items() if part in head)
        connection.sendall(HEAD + (framed(start) if start else b""))
        if b"/many/" in head:
            for _ in range(chunks // PER_WRITE):
                connection.sendall(framed(word) * PER_WRITE)
        else:
            for _ in range(chunks):
                connection.sendall(framed(word))
                time.sleep(PAUSE_SECONDS)
        connection.sendall(framed(end) + b"0\r\n\r\n")


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


def ours(provider: str) -> Callable[[str], int]:
    """Words read through Chatbot.stream."""

    def read(url: str) -> int:
        with Chatbot(f"{provider}:m", base_url=url, api_key="k", context_window=8_192) as bot:
            return sum(text.count("word") for text in bot.stream("hi"))

    return read


async def ours_async(url: str) -> int:
    """Words read through AsyncChatbot.stream."""
    async with AsyncChatbot("openai-compatible:m", base_url=url, context_window=8_192) as bot:
        return sum([text.count("word") async for text in bot.stream("hi")])


def anthropic_client(url: str) -> int:
    """Words read through Anthropic's client."""
    import anthropic

    with anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="k") as client:
        stream = client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}], stream=True)
        return sum(getattr(event.delta, "text", "").count("word") for event in stream if event.type == "content_block_delta")


def gemini_client(url: str) -> int:
    """Words read through Google's client."""
    from google import genai

    client = genai.Client(api_key="k", http_options=genai.types.HttpOptions(base_url=url.removesuffix("/v1")))
    return sum((chunk.text or "").count("word") for chunk in client.models.generate_content_stream(model="m", contents="hi"))


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
        return sum(len(piece) for piece in response.iter_bytes()) // len(OPENAI)


async def bare_async(url: str) -> int:
    """The same, asynchronously."""
    import httpx2

    async with httpx2.AsyncClient() as client, client.stream("POST", f"{url}/chat/completions", json={}) as response:
        return sum([len(piece) async for piece in response.aiter_bytes()]) // len(OPENAI)


READERS: dict[str, Callable[[str], int]] = {
    "anaphora": ours("openai-compatible"),
    "openai": openai_sync,
    "bare": bare_sync,
    "anaphora_async": lambda url: asyncio.run(ours_async(url)),
    "openai_async": lambda url: asyncio.run(openai_async(url)),
    "bare_async": lambda url: asyncio.run(bare_async(url)),
    "anaphora_anthropic": ours("anthropic"),
    "anthropic": anthropic_client,
    "anaphora_gemini": ours("gemini"),
    "gemini": gemini_client,
}
# Whose figure is divided by whose.
RATIOS = (
    ("anaphora", "openai"),
    ("anaphora", "bare"),
    ("anaphora", "bare_async"),
    ("anaphora_async", "openai_async"),
    ("anaphora_async", "bare_async"),
    ("anaphora_anthropic", "anthropic"),
    ("anaphora_gemini", "gemini"),
)


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
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, arguments.chunks), daemon=True)
    process.start()
    port = here.recv()
    figures: dict[str, float] = {}
    for mode in ("many", "one"):
        for name, spent in measured(f"http://127.0.0.1:{port}", mode, arguments).items():
            figures[f"{mode}_{name}"] = round(spent, 1)
            print(f"{mode:5} {name:20} {spent:7.1f} µs per chunk", flush=True)
    for mode in ("many", "one"):
        for ours_here, theirs_here in RATIOS:
            ratio = figures[f"{mode}_{ours_here}"] / figures[f"{mode}_{theirs_here}"]
            figures[f"{mode}_{ours_here}_by_{theirs_here}"] = round(ratio, 3)
    process.kill()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
