"""Careless and hostile requests: each gets a status, a sentence, and changes nothing."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.doubles.server import Served, scripted_server

from anaphora.server.config import ServeConfig

HI = {"role": "user", "content": "hi"}


@pytest.fixture(scope="module")
def echo() -> Iterator[Served]:
    with scripted_server(echo=True, config=ServeConfig(body_mib=1, body_seconds=1)) as served:
        yield served


def picture(url: str) -> Any:
    return {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]}


RESPONSES: list[tuple[Any, str, int]] = [
    ({}, "input: must be a text", 400),
    ({"input": ""}, "input: is empty", 400),
    ({"input": []}, "input: must be a text or a list", 400),
    ({"input": 5}, "input: must be a text", 400),
    ({"input": "x", "conversation": "conv_a", "previous_response_id": "resp_a"}, "not both", 400),
    ({"input": "x", "previous_response_id": "resp_a"}, "there is no response", 400),
    ({"input": "x", "model": "nonsense:model"}, "there is no model", 404),
    ({"input": "x", "model": 5}, "model: must be a text", 400),
    ({"input": "x", "temperature": 9}, "temperature must be a number", 400),
    ({"input": "x", "max_output_tokens": 0}, "max_output_tokens must be", 400),
    ({"input": "x", "stream": "yes"}, "stream: must be true or false", 400),
    ({"input": "x", "truncation": "never"}, "truncation: must be auto or disabled", 400),
    ({"input": "x", "background": True, "store": False}, "must be stored", 400),
    ({"input": "x", "metadata": {"a": 1}}, "metadata", 400),
    ({"input": "x", "metadata": {str(n): "x" for n in range(17)}}, "at most 16", 400),
    ({"input": "x", "tools": [{"type": "web_search"}]}, "only tools of type function", 400),
    ({"input": "x", "tools": [{"type": "function"}]}, "needs a name", 400),
    ({"input": "x", "tool_choice": "perhaps"}, "tool_choice", 400),
    ({"input": "x", "text": {"format": {"type": "xml"}}}, "text.format", 400),
    ({"input": "x", "conversation": 5}, "conversation: must be the id", 400),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "are not read here", 400),
    ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "are not read here", 400),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x"}]}]}, "data: URL", 400),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,%"}]}]},
        "cannot be read",
        400,
    ),
    ({"input": [{"role": "wizard", "content": "x"}]}, "role", 400),
    ({"input": [{"role": "assistant", "content": "x"}]}, "must end with", 400),
    ({"input": [{"type": "item_reference", "id": "x"}]}, "item_reference", 400),
    ({"input": [{"type": "computer_call"}]}, "not read here", 400),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "call_id", 400),
    ({"input": ["x"]}, "must be an object", 400),
    ({"input": "half a character: \ud83d"}, "not valid Unicode", 400),
    ({"input": "word " * 150_000, "truncation": "disabled"}, "fit", 400),
    ({"input": "word " * 150_000}, "too long", 400),
]


@pytest.mark.parametrize(("body", "told", "status"), RESPONSES, ids=[told for _, told, _ in RESPONSES])
def test_a_wrong_field_is_named(echo: Served, body: Any, told: str, status: int):
    raw = json.dumps(body)
    answer = echo.http().post("/v1/responses", content=raw, headers={"content-type": "application/json"})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert told in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


CHATS: list[tuple[Any, str]] = [
    ({}, "messages: must be a list"),
    ({"messages": []}, "messages: must be a list"),
    ({"messages": ["x"]}, "must be an object"),
    ({"messages": [{"role": "user"}]}, "is empty"),
    ({"messages": [{"role": "system", "content": "x"}]}, "no message to answer"),
    ({"messages": [{"role": "x", "content": "x"}]}, "role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "call_id"),
    ({"messages": [{"role": "assistant", "tool_calls": [{}]}, HI]}, "a call has an id"),
    ({"messages": [HI], "n": 99}, "n: must be"),
    ({"messages": [HI], "n": 2, "conversation": "c"}, "one answer at a time"),
    ({"messages": [HI], "conversation": "\u0007"}, "control characters"),
    ({"messages": [HI], "top_p": 7}, "top_p"),
    ({"messages": [HI], "stop": [1]}, "stop must be"),
    ({"messages": [HI], "response_format": {"type": "json_schema"}}, "response_format"),
    ({"messages": [HI, {"role": "assistant", "content": "x"}], "conversation": "c"}, "must end with"),
]


@pytest.mark.parametrize(("body", "told"), CHATS, ids=[told for _, told in CHATS])
def test_a_wrong_field_of_a_chat_is_named(echo: Served, body: Any, told: str):
    answer = echo.http().post("/v1/chat/completions", json=body)
    assert answer.status_code in {400, 404}
    assert told in answer.json()["error"]["message"]


def test_results_that_nobody_asked_for_leave_no_conversation(echo: Served):
    http = echo.http()
    result = {"type": "function_call_output", "call_id": "x", "output": "y"}
    chat = {"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}], "conversation": "nobody-asked"}
    before = http.get("/v1/conversations").json()["data"]
    for path, body, param in (("/v1/responses", {"input": [result]}, "input"), ("/v1/chat/completions", chat, "messages")):
        answer = http.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        assert "belong to no message of the user" in answer.json()["error"]["message"]
    assert http.get("/v1/conversations").json()["data"] == before


def test_bodies_that_are_no_json_are_refused(echo: Served):
    http, json_type = echo.http(), {"content-type": "application/json"}

    def post(content: bytes, headers: dict[str, str]) -> tuple[int, str]:
        answer = http.post("/v1/responses", content=content, headers=headers)
        return answer.status_code, answer.json()["error"]["message"]

    assert post(b"{}", {"content-type": "text/plain"})[0] == 415
    assert post(gzip.compress(b"{}"), {**json_type, "content-encoding": "gzip"})[0] == 415
    for broken in (b"", b"{", b"[1]", b'{"input": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"a": ' + b"1" * 6_000 + b"}"):
        status, told = post(broken, json_type)
        assert status == 400, (broken[:20], told)
        assert "JSON" in told or "input" in told
    status, told = post(b'{"input": "' + b"x" * (2 << 20) + b'"}', json_type)
    assert (status, told) == (413, "the body has more than 1 MiB: send less at once.")


def test_a_body_that_never_arrives_is_given_up(echo: Served):
    host, port = echo.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = "POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        connection.sendall(head.encode())
        assert b"408" in connection.recv(100)


def test_headers_that_come_too_slowly_or_never_end_are_given_up():
    with scripted_server(echo=True, config=ServeConfig(header_seconds=1)) as served:
        host, port = served.url.removeprefix("http://").split(":")
        for begin, status in ((b"x-long: " + b"y" * (70 << 10), b"431"), (b"x-slow: y", b"408")):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n" + begin)
                assert status in connection.recv(100)


def test_what_looks_like_a_number_or_an_address_and_is_none_is_told(echo: Served):
    http = echo.http()
    made = http.post("/v1/responses", json={"input": "x"}).json()["id"]
    for query in ("starting_after=--5", "starting_after=²", f"starting_after={'9' * 5_000}"):
        assert http.get(f"/v1/responses/{made}?stream=true&{query}").status_code == 400
    assert http.get(f"/v1/conversations?limit={'9' * 5_000}").status_code == 400
    assert http.get("/v1/models", headers={"origin": "http://[x"}).status_code == 403
    half = {"content-type": "application/json"}
    for body in (
        b'{"input": "x", "conversation": "\\ud83d"}',
        b'{"input": [{"type": "function_call_output", "call_id": "\\ud83d", "output": "x"}]}',
        b'{"input": [{"type": "function_call", "call_id": "c", "name": "n", "arguments": "\\ud83d"}]}',
    ):
        assert http.post("/v1/responses", content=body, headers=half).status_code == 400


def test_unknown_paths_and_methods_are_told(echo: Served):
    http = echo.http()
    assert http.get("/v1/nothing").json()["error"]["message"] == "there is nothing at GET /v1/nothing."
    wrong = http.put("/v1/responses")
    assert (wrong.status_code, wrong.json()["error"]["message"]) == (405, "/v1/responses does not take PUT.")
    assert http.get("/v1/models/unknown:model").status_code == 404


def test_models_are_listed_with_their_aliases():
    with scripted_server(echo=True, aliases={"gpt-4o-mini": "scripted:"}) as served:
        client = served.client()
        names = [model.id for model in client.models.list()]
        assert names == ["gpt-4o-mini", "scripted:"]
        assert client.models.retrieve("gpt-4o-mini").owned_by == "scripted"
        done = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
        assert (done.model, done.choices[0].message.content) == ("gpt-4o-mini", "You said: hi")


def test_embeddings_come_where_an_embedder_is_configured(echo: Served):
    assert "names an embedder" not in echo.http().post("/v1/embeddings", json={"input": "x"}).text
    assert echo.http().post("/v1/embeddings", json={"input": "x"}).status_code == 404

    async def embed(texts: Any) -> list[list[float]]:
        return [[float(len(text)), 0.5] for text in texts]

    with scripted_server(echo=True, embed=embed) as served:
        client = served.client()
        rows = client.embeddings.create(model="words", input=["a", "bcd"], encoding_format="float").data
        assert [row.embedding for row in rows] == [[1.0, 0.5], [3.0, 0.5]]
        assert client.embeddings.create(model="words", input="abc").data[0].embedding == [3.0, 0.5]
        wrongs: list[Any] = [{"input": []}, {"input": [1]}, {"input": "x", "encoding_format": "hex"}, {"input": ["x"] * 3_000}]
        for wrong in wrongs:
            assert served.http().post("/v1/embeddings", json=wrong).status_code == 400


def test_the_metrics_count_and_name_nobody(echo: Served):
    http = echo.http()
    http.post("/v1/responses", json={"input": "a secret word"})
    text = http.get("/metrics").text
    assert 'anaphora_requests_total{route="/v1/responses",status="200"}' in text
    assert "anaphora_live_runs 0.0" in text
    assert "secret" not in text
