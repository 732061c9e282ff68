"""A model that does one thing at a time: answers wait for one another, a few of them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from tests.doubles.server import Served, services_for, serving

from anaphora import InMemoryStore, ScriptedProvider
from anaphora.providers.base import ModelInfo, Request
from anaphora.providers.scripted import Delay
from anaphora.server.models import MOST_WAITING
from anaphora.stores.token_records import Limits, Token, token_hash
from anaphora.values.events import ProviderEvent, TextDelta

HI = {"messages": [{"role": "user", "content": "hi"}]}


class OneAtATime(ScriptedProvider):
    """A scripted model whose calls wait for one another; it counts those that are under way."""

    running = most = 0

    async def prepare(self, model: str, /) -> ModelInfo:
        del model
        return ModelInfo(context_window=100_000, one_at_a_time=True)

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            async for event in super().stream(request):
                yield event
        finally:
            self.running -= 1


def waits(served: Served, count: int) -> bool:
    for _ in range(200):
        if served.services.waiting == count:
            return True
        time.sleep(0.02)
    return False


def test_answers_come_one_after_the_other_by_every_door():
    provider = OneAtATime(echo=True)
    with serving(services_for(provider, InMemoryStore())) as served, ThreadPoolExecutor(8) as threads:
        http = served.http()
        bodies: list[tuple[str, Any]] = [
            ("/v1/chat/completions", HI),
            ("/v1/chat/completions", {**HI, "stream": True}),
            ("/v1/chat/completions", {**HI, "conversation": "c"}),
            ("/v1/responses", {"input": "hi"}),
            ("/v1/responses", {"input": "hi", "stream": True}),
            ("/v1/responses", {"input": "hi", "store": False}),
            ("/v1/responses", {"input": "hi", "store": False, "stream": True}),
        ]
        for _ in range(2):
            found = list(threads.map(lambda one: http.post(one[0], json=one[1]), bodies))
            assert [answer.status_code for answer in found] == [200] * len(bodies)
        assert provider.most == 1
        assert served.services.waiting == 0


def test_a_long_queue_is_told_and_whoever_leaves_it_is_not_answered():
    provider = OneAtATime([TextDelta("one "), Delay(30.0), TextDelta("two")], *["later"] * 3)
    with serving(services_for(provider, InMemoryStore(), is_open=False)) as served:
        token = Token(token_hash("ana_x"), "x", "x", Limits(concurrent=20))
        served.do(lambda: served.services.store.add_token(token))
        http, headers = served.http("ana_x"), {"authorization": "Bearer ana_x"}
        with http.stream("POST", "/v1/responses", json={"input": "hi", "stream": True}) as first:
            response_id = next(line for line in first.iter_lines() if '"resp_' in line).partition('"resp_')[2].partition('"')[0]
            with ThreadPoolExecutor(MOST_WAITING) as threads:

                def leave(_: int) -> None:
                    with pytest.raises(httpx2.TimeoutException), httpx2.Client(base_url=served.url, timeout=1.5) as client:
                        client.post("/v1/chat/completions", json=HI, headers=headers)

                leaving = threads.map(leave, range(MOST_WAITING))
                assert waits(served, MOST_WAITING)
                for path, body in (("/v1/chat/completions", HI), ("/v1/responses", {"input": "x"})):
                    refused = http.post(path, json=body)
                    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
                list(leaving)
            assert waits(served, 0)
        http.post(f"/v1/responses/resp_{response_id}/cancel")
        assert http.post("/v1/chat/completions", json=HI).json()["choices"][0]["message"]["content"] == "later"
        assert served.services.auth.in_use == 0


def test_a_busy_conversation_is_told_at_once_where_answers_wait_for_one_another():
    provider = OneAtATime([TextDelta("one "), Delay(30.0), TextDelta("two")])
    with serving(services_for(provider, InMemoryStore())) as served:
        http = served.http()
        made = http.post("/v1/conversations", json={}).json()["id"]
        body = {"input": "first", "conversation": made, "background": True}
        running = http.post("/v1/responses", json=body).json()["id"]
        for path, second in (
            ("/v1/responses", {"input": "second", "conversation": made}),
            ("/v1/chat/completions", {**HI, "conversation": made}),
        ):
            refused = http.post(path, json=second)
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "conversation_locked")
        http.post(f"/v1/responses/{running}/cancel")
        items = http.get(f"/v1/conversations/{made}/items", params={"order": "asc"}).json()["data"]
        assert [one["content"][0]["text"] for one in items] == ["first", "one "]


def test_two_requests_after_one_response_are_two_branches():
    provider = OneAtATime("A0", "A1", "A2", "A3")
    with serving(services_for(provider, InMemoryStore())) as served, ThreadPoolExecutor(2) as threads:
        http = served.http()
        root = http.post("/v1/responses", json={"input": "q0"}).json()["id"]

        def go_on(text: str) -> int:
            body = {"input": text, "previous_response_id": root}
            while (answer := http.post("/v1/responses", json=body)).status_code == 400:
                assert answer.json()["error"]["code"] == "conversation_locked"
            return int(answer.status_code)

        assert list(threads.map(go_on, ["qa", "qb"])) == [200, 200]
        seen = [[message.text for message in request.messages if message.role != "system"] for request in provider.requests[1:]]
        assert sorted(one[-1] for one in seen) == ["qa", "qb"]
        assert all(one[:-1] == ["q0", "A0"] for one in seen)
