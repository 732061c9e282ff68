"""Whose request it is, what a token may use, and what reaches nobody else."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.doubles.server import Served, scripted_server

from anaphora.providers.scripted import Delay
from anaphora.server.config import ServeConfig
from anaphora.stores.token_records import Limits, Token, token_hash
from anaphora.values.events import Ended, TextDelta
from anaphora.values.message import Usage

MOST = 200 if os.environ.get("ANAPHORA_PROOFS") else 30


def add(served: Served, name: str, owner: str | None = None, limits: Limits = Limits(), **more: Any) -> str:  # noqa: B008
    shown = f"ana_{name}"
    served.do(lambda: served.services.store.add_token(Token(token_hash(shown), name, owner or name, limits, **more)))
    return shown


@pytest.fixture
def echo() -> Iterator[Served]:
    with scripted_server(echo=True, is_open=False) as served:
        yield served


def test_a_server_that_others_reach_asks_for_a_token(echo: Served):
    http = echo.http()
    for key in (None, "ana_wrong", "x"):
        answer = echo.http(key).get("/v1/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        assert "anaphora token add" in answer.json()["error"]["message"]
    for open_path in ("/healthz", "/readyz", "/metrics", "/sign-in"):
        assert http.get(open_path).status_code == 200
    assert http.get("/").headers["location"] == "/sign-in"
    shown = add(echo, "ada")
    assert echo.http(shown).get("/v1/models").status_code == 200
    with pytest.raises(openai.AuthenticationError):
        echo.client("ana_wrong").models.list()
    expired = add(echo, "old", expires=time.time() - 1)
    assert "expired" in echo.http(expired).get("/v1/models").json()["error"]["message"]


def test_the_first_token_closes_an_open_server():
    with scripted_server(echo=True) as served:
        assert served.client("anything").responses.create(input="mine").output_text == "You said: mine"
        shown = add(served, "me", "me")
        time.sleep(1.1)
        assert served.http().get("/v1/models").status_code == 401
        assert len(served.http(shown).get("/v1/conversations").json()["data"]) == 1


def test_a_token_may_make_so_many_requests_and_is_told_when_to_come_again(echo: Served):
    http = echo.http(add(echo, "slow", limits=Limits(rate=2)))
    body = {"messages": [{"role": "user", "content": "x"}]}
    statuses = [http.post("/v1/chat/completions", json=body).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = http.post("/v1/responses", json={"input": "x"})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "2 requests a minute" in refused.json()["error"]["message"]
    assert http.get("/v1/conversations").json()["data"] == []


def test_a_token_may_have_so_many_answers_at_once():
    slow = [TextDelta("one "), Delay(30.0), TextDelta("two")]
    with scripted_server(slow, slow, is_open=False) as served:
        client = served.client(add(served, "ada", limits=Limits(concurrent=1)))
        stream = client.responses.create(input="hi", stream=True)
        response_id = next(iter(stream)).response.id
        with pytest.raises(openai.RateLimitError, match="that is its limit"):
            client.responses.create(input="more")
        client.responses.cancel(response_id)
        again = client.responses.create(input="more", stream=True)
        client.responses.cancel(next(iter(again)).response.id)


def test_a_token_has_so_many_tokens_and_dollars_a_day():
    replies = [[TextDelta("x"), Ended("stop", Usage(6, 0, 6, cost=0.5))] for _ in range(3)]
    with scripted_server(*replies, is_open=False) as served:
        few = served.client(add(served, "few", limits=Limits(daily_tokens=10)))
        few.responses.create(input="hi")
        with pytest.raises(openai.RateLimitError, match="10 tokens of today") as caught:
            few.responses.create(input="hi")
        assert caught.value.code == "insufficient_quota"
        poor = served.client(add(served, "poor", limits=Limits(daily_cost=0.4)))
        poor.chat.completions.create(model="", messages=[{"role": "user", "content": "x"}])
        with pytest.raises(openai.RateLimitError, match=r"\$0.4 of today"):
            poor.chat.completions.create(model="", messages=[{"role": "user", "content": "x"}])


def test_pages_of_others_and_other_names_of_the_server_are_refused():
    with scripted_server(echo=True, config=ServeConfig(origins=("https://chat.example",))) as served:
        http = served.http()
        assert http.get("/v1/models", headers={"host": "evil.example"}).status_code == 403
        assert http.get("/v1/models", headers={"origin": "https://evil.example"}).status_code == 403
        assert http.get("/v1/models", headers={"origin": served.url}).status_code == 200
        allowed = http.get("/v1/models", headers={"origin": "https://chat.example"})
        assert allowed.headers["access-control-allow-origin"] == "https://chat.example"
        asked = http.options("/v1/responses", headers={"origin": "https://chat.example"})
        assert "authorization" in asked.headers["access-control-allow-headers"]
        assert "access-control-allow-origin" not in http.get("/v1/models").headers


def test_foreign_and_missing_ids_get_the_same_answer(echo: Served):
    ada, bob = echo.http(add(echo, "ada")), echo.http(add(echo, "bob"))
    made = ada.post("/v1/responses", json={"input": "my secret is lentils"}).json()
    conversation, item = made["conversation"]["id"], made["output"][0]["id"]
    missing = {"response": "resp_none", "conversation": "conv_none", "item": "msg_none"}
    mine = {"response": made["id"], "conversation": conversation, "item": item}

    def answers(ids: dict[str, str]) -> list[tuple[int, str]]:
        response, of, one = ids["response"], ids["conversation"], ids["item"]
        calls = [
            *[bob.get(f"/v1/responses/{response}{rest}") for rest in ("", "/context", "/input_items", "?stream=true")],
            *[
                bob.post(f"/v1/responses/{response}/{verb}", json={"call_id": "x", "allow": True})
                for verb in ("cancel", "confirm")
            ],
            bob.delete(f"/v1/responses/{response}"),
            *[bob.get(f"/v1/conversations/{of}{rest}") for rest in ("", "/items", f"/items/{one}")],
            bob.post(f"/v1/conversations/{of}", json={"metadata": {}}),
            bob.post(f"/v1/conversations/{of}/items", json={"items": [{"role": "user", "content": "x"}]}),
            bob.delete(f"/v1/conversations/{of}/items/{one}"),
            bob.delete(f"/v1/conversations/{of}"),
            bob.post("/v1/responses", json={"input": "x", "previous_response_id": response}),
            bob.post("/v1/responses", json={"input": "x", "conversation": of}),
            bob.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}], "conversation": of}),
        ]
        told = [call.text.replace(response, "R").replace(of, "C").replace(one, "I") for call in calls]
        return [(call.status_code, text) for call, text in zip(calls, told, strict=True)]

    foreign, absent = answers(mine), answers(missing)
    assert foreign == absent
    assert {status for status, _ in foreign} == {404, 400}
    assert (
        bob.get("/v1/conversations").json()["data"] == bob.get("/v1/conversations", params={"q": "lentils"}).json()["data"] == []
    )
    assert ada.get(f"/v1/responses/{made['id']}").json()["output"] == made["output"]


@pytest.mark.slow
@settings(max_examples=MOST, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["ada", "bob"]),
            st.sampled_from(["say", "chat", "read", "items", "search", "list", "stream", "cursor"]),
            st.integers(0, 5),
        ),
        min_size=4,
        max_size=14,
    )
)
def test_no_byte_of_one_owner_reaches_the_other(shared: Served, steps: list[tuple[str, str, int]]):
    """Ids, keys, searches and cursors of two owners are mixed at random."""
    people = {name: shared.http(f"ana_{name}") for name in ("ada", "bob")}
    words = {"ada": "lentils", "bob": "bicycles"}
    known: list[tuple[str, str, str]] = []
    for who, what, which in steps:
        http, other = people[who], words["bob" if who == "ada" else "ada"]
        owner, response, conversation = known[which % len(known)] if known else ("", "resp_x", "conv_x")
        if what in {"say", "chat"}:
            body: dict[str, Any] = {"messages": [{"role": "user", "content": words[who]}], "conversation": "shared name"}
            if what == "say":
                body = {"input": words[who], **({"conversation": conversation} if owner and which % 2 else {})}
            answer = http.post("/v1/responses" if what == "say" else "/v1/chat/completions", json=body)
            if answer.status_code == 200 and what == "say":
                made = answer.json()
                known.append((who, made["id"], made["conversation"]["id"]))
            assert answer.status_code == (404 if what == "say" and which % 2 and owner not in {"", who} else 200)
        else:
            path = {
                "read": f"/v1/responses/{response}",
                "items": f"/v1/conversations/{conversation}/items",
                "stream": f"/v1/responses/{response}?stream=true",
                "search": "/v1/conversations?q=lentils",
                "list": "/v1/conversations",
                "cursor": f"/v1/conversations?after={conversation}",
            }[what]
            answer = http.get(path)
            if what in {"read", "items", "stream"} and owner not in {"", who}:
                assert answer.status_code == 404
        assert other not in answer.text


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with scripted_server(echo=True, is_open=False) as served:
        add(served, "ada")
        add(served, "bob")
        yield served
