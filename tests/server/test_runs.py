"""Runs: followed, stopped, repeated, confirmed and ended, in this process and from another on the same store."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import openai
import pytest
from tests.doubles.program import PROGRAM, inherited, script
from tests.doubles.server import Served, scripted_server, services_for, serving, texts

from anaphora import InMemoryStore, ScriptedProvider, SQLiteStore, Tool
from anaphora.errors import RateLimited, ServerFailed, StoreUnusable, StreamInterrupted
from anaphora.providers.scripted import Delay
from anaphora.server.live_run import ServerStopping
from anaphora.values.events import Ended, TextDelta, ThinkingDelta, ToolCallDelta

SLOW = [TextDelta("one "), Delay(30.0), TextDelta("two")]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Served, Served]]:
    """Two servers on one file, as two processes are."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(scripted_server(SLOW, SLOW, path=tmp_path / "x.db")) for _ in range(2))
        yield one, other


def first_words(stream: Any) -> tuple[str, list[Any]]:
    """Reads a stream up to its first words; gives the id of its response, and the events."""
    events = []
    for event in stream:
        events.append(event)
        if event.type == "response.output_text.delta":
            break
    return events[0].response.id, events


def test_a_response_is_followed_and_cancelled_from_another_process(pair: tuple[Served, Served]):
    one, other = pair
    response_id, seen = first_words(one.client().responses.create(input="hi", stream=True))
    followed: list[Any] = []
    reader = Thread(target=lambda: followed.extend(other.client().responses.retrieve(response_id, stream=True)))
    reader.start()
    cancelled = other.client().responses.cancel(response_id)
    reader.join(20)
    assert (cancelled.status, cancelled.output_text) == ("cancelled", "one ")
    assert [event.to_dict() for event in followed[: len(seen)]] == [event.to_dict() for event in seen]
    assert followed[-1].response.status == "cancelled"
    assert [event.sequence_number for event in followed] == list(range(len(followed)))
    assert one.client().responses.retrieve(response_id).status == "cancelled"


def test_a_closed_connection_stops_nothing(tmp_path: Path):
    with scripted_server([TextDelta("one "), Delay(0.3), TextDelta("two")], path=tmp_path / "x.db") as served:
        stream = served.client().responses.create(input="hi", stream=True)
        response_id, _ = first_words(stream)
        stream.close()
        *_, last = served.client().responses.retrieve(response_id, stream=True)
        assert last.response.output_text == "one two"


def test_a_busy_conversation_is_told_and_nothing_is_stored(pair: tuple[Served, Served]):
    one, other = pair
    made = one.client().conversations.create()
    response_id, _ = first_words(one.client().responses.create(input="hi", stream=True, conversation=made.id))
    for served in pair:
        with pytest.raises(openai.BadRequestError) as caught:
            served.client().responses.create(input="me too", conversation=made.id)
        assert (caught.value.code, caught.value.param) == ("conversation_locked", "conversation")
    with pytest.raises(openai.BadRequestError) as caught:
        other.client().responses.create(input="me too", previous_response_id=response_id)
    assert caught.value.code == "conversation_locked"
    one.client().responses.cancel(response_id)
    items = other.client().conversations.items.list(made.id, order="asc").data
    assert [item.content[0].text for item in items] == ["hi", "one "]


def test_a_repeated_request_joins_the_run_that_is_there(pair: tuple[Served, Served]):
    one, other = pair
    made = one.client().conversations.create()
    response_id, _ = first_words(one.client().responses.create(input="hi", stream=True, conversation=made.id))
    again = other.http().post(
        "/v1/responses",
        json={"input": "hi", "conversation": made.id, "background": True},
        headers={"x-stainless-retry-count": "1"},
    )
    assert again.status_code == 400
    assert again.json()["error"]["code"] == "conversation_locked"
    repeated = other.client().responses.create(
        input="hi", stream=True, conversation=made.id, extra_headers={"x-stainless-retry-count": "1"}
    )
    assert first_words(repeated)[0] == response_id
    one.client().responses.cancel(response_id)
    assert len(one.client().conversations.items.list(made.id).data) == 2


