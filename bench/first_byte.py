"""From the start of a program until its request arrives: anaphora, the vendors' own clients and bare httpx2, in one run.

usage: python bench/first_byte.py [--rounds 10]        (needs the extra `bench`)

Each program is a fresh process that imports its client and asks one question of a server on this machine; the clock stops when
the first byte arrives there. They take turns; figures are medians in milliseconds. The last line is one JSON object with these
and anaphora's share of each client's time.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

ASK = "import sys; url = sys.argv[1]\n"
PROGRAMS = {
    **{
        f"anaphora_{name}": f"""{ASK}
from anaphora import Chatbot
Chatbot("{name}:m", base_url=url + "/v1", api_key="k", context_window=8192).say("hi")
"""
        for name in ("openai", "anthropic", "gemini")
    },
    "httpx2": f"""{ASK}
import httpx2
httpx2.post(url, json={{"hi": "hi"}})
""",
    "httpx2_async": f"""{ASK}
import asyncio, httpx2
async def ask():
    async with httpx2.AsyncClient() as client:
        await client.post(url, json={{"hi": "hi"}})
asyncio.run(ask())
""",
    "openai": f"""{ASK}
import openai
openai.OpenAI(base_url=url + "/v1", api_key="k", max_retries=0).chat.completions.create(
    model="m", messages=[{{"role": "user", "content": "hi"}}], stream=True)
""",
    "anthropic": f"""{ASK}
import anthropic
anthropic.Anthropic(base_url=url, api_key="k", max_retries=0).messages.create(
    model="m", max_tokens=9, messages=[{{"role": "user", "content": "hi"}}], stream=True)
""",
    "gemini": f"""{ASK}
from google import genai
client = genai.Client(api_key="k", http_options=genai.types.HttpOptions(base_url=url))
next(client.models.generate_content_stream(model="m", contents="hi"))
""",
}


def milliseconds(listener: socket.socket, code: str) -> float:
    """One run of a program, until its request is here."""
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    quiet = subprocess.DEVNULL
    begun = time.perf_counter()
    # Installed packages have bytecode, so ours may write its own.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    program = subprocess.Popen([sys.executable, "-c", code, url], stdout=quiet, stderr=quiet, env=environment)
    try:
        listener.settimeout(60)
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            return (time.perf_counter() - begun) * 1e3
    finally:
        program.kill()
        program.wait()


def main() -> None:
    """Measure all programs and print a table."""
    parser = argparse.ArgumentParser(description="time from a program's start to its request")
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for code in PROGRAMS.values():
            milliseconds(listener, code)  # the first run compiles and fills the disk's cache
        rounds = [{name: milliseconds(listener, code) for name, code in PROGRAMS.items()} for _ in range(arguments.rounds)]
    figures = {name: round(statistics.median(one[name] for one in rounds), 1) for name in PROGRAMS}
    for name, figure in figures.items():
        print(f"{name:20} {figure:8.1f} ms")
    for name in ("openai", "anthropic", "gemini"):
        figures[f"by_{name}"] = round(figures[f"anaphora_{name}"] / figures[name], 3)
    for name in ("httpx2", "httpx2_async"):
        figures[f"by_{name}"] = round(figures["anaphora_openai"] / figures[name], 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
