"""Responses, asked by OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from tests.doubles.server import Served, scripted_server, texts

from anaphora import ScriptedProvider
from anaphora.values.events import Ended, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Usage

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Tell the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def echo() -> Iterator[Served]:
    with scripted_server(echo=True) as served:
        yield served


def test_an_answer_comes_whole_with_its_usage_and_context(echo: Served):
    response = echo.client().responses.create(model="scripted:", input="hello", metadata={"mine": "1"})
    assert (response.status, response.output_text, response.model) == ("completed", "You said: hello", "scripted:")
    assert response.id.startswith("resp_")
    assert response.output[0].id.startswith("msg_")
    assert response.usage
    assert response.usage.input_tokens > 0
    assert response.metadata
    assert response.metadata["mine"] == "1"
    assert "verbatim; nothing left out" in response.metadata["anaphora.context"]
    assert response.conversation


def test_a_chain_of_responses_is_a_conversation(echo: Served):
    client = echo.client()
    one = client.responses.create(input="my name is Ada", model="")
    two = client.responses.create(input="who am I?", previous_response_id=one.id)
    assert one.conversation
    assert two.conversation == one.conversation
    items = client.conversations.items.list(one.conversation.id, order="asc").data
    assert [item.content[0].text for item in items] == [
        "my name is Ada",
        "You said: my name is Ada",
        "who am I?",
        "You said: who am I?",
    ]


def test_a_chain_may_fork(echo: Served):
    client = echo.client()
    root = client.responses.create(input="root")
    left = client.responses.create(input="left", previous_response_id=root.id)
    right = client.responses.create(input="right", previous_response_id=root.id)
    assert left.conversation == right.conversation == root.conversation
    assert root.conversation
    items = client.conversations.items.list(root.conversation.id, order="asc").data
    assert [item.content[0].text for item in items] == ["root", "You said: root", "right", "You said: right"]
    more = client.responses.create(input="more", previous_response_id=left.id)
    items = client.conversations.items.list(root.conversation.id, order="asc").data
    assert [item.content[0].text for item in items][2:4] == ["left", "You said: left"]
    assert more.output_text == "You said: more"


def test_events_come_in_the_order_of_the_api_and_are_numbered_without_a_gap(echo: Served):
    events = list(echo.client().responses.create(input="hi", stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert texts(events) == "You said: hi"


def test_the_stream_helper_gives_the_final_response(echo: Served):
    with echo.client().responses.stream(model="scripted:", input="hi") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == "You said: hi"


def test_the_asynchronous_client_reads_streams_too(echo: Served):
    import anyio

    async def main() -> str:
        async with openai.AsyncOpenAI(base_url=f"{echo.url}/v1", api_key="x") as client:
            stream = await client.responses.create(input="hi", stream=True)
            return texts([event async for event in stream])

    assert anyio.run(main) == "You said: hi"


def test_a_stream_can_be_read_again_from_any_number(echo: Served):
    client = echo.client()
    events = list(client.responses.create(input="one two three", stream=True))
    response_id = events[0].response.id
    whole = list(client.responses.retrieve(response_id, stream=True))
    assert [event.to_dict() for event in whole] == [event.to_dict() for event in events]
    rest = list(client.responses.retrieve(response_id, stream=True, starting_after=4))
    assert [event.to_dict() for event in rest] == [event.to_dict() for event in events[5:]]
    with client.responses.stream(response_id=response_id, starting_after=4) as stream:
        assert [event.sequence_number for event in stream] == [event.sequence_number for event in events[5:]]


def test_a_response_in_the_background_is_retrieved_and_deleted(echo: Served):
    client = echo.client()
    begun = client.responses.create(input="hi", background=True)
    assert begun.status in {"queued", "in_progress", "completed"}
    *_, last = client.responses.retrieve(begun.id, stream=True)
    assert last.type == "response.completed"
    assert client.responses.retrieve(begun.id).output_text == "You said: hi"
    client.responses.delete(begun.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(begun.id)
    assert begun.conversation
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(begun.conversation.id)


def test_a_background_stream_says_first_that_it_is_queued(echo: Served):
    kinds = [event.type for event in echo.client().responses.create(input="hi", background=True, stream=True)]
    assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]


def test_a_tool_of_the_client_ends_the_response_and_its_output_goes_on():
    call = [TextDelta("Let me see."), ToolCallDelta(0, "call_7", "weather", '{"city": '), ToolCallDelta(0, arguments='"Rome"}')]
    with scripted_server([*call, Ended("tool_calls")], "Sunny in Rome.") as served:
        client = served.client()
        one = client.responses.create(input="Weather in Rome?", tools=[WEATHER])
        assert one.status == "completed"
        text, wanted = one.output
        assert (text.content[0].text, wanted.type, wanted.name) == ("Let me see.", "function_call", "weather")
        assert wanted.id.startswith("fc_")
        assert json.loads(wanted.arguments) == {"city": "Rome"}
        output = {"type": "function_call_output", "call_id": wanted.call_id, "output": "25 degrees"}
        two = client.responses.create(previous_response_id=one.id, input=[output], tools=[WEATHER])
        assert two.output_text == "Sunny in Rome."
        kinds = [item.type for item in client.conversations.items.list(one.conversation.id, order="asc").data]
        assert kinds == ["message", "message", "function_call", "function_call_output", "message"]


def test_a_list_of_items_with_calls_and_outputs_is_taken_as_it_is():
    with scripted_server("Sunny.", "Sunny.") as served:
        client = served.client()
        items = [
            {"role": "user", "content": "Weather?"},
            {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "25 degrees"},
        ]
        for stored in (True, False):
            assert client.responses.create(input=items, tools=[WEATHER], store=stored).output_text == "Sunny."


def test_thinking_is_an_item_of_its_own():
    with scripted_server(
        [ThinkingDelta("hm, "), ThinkingDelta("yes"), TextDelta("Yes."), Ended("stop", Usage(5, 0, 7, 4))]
    ) as served:
        response = served.client().responses.create(input="Is it?")
        thought, said = response.output
        assert thought.type == "reasoning"
        assert thought.id.startswith("rs_")
        assert thought.summary[0].text == "hm, yes"
        assert said.content[0].text == "Yes."
        assert response.usage.output_tokens_details.reasoning_tokens == 4


def test_an_answer_of_a_schema_is_asked_for_and_given():
    provider = ScriptedProvider('{"name": "Ada"}')
    from tests.doubles.server import services_for, serving

    from anaphora import InMemoryStore

    with serving(services_for(provider, InMemoryStore())) as served:
        schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        form = {"format": {"type": "json_schema", "name": "person", "schema": schema, "strict": True}}
        response = served.client().responses.create(input="Who?", text=form)
        assert json.loads(response.output_text) == {"name": "Ada"}
        assert '"name"' in str(provider.requests[-1])


def test_nothing_stays_of_a_response_that_is_not_stored(echo: Served):
    client = echo.client()
    response = client.responses.create(input="a secret", store=False)
    assert response.output_text == "You said: a secret"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    assert echo.http().get("/v1/conversations", params={"q": "secret"}).json()["data"] == []
    stored = client.responses.create(input="my name is Ada")
    passing = client.responses.create(input="and?", previous_response_id=stored.id, store=False)
    assert passing.output_text == "You said: and?"
    kept = client.conversations.items.list(stored.conversation.id).data
    assert len(kept) == 2
    assert "".join(
        event.delta for event in client.responses.create(input="x y", store=False, stream=True) if "text.delta" in event.type
    )


def test_the_input_of_a_response_is_listed_and_counted(echo: Served):
    client = echo.client()
    items = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]
    response = client.responses.create(input=items)
    assert [item.content[0].text for item in client.responses.input_items.list(response.id, order="asc")] == [
        "one",
        "two",
        "three",
    ]
    assert [item.content[0].text for item in client.responses.input_items.list(response.id, limit=1).data] == ["three"]
    alone = client.responses.input_tokens.count(input="one").input_tokens
    after = client.responses.input_tokens.count(input="one", previous_response_id=response.id).input_tokens
    assert 0 < alone < after


def test_the_report_on_the_context_is_there(echo: Served):
    response = echo.client().responses.create(input="hi")
    told = echo.http().get(f"/v1/responses/{response.id}/context").json()
    assert told["tokens"]["window"] > 0
    assert any(line["about"] == "window" for line in told["lines"])
    assert told["left_out"] is None


def test_instructions_hold_for_one_response():
    provider = ScriptedProvider("a", "b")
    from tests.doubles.server import services_for, serving

    from anaphora import InMemoryStore

    with serving(services_for(provider, InMemoryStore())) as served:
        client = served.client()
        one = client.responses.create(input="hi", instructions="Speak like a pirate.")
        client.responses.create(input="hi again", previous_response_id=one.id)
        assert provider.requests[0].messages[0].text == "Speak like a pirate."
        assert "pirate" not in str(provider.requests[1].messages)