def test_a_request_with_a_key_is_done_once():
    with scripted_server("first", "second") as served:
        headers = {"idempotency-key": "k1"}
        answers = [served.client().responses.create(input="hi", extra_headers=headers).output_text for _ in range(2)]
        assert answers == ["first", "first"]
        with pytest.raises(openai.BadRequestError) as caught:
            served.client().responses.create(input="other", extra_headers=headers)
        assert caught.value.code == "idempotency_key_reused"
        assert served.client().responses.create(input="hi").output_text == "second"


def acting(name: str, ran: list[str]) -> Tool:
    async def run(arguments: dict[str, Any], _: Any) -> str:
        ran.append(json.dumps(arguments))
        return "done"

    return Tool(name, "Acts.", {"type": "object", "properties": {}}, run, acting=True)


@pytest.mark.parametrize("allow", [True, False])
def test_a_tool_that_acts_waits_for_its_owners_word_also_from_another_process(tmp_path: Path, allow: bool):
    ran: list[str] = []
    call: list[Any] = [ToolCallDelta(0, "call_x", "wipe", "{}"), Ended("tool_calls")]
    with ExitStack() as stack:
        provider = ScriptedProvider(call, "Finished.")
        services = services_for(provider, SQLiteStore(tmp_path / "x.db"), tools=[acting("wipe", ran)])
        one = stack.enter_context(serving(services))
        other = stack.enter_context(scripted_server("unused", path=tmp_path / "x.db"))
        lines = one.http().stream("POST", "/v1/responses", json={"input": "wipe it", "stream": True})
        with lines as response:
            response_id, asked = "", False
            events = []
            for line in response.iter_lines():
                if not line.startswith("data: "):
                    continue
                event = json.loads(line[6:])
                events.append(event)
                response_id = event.get("response", {}).get("id", response_id)
                if event["type"] == "anaphora.confirmation_requested":
                    asked = True
                    assert event["name"] == "wipe"
                    assert ran == []
                    told = other.http().post(
                        f"/v1/responses/{response_id}/confirm", json={"call_id": event["call_id"], "allow": allow}
                    )
                    assert told.status_code == 200
        assert asked
        last = events[-1]["response"]
        assert last["status"] == "completed"
        assert (last["output"][0]["type"], last["output"][0]["name"]) == ("mcp_call", "wipe")
        assert ran == (["{}"] if allow else [])
        assert last["output"][-1]["content"][0]["text"] == "Finished."
        again = [event.to_dict() for event in one.client().responses.retrieve(response_id, stream=True)]
        assert [event["sequence_number"] for event in again] == [event["sequence_number"] for event in events]
        assert one.http().post(f"/v1/responses/{response_id}/confirm", json={"call_id": "x", "allow": True}).status_code == 400


def test_a_provider_that_is_down_is_told_and_the_message_is_kept():
    with scripted_server(ServerFailed("it is down.", retryable=False), "back") as served:
        made = served.client().conversations.create()
        with pytest.raises(openai.APIStatusError) as caught:
            served.client().responses.create(input="hi", conversation=made.id)
        assert caught.value.status_code == 502
        assert "it is down" in str(caught.value)
        again = served.client().responses.create(input="hello?", conversation=made.id)
        assert again.output_text == "back"
        found = served.http().get("/v1/conversations", params={"q": "hi"}).json()["data"]
        assert [one["id"] for one in found] == [made.id]


def test_an_answer_that_is_cut_is_incomplete_and_its_words_are_kept():
    with scripted_server([TextDelta("half"), StreamInterrupted("cut.", retryable=False)]) as served:
        *_, last = served.client().responses.create(input="hi", stream=True)
        assert last.type == "response.incomplete"
        assert last.response.output[0].status == "incomplete"
        assert served.client().responses.retrieve(last.response.id).output_text == "half"
    with scripted_server([TextDelta("half"), Ended("length")]) as served:
        response = served.client().responses.create(input="hi")
        assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_a_log_that_is_gone_is_made_again_of_the_messages(tmp_path: Path):
    with scripted_server(echo=True, path=tmp_path / "x.db") as served:
        response = served.client().responses.create(input="hi there")
        served.do(lambda: served.services.store.drop_events(before=time.time() + 60))
        events = list(served.client().responses.retrieve(response.id, stream=True))
        assert texts(events) == "You said: hi there"
        assert events[-1].type == "response.completed"
        again = served.client().responses.retrieve(response.id)
        assert again.to_dict() == response.to_dict()


