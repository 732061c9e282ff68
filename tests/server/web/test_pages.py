"""The pages without a browser: what they show, to whom, and what their script asks for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.doubles.server import Served, scripted_server

from anaphora.server.web import pages
from anaphora.stores.token_records import Limits, Token, token_hash
from anaphora.values.events import Ended, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.memory import Fact, Learned


@pytest.fixture
def echo() -> Iterator[Served]:
    with scripted_server(echo=True) as served:
        yield served


def say(http: httpx2.Client, text: str, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """Says something as the page does; gives the conversation and what the page is told."""
    answer = http.post("/page/say", json={"text": text, **more})
    assert answer.status_code == 200, answer.text
    begun = answer.json()
    stream = http.get(f"/page/runs/{begun['run']}").text
    return begun["conversation"], [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]


def test_an_answer_comes_as_blocks_and_stands_on_the_page_afterwards(echo: Served):
    http = echo.http()
    assert "Say something" in http.get("/").text
    conversation, told = say(http, "# Hello\n\nmy *friend*")
    assert [one["kind"] for one in told if one["kind"] != "tail"] == ["block", "block", "end"]
    page = http.get(f"/c/{conversation}").text
    assert "<em>friend</em>" in page
    assert "what the model saw" in page
    assert http.get(f"/page/messages/{conversation}").text.count("<article") == 2
    assert "Hello" in http.get("/page/list?q=friend").text
    assert "No message has all these words" in http.get("/page/list?q=zebra").text
    assert "my *friend*" in http.get(f"/page/export/md/{conversation}").text
    assert http.get(f"/page/export/json/{conversation}").headers["content-disposition"].startswith("attachment")
    run = page.partition('data-do="report" data-run="')[2].partition('"')[0]
    assert "budget" in http.get(f"/page/report/{run}").text


def test_thinking_tools_and_errors_are_told():
    call: list[Any] = [ThinkingDelta("hm"), ToolCallDelta(0, "c", "calculate", '{"expression": "2+3"}'), Ended("tool_calls")]
    with scripted_server(call, "It is five.", tools=["calculate"]) as served:
        http = served.http()
        conversation, told = say(http, "2+3?")
        kinds = [one["kind"] for one in told]
        assert kinds.index("thinking") < kinds.index("result") < kinds.index("end")
        page = http.get(f"/c/{conversation}").text
        assert "<summary>calculate</summary>" in page
        assert "<summary>Thinking</summary>" in page
        _, failed = say(http, "and?", conversation=conversation)
        assert failed[-1]["status"] == "failed"
        assert "no more replies" in failed[-1]["error"]
        assert "No answer came." in http.get(f"/c/{conversation}").text


def test_an_answer_may_be_asked_for_again_edited_and_gone_between(echo: Served):
    http = echo.http()
    conversation, _ = say(http, "one")
    say(http, "", conversation=conversation, kind="retry")
    page = http.get(f"/c/{conversation}").text
    assert "2/2" in page
    message = page.partition('<article class="you" id="')[2].partition('"')[0]
    say(http, "another one", conversation=conversation, kind="edit", message=message)
    assert "another one" in http.get(f"/c/{conversation}").text
    assert http.post(f"/page/goto/{conversation}", json={"message": message}).status_code == 200
    assert "You said: one" in http.get(f"/c/{conversation}").text
    assert http.post("/page/say", json={"text": 5}).status_code == 400
    assert http.post("/page/say", json={"text": "  "}).status_code == 400
    assert http.get("/c/conv_missing").status_code == 404
    assert http.get("/page/runs/resp_missing").status_code == 404


def test_pictures_go_with_a_message(echo: Served):
    picture = {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}}
    conversation, _ = say(echo.http(), "look", pictures=[picture])
    assert 'src="data:image/gif;base64,R0lGODlhAQABAAAAACw="' in echo.http().get(f"/c/{conversation}").text


def test_the_same_message_is_not_said_twice(echo: Served):
    http = echo.http()
    first = http.post("/page/say", json={"text": "x", "key": "k"}).json()
    assert http.post("/page/say", json={"text": "x", "key": "k"}).json() == first


def test_a_conversation_is_renamed_deleted_and_brought_back(echo: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pages, "UNDO_SECONDS", 0.2)
    http = echo.http()
    conversation, _ = say(http, "hello there")
    change = f"/page/change/{conversation}"
    assert http.post(change, json={"title": "Greetings"}).status_code == 200
    assert "Greetings" in http.get("/").text
    http.post(change, json={"deleted": True})
    assert "Greetings" not in http.get("/").text
    http.post(change, json={"deleted": False})
    time.sleep(0.4)
    assert "Greetings" in http.get("/").text
    http.post(change, json={"deleted": True})
    for _ in range(100):
        if http.get(f"/c/{conversation}").status_code == 404:
            break
        time.sleep(0.05)
    assert http.get(f"/c/{conversation}").status_code == 404


def test_facts_are_shown_with_their_evidence_and_changed(echo: Served):
    http = echo.http()
    fact = Fact("f1", "likes <b>tea</b>", "told", 1.0, ())
    echo.do(lambda: echo.services.store.learn("me", [Learned(fact)]))
    assert "likes &lt;b&gt;tea&lt;/b&gt;" in http.get("/memory").text
    http.post("/page/facts/f1", json={"text": "likes coffee"})
    assert "likes coffee" in http.get("/memory").text
    http.post("/page/facts/f1", json={})
    assert "Nothing is remembered" in http.get("/memory").text


def test_usage_is_shown_with_limits_and_sign_ins():
    reply = [TextDelta("x"), Ended("stop")]
    with scripted_server(reply, is_open=False) as served:
        limits = Limits(rate=100, daily_tokens=1_000, daily_cost=2.0)
        served.do(lambda: served.services.store.add_token(Token(token_hash("ana_ada"), "ada", "ada", limits)))
        http = served.http()
        assert http.get("/").headers["location"] == "/sign-in"
        assert "Your token" in http.get("/sign-in").text
        assert http.post("/sign-in", content=b"token=ana_wrong").status_code == 401
        signed = http.post("/sign-in", content=b"token=ana_ada", headers={"user-agent": "Testbrowser"})
        cookie = signed.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
        say(http, "hi")
        page = http.get("/usage").text
        assert "Testbrowser" in page
        assert "of 1000" in page
        assert http.get("/v1/conversations").json()["data"]
        saved = http.cookies.get("anaphora_sign_in")
        http.post("/sign-out")
        with httpx2.Client(base_url=served.url, cookies={"anaphora_sign_in": saved or ""}) as thief:
            assert thief.get("/").headers["location"] == "/sign-in"
            assert thief.get("/page/list").status_code == 401
            assert thief.get("/v1/conversations").status_code == 401


def test_every_page_forbids_what_it_does_not_need(echo: Served):
    http = echo.http()
    for path in ("/", "/memory", "/usage", "/sign-in"):
        answer = http.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert "style=" not in answer.text
        assert "<script>" not in answer.text
    assert http.get("/static/page.js").headers["content-type"].startswith("text/javascript")
    assert http.get("/static/nothing.js").status_code == 404
    assert http.post("/page/say", json={"text": "x"}, headers={"origin": "https://evil.example"}).status_code == 403
    assert http.post("/page/say", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415


def test_what_is_shown_of_others_words_is_text():
    attack = '"><img src=x onerror=alert(1)><script>alert(1)</script>'
    with scripted_server(attack, attack) as served:
        http = served.http()
        conversation, _ = say(http, attack)
        http.post(f"/page/change/{conversation}", json={"title": attack})
        for path in (f"/c/{conversation}", "/page/list?q=img", "/"):
            text = http.get(path).text
            assert "<img src=x" not in text
            assert "<script>alert" not in text


def test_many_messages_are_shown_a_part_at_a_time():
    with scripted_server(echo=True) as served:
        http = served.http()
        made = http.post("/v1/conversations", json={}).json()["id"]
        for start in range(0, 200, 20):
            items = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"number {start + n}"} for n in range(20)]
            assert http.post(f"/v1/conversations/{made}/items", json={"items": items}).status_code == 200
        page = http.get(f"/c/{made}").text
        assert "number 199" in page
        assert "number 100" not in page
        before = page.partition('data-before="')[2].partition('"')[0]
        assert before
        earlier = http.get(f"/page/messages/{made}?before={before}").text
        assert "number 100" in earlier
        assert "number 199" not in earlier
