"""Conversations and their items, by OpenAI's own client."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from tests.doubles.server import Served, scripted_server, services_for, serving

from anaphora import InMemoryStore, ScriptedProvider
from anaphora.errors import StreamInterrupted
from anaphora.values.events import TextDelta


@pytest.fixture
def echo() -> Iterator[Served]:
    with scripted_server(echo=True) as served:
        yield served


def test_a_conversation_is_made_read_changed_and_deleted(echo: Served):
    client = echo.client()
    made = client.conversations.create(
        metadata={"topic": "demo"}, items=[{"role": "user", "content": "Hello!", "type": "message"}]
    )
    assert made.id.startswith("conv_")
    assert made.metadata == {"topic": "demo"}
    assert client.conversations.retrieve(made.id).metadata == {"topic": "demo"}
    assert client.conversations.update(made.id, metadata={"topic": "other"}).metadata == {"topic": "other"}
    client.responses.create(input="hi", conversation=made.id)
    assert client.conversations.retrieve(made.id).metadata == {"topic": "other"}
    assert client.conversations.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(made.id)


def test_a_response_goes_on_with_a_conversation_and_busy_or_missing_ones_are_told(echo: Served):
    client = echo.client()
    made = client.conversations.create()
    for said in ("one", "two"):
        assert client.responses.create(input=said, conversation={"id": made.id}).output_text == f"You said: {said}"
    items = client.conversations.items.list(made.id, order="asc").data
    assert [item.content[0].text for item in items] == ["one", "You said: one", "two", "You said: two"]
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(input="x", conversation="conv_missing")
    assert caught.value.param == "conversation"


def test_items_are_added_paged_read_and_forgotten(echo: Served):
    client = echo.client()
    made = client.conversations.create()
    items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"fact {n}"}]} for n in range(5)]
    added = client.conversations.items.create(made.id, items=items)
    assert [item.content[0].text for item in added.data] == [f"fact {n}" for n in range(5)]
    assert (added.first_id, added.last_id) == (added.data[0].id, added.data[-1].id)
    read = [item.content[0].text for item in client.conversations.items.list(made.id, limit=2)]
    assert read == [f"fact {n}" for n in reversed(range(5))]
    first = added.data[0]
    assert client.conversations.items.retrieve(first.id, conversation_id=made.id).content[0].text == "fact 0"
    assert client.conversations.items.delete(first.id, conversation_id=made.id).id == made.id
    assert echo.http().get("/v1/conversations", params={"q": '"fact 0"'}).json()["data"] == []
    with pytest.raises(openai.BadRequestError, match="at most 20"):
        client.conversations.items.create(made.id, items=items * 5)
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve("msg_missing", conversation_id=made.id)


@pytest.mark.slow
def test_a_hundred_items_of_ten_threads_stand_in_one_order(echo: Served):
    client = echo.client()
    made = client.conversations.create()

    def add(thread: int) -> None:
        for number in range(10):
            item = {"type": "message", "role": "user", "content": f"{thread} {number}"}
            while True:
                added = echo.http().post(f"/v1/conversations/{made.id}/items", json={"items": [item]})
                if added.status_code == 200:
                    break
                assert added.json()["error"]["code"] == "conversation_locked"

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(add, range(10)))
    said = [item.content[0].text for item in client.conversations.items.list(made.id, order="asc", limit=100)]
    assert len(said) == 100
    for thread in range(10):
        assert [one for one in said if one.startswith(f"{thread} ")] == [f"{thread} {number}" for number in range(10)]


def test_conversations_are_listed_and_searched(echo: Served):
    client, http = echo.client(), echo.http()
    for topic in ("lentils", "bicycles", "lighthouses"):
        client.responses.create(input=f"Tell me of {topic}")
    whole = http.get("/v1/conversations").json()
    assert [one["title"] for one in whole["data"]] == [f"Tell me of {topic}" for topic in ("lighthouses", "bicycles", "lentils")]
    page = http.get("/v1/conversations", params={"limit": 1, "after": whole["data"][0]["id"]}).json()
    assert (page["data"][0]["title"], page["has_more"]) == ("Tell me of bicycles", True)
    oldest = http.get("/v1/conversations", params={"order": "asc", "limit": 1}).json()
    assert oldest["data"][0]["title"] == "Tell me of lentils"
    found = http.get("/v1/conversations", params={"q": "bicycles"}).json()["data"]
    assert [one["title"] for one in found] == ["Tell me of bicycles"]
    assert found[0]["matches"][0]["role"] in {"user", "assistant"}
    for wrong in ({"limit": "0"}, {"limit": "x"}, {"order": "up"}):
        assert http.get("/v1/conversations", params=wrong).status_code == 400
    assert http.get("/v1/conversations", params={"after": "conv_x"}).status_code == 404


def test_an_answer_that_a_fault_cut_is_gone_on_from_by_its_id_and_left_out_of_the_items():
    provider = ScriptedProvider([TextDelta("half"), StreamInterrupted("cut.", retryable=False)], "by id")
    with serving(services_for(provider, InMemoryStore())) as served:
        client = served.client()
        made = client.conversations.create().id
        cut = client.responses.create(input="hi", conversation=made)
        assert (cut.status, cut.output_text) == ("incomplete", "half")
        assert client.conversations.items.list(made).data == []
        found = served.http().get(f"/v1/responses/{cut.id}/input_items").json()["data"]
        assert [item["content"][0]["text"] for item in found] == ["hi"]
        client.responses.create(input="go on", previous_response_id=cut.id)
        assert [one.text for one in provider.requests[1].messages if one.role != "system"] == ["hi", "half", "go on"]