def test_a_server_that_is_stopped_ends_running_answers_with_a_last_event(tmp_path: Path):
    with scripted_server(SLOW, path=tmp_path / "x.db") as served:
        events: list[Any] = []
        stream = served.client().responses.create(input="hi", stream=True)
        response_id, _ = first_words(stream)
        reader = Thread(target=lambda: events.extend(served.client().responses.retrieve(response_id, stream=True)))
        reader.start()
        served.do(lambda: served.services.kept.keeper.drain(0.01))
        reader.join(20)
        assert events[-1].type == "response.incomplete"
        assert events[-1].response.output_text == "one "
        assert "stopped before the answer was whole" in events[-1].response.error.message
        with pytest.raises(openai.InternalServerError) as caught:
            served.client().responses.create(input="more")
        assert caught.value.status_code == 503
        assert served.http().get("/readyz").status_code == 503
    assert issubclass(ServerStopping, Exception)


def started(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A server as a process; gives it with its address."""
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=inherited(),
    )
    assert process.stdout
    line = process.stdout.readline()
    assert line.startswith("anaphora serves http://127.0.0.1:")
    return process, line.split()[-1]


@pytest.mark.slow
def test_a_killed_server_leaves_the_words_of_its_answers_to_the_next_one(tmp_path: Path):
    path, model = tmp_path / "x.db", script(tmp_path, "text: one two three\ndelay: 60\ntext: four")
    process, url = started("-m", model, "--store", str(path))
    client: Any = openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0)
    stream = iter(client.responses.create(input="hi", stream=True))
    seen = [next(stream) for _ in range(6)]
    # What is stored is what another process can read.
    while True:
        with scripted_server("unused", path=path) as other:
            kept = other.http().get(f"/v1/responses/{seen[0].response.id}").json()
        if kept["output"] and "three" in str(kept["output"]):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
        list(stream)
    process, url = started("-m", model, "--store", str(path))
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0)
    last = seen[-1].sequence_number
    rest = list(client.responses.retrieve(seen[0].response.id, stream=True, starting_after=last))
    numbers = [event.sequence_number for event in rest]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == last + 1
    assert texts([*seen, *rest]) == "one two three"
    assert rest[-1].type == "response.incomplete"
    assert rest[-1].sequence_number > 10_000
    # Also whoever had seen more than was stored gets a last event.
    *_, end = client.responses.retrieve(seen[0].response.id, stream=True, starting_after=5_000)
    assert end.type == "response.incomplete"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_a_stop_by_a_signal_waits_for_the_grace_and_exits_with_zero(tmp_path: Path):
    process, url = started("-m", script(tmp_path, "text: one\ndelay: 60"), "--store", str(tmp_path / "x.db"), "--grace", "0")
    other: Any = openai.OpenAI(base_url=f"{url}/v1", api_key="x")
    stream = other.responses.create(input="hi", stream=True)
    _, events = first_words(stream)
    process.send_signal(signal.SIGINT)
    rest = list(stream)
    assert rest[-1].type == "response.incomplete"
    assert process.wait(20) == 0
    assert events


def test_an_in_memory_server_forgets_what_is_not_stored():
    with scripted_server(echo=True, store=InMemoryStore()) as served:
        for _ in range(3):
            served.client().responses.create(input="x", store=False)
        assert served.do(lambda: served.services.passing.store.conversations("me")) == []


def test_a_yes_holds_for_one_call_alone_whatever_ids_a_provider_gives():
    ran: list[str] = []

    def wipes(disk: str) -> list[Any]:
        return [ToolCallDelta(0, "toolu_same", "wipe", json.dumps({"disk": disk})), Ended("tool_calls")]

    tool = acting("wipe", ran)
    with serving(services_for(ScriptedProvider(wipes("tmp"), wipes("all"), "Done."), InMemoryStore(), tools=[tool])) as served:
        http, asked = served.http(), list[str]()
        with http.stream("POST", "/v1/responses", json={"input": "wipe", "stream": True}) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: ") and "confirmation_requested" in line:
                    event = json.loads(line[6:])
                    asked.append(event["call_id"])
                    allow = {"call_id": event["call_id"], "allow": len(asked) == 1}
                    (run,) = [run for _, run in served.services.kept.keeper._live]
                    assert http.post(f"/v1/responses/{run}/confirm", json=allow).status_code == 200
        assert len(set(asked)) == 2
        assert ran == ['{"disk": "tmp"}']


def test_a_request_that_failed_is_asked_again_when_the_client_repeats_it():
    limited = RateLimited("slow down.", retry_after=0.01, retryable=False)
    with scripted_server(limited, "fine") as served:
        client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="x", max_retries=2)
        assert client.responses.create(input="hi").output_text == "fine"


def test_the_same_key_at_the_same_time_is_one_run():
    replies = [[TextDelta("one "), Delay(0.2), TextDelta("two")]] * 3
    with scripted_server(*replies) as served, ThreadPoolExecutor(4) as threads:
        http = served.http()
        made = http.post("/v1/conversations", json={}).json()["id"]
        for number, (path, body) in enumerate(
            (
                ("/v1/responses", {"input": "x"}),
                ("/v1/responses", {"input": "x", "conversation": made}),
                ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "conversation": "c"}),
            )
        ):
            headers = {"idempotency-key": f"k{number}"}
            found = list(threads.map(lambda _, p=path, b=body, h=headers: http.post(p, json=b, headers=h), range(4)))
            assert [answer.status_code for answer in found] == [200] * 4
            assert len({answer.json()["id"] for answer in found}) == 1


def test_deleting_every_response_of_a_chain_deletes_the_conversation():
    with scripted_server(echo=True) as served:
        client = served.client()
        one = client.responses.create(input="a secret")
        two = client.responses.create(input="more", previous_response_id=one.id)
        client.responses.delete(one.id)
        assert len(served.http().get("/v1/conversations").json()["data"]) == 1
        client.responses.delete(two.id)
        assert served.http().get("/v1/conversations").json()["data"] == []


def test_a_stream_always_ends_with_its_last_event_also_when_its_log_is_gone():
    with scripted_server(echo=True) as served:
        client = served.client()
        events = list(client.responses.create(input="one two three", stream=True))
        response_id, seen = events[0].response.id, events[-2].sequence_number
        other = client.responses.create(input="forget me")
        client.conversations.items.delete(other.output[0].id, conversation_id=other.conversation.id)
        (last,) = client.responses.retrieve(response_id, stream=True, starting_after=seen)
        assert last.type == "response.completed"
        assert last.sequence_number > seen


def test_items_have_the_same_ids_in_the_response_and_in_the_conversation():
    weather: Any = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
    reply = [ThinkingDelta("hm"), TextDelta("Let me see."), ToolCallDelta(0, "c", "weather", "{}"), Ended("tool_calls")]
    with scripted_server(reply) as served:
        client = served.client()
        response = client.responses.create(input="x", tools=[weather])
        items = client.conversations.items.list(response.conversation.id, order="asc").data
        assert [item.id for item in items][1:] == [item.id for item in response.output]
        for item in response.output:
            assert client.conversations.items.retrieve(item.id, conversation_id=response.conversation.id).type == item.type


def test_an_end_that_could_not_be_stored_is_stored_later():
    store = InMemoryStore()
    with serving(services_for(ScriptedProvider(echo=True), store)) as served:
        real, failures = store.end_run, [StoreUnusable("the disk is full.")]

        async def failing(*arguments: Any) -> None:
            if failures:
                raise failures.pop()
            await real(*arguments)

        store.end_run = failing  # type: ignore[method-assign]
        response = served.client().responses.create(input="hi")
        assert response.output_text == "You said: hi"
        *_, last = served.client().responses.retrieve(response.id, stream=True)
        assert last.type == "response.completed"


def test_a_run_of_this_process_is_never_taken_for_dead(tmp_path: Path):
    with scripted_server([TextDelta("one "), Delay(0.5), TextDelta("two")], path=tmp_path / "x.db") as served:
        stream = served.client().responses.create(input="hi", stream=True)
        response_id, _ = first_words(stream)
        with closing(sqlite3.connect(tmp_path / "x.db")) as database:
            database.execute("UPDATE runs SET expires = 1")
            database.commit()
        assert served.client().responses.retrieve(response_id).status == "in_progress"
        served.do(served.services.store.end_dead_runs)
        *_, last = stream
        assert last.type == "response.completed"
        replay = list(served.client().responses.retrieve(response_id, stream=True))
        assert [event.type for event in replay].count("response.completed") == 1
