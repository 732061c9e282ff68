"""The end of a server: answers that nobody stores are told of it too."""

from __future__ import annotations

import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
from tests.doubles.program import PROGRAM, inherited, script
from tests.doubles.server import services_for, serving

from anaphora import InMemoryStore, ScriptedProvider
from anaphora.providers.scripted import Delay
from anaphora.values.events import TextDelta


def test_a_relay_that_outlives_the_grace_gets_a_last_event(tmp_path: Path):
    command = [*PROGRAM, "serve", "--port", "0", "-m", script(tmp_path, "text: one\ndelay: 60"), "--grace", "0"]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, "--store", str(tmp_path / "x.db")], env=inherited(), **pipes) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
        with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=30) as answer:
            lines = answer.iter_lines()
            assert any("one" in line for line in lines)
            process.send_signal(signal.SIGTERM)
            rest = [line for line in lines if line]
        assert "server_stopping" in rest[-2]
        assert rest[-1] == "data: [DONE]"
        assert process.wait(20) == 0
        assert process.stderr
        assert "Traceback" not in process.stderr.read()


def test_an_answer_that_is_given_as_a_whole_is_refused_when_the_server_stops():
    provider = ScriptedProvider([TextDelta("one"), Delay(60.0)])
    with serving(services_for(provider, InMemoryStore())) as served, ThreadPoolExecutor(1) as threads:
        body = {"messages": [{"role": "user", "content": "hi"}]}
        asked = threads.submit(served.http().post, "/v1/chat/completions", json=body)
        while not provider.requests:
            time.sleep(0.01)

        async def stop() -> None:
            served.services.stopping.set()

        served.do(stop)
        refused = asked.result(20)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_stopping")
