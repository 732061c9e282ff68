"""Chat completions: a relay without more, and a memory with a conversation or for a token that asks for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.doubles.server import Served, scripted_server, services_for, serving

from anaphora import InMemoryStore, ScriptedProvider
from anaphora.errors import ServerFailed, StreamInterrupted
from anaphora.server.openai.chain import chain_of, common_start, overlap
from anaphora.stores.token_records import Limits, Token, token_hash
from anaphora.values.events import Ended, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Usage, text_message
from anaphora.values.scope import Scope

TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def user(text: str) -> Any:
    return {"role": "user", "content": text}


@pytest.fixture
def echo() -> Iterator[Served]:
    with scripted_server(echo=True) as served:
        yield served


def test_a_relay_answers_and_keeps_nothing(echo: Served):
    client = echo.client()
    done = client.chat.completions.create(model="scripted:", messages=[user("hello")])
    assert done.choices[0].message.content == "You said: hello"
    assert done.choices[0].finish_reason == "stop"
    assert done.usage
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    assert echo.http().get("/v1/conversations").json()["data"] == []


def test_a_relay_streams_with_usage_at_the_end(echo: Served):
    stream = echo.client().chat.completions.create(
        model="", messages=[user("hello you")], stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "You said: hello you"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    raw = echo.http().post("/v1/chat/completions", json={"messages": [user("hi")], "stream": True}).text
    assert raw.endswith("data: [DONE]\n\n")


def test_a_relay_passes_options_tools_pictures_schemas_and_several_choices():
    call: list[Any] = [ToolCallDelta(0, "call_abc", "weather", "{}"), Ended("tool_calls", Usage(3, 0, 2))]
    provider = ScriptedProvider(call, '{"a": 1}', "x", "y")
    with serving(services_for(provider, InMemoryStore())) as served:
        client = served.client()
        picture = {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlhAQABAAAAACw="}}
        asked = [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "hi"}, picture]},
        ]
        done = client.chat.completions.create(
            model="", messages=asked, tools=[TOOL], tool_choice="auto", temperature=0.5, max_tokens=7, stop=["END"], seed=3
        )
        assert done.choices[0].finish_reason == "tool_calls"
        assert done.choices[0].message.tool_calls[0].function.name == "weather"
        sent = provider.requests[0]
        assert (sent.options.temperature, sent.options.max_tokens, sent.options.stop, sent.options.seed) == (0.5, 7, ("END",), 3)
        assert [tool.name for tool in sent.tools] == ["weather"]
        assert sent.messages[0].text == "Be short."
        schema: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
        answer = client.chat.completions.create(model="", messages=[user("x")], response_format=schema)
        assert json.loads(answer.choices[0].message.content or "") == {"a": 1}
        two = client.chat.completions.create(model="", messages=[user("x")], n=2)
        assert [choice.message.content for choice in two.choices] == ["x", "y"]


def test_thinking_and_a_broken_stream_are_told():
    reply = [ThinkingDelta("hm"), TextDelta("Yes"), StreamInterrupted("the line was cut.")]
    with scripted_server(reply) as served:
        stream = served.client().chat.completions.create(model="", messages=[user("x")], stream=True)
        with pytest.raises(openai.APIError, match="the line was cut"):
            list(stream)
    with scripted_server(ServerFailed("the provider is down.", retryable=False)) as served:
        with pytest.raises(openai.InternalServerError) as caught:
            served.client().chat.completions.create(model="", messages=[user("x")], stream=True)
        assert caught.value.status_code == 502
        assert caught.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [False, True])
def test_with_a_conversation_it_remembers_whether_one_message_is_sent_or_the_whole_list(echo: Served, stream: bool):
    client = echo.client()

    def say(messages: list[Any]) -> str:
        done: Any = client.chat.completions.create(
            model="", messages=messages, stream=stream, extra_body={"conversation": "trip to Kyoto"}
        )
        if not stream:
            assert done.conversation == {"id": "trip to Kyoto"}
            return str(done.choices[0].message.content)
        return "".join(chunk.choices[0].delta.content or "" for chunk in done if chunk.choices)

    assert say([user("one")]) == "You said: one"
    assert say([user("two")]) == "You said: two"
    whole = [user("one"), {"role": "assistant", "content": "You said: one"}, user("two")]
    assert say([*whole, {"role": "assistant", "content": "You said: two"}, user("three")]) == "You said: three"
    items = client.conversations.items.list("trip to Kyoto", order="asc").data
    assert [item.content[0].text for item in items if item.role == "user"] == ["one", "two", "three"]
    edited = [user("one"), {"role": "assistant", "content": "You said: one"}, user("TWO")]
    assert say(edited) == "You said: TWO"
    items = client.conversations.items.list("trip to Kyoto", order="asc").data
    assert [item.content[0].text for item in items if item.role == "user"] == ["one", "TWO"]
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="", messages=[user("x")], extra_body={"conversation": "conv_missing"})


def test_a_tool_of_the_client_works_in_a_conversation():
    call = [ToolCallDelta(0, "0", "weather", "{}"), Ended("tool_calls")]
    with scripted_server(call, "Sunny.") as served:
        client = served.client()
        extra = {"conversation": "weather"}
        one = client.chat.completions.create(model="", messages=[user("Weather?")], tools=[TOOL], extra_body=extra)
        wanted = one.choices[0].message.tool_calls[0]
        assert one.choices[0].finish_reason == "tool_calls"
        result: Any = {"role": "tool", "tool_call_id": wanted.id, "content": "25"}
        said: Any = {"role": "assistant", "tool_calls": [wanted.to_dict()]}
        two = client.chat.completions.create(model="", messages=[user("Weather?"), said, result], tools=[TOOL], extra_body=extra)
        assert two.choices[0].message.content == "Sunny."
        kinds = [item.type for item in client.conversations.items.list("weather", order="asc").data]
        assert kinds == ["message", "function_call", "function_call_output", "message"]


def remembering(served: Served) -> Any:
    served.do(lambda: served.services.store.add_token(Token(token_hash("ana_x"), "x", "x", Limits(), remembers=True)))
    return served.client("ana_x")


def test_for_a_token_that_asks_for_it_a_plain_list_is_recognised():
    with scripted_server(echo=True) as served:
        client = remembering(served)
        messages: list[Any] = [{"role": "system", "content": "It is Monday."}]

        def say(text: str) -> None:
            messages.append(user(text))
            done = client.chat.completions.create(model="", messages=messages)
            messages.append({"role": "assistant", "content": done.choices[0].message.content})

        for said in ("one", "two", "three"):
            messages[0] = {"role": "system", "content": f"It is {said}."}
            say(said)
        listed = served.http("ana_x").get("/v1/conversations").json()["data"]
        assert [one["messages"] for one in listed] == [6]
        del messages[3:]
        say("another two")
        listed = served.http("ana_x").get("/v1/conversations").json()["data"]
        assert [one["messages"] for one in listed] == [8]
        branches = served.do(lambda: served.services.store.leaves(Scope("x", listed[0]["id"])))
        assert [leaf.text for leaf in branches] == ["You said: three", "You said: another two"]
        del messages[1:]
        say("one")
        assert len(served.http("ana_x").get("/v1/conversations").json()["data"]) == 2


def test_the_new_part_of_a_list_is_found():
    def said(*texts: str) -> list[Any]:
        return [text_message("user" if place % 2 == 0 else "assistant", text) for place, text in enumerate(texts)]

    assert overlap(said("a", "b", "c"), said("a", "b")) == 2
    assert overlap(said("c"), said("a", "b")) == 0
    assert common_start(said("a", "x"), said("a", "b")) == 1
    assert chain_of(said("a", "b")) == chain_of(said(" a ", "b\n")) != chain_of(said("a", "c"))
    assert chain_of(said("a", "b", "c")[2:], chain_of(said("a", "b"))) == chain_of(said("a", "b", "c"))
