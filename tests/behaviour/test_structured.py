"""Answers into types: by the provider's schema mode, in words, with one repair, and the error where it cannot be had."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel

from anaphora import AsyncChatbot, Chatbot, ScriptedProvider
from anaphora.errors import ConfigError, InvalidAnswer, RequestRejected
from anaphora.providers.base import ModelInfo
from anaphora.providers.models.card import ModelCard
from anaphora.providers.scripted import ScriptedReply
from anaphora.values.events import Ended, TextDelta, ToolCallDelta
from anaphora.values.message import Usage


@dataclass
class Invoice:
    """What is owed."""

    number: int
    total: float
    due: date | None = None
    tags: list[str] = field(default_factory=list)


class Trip(TypedDict):
    city: str


class Person(BaseModel):
    name: str


class Schematic(ScriptedProvider):
    """A provider with a mode for schemas."""

    async def prepare(self, model: str, /) -> ModelInfo:
        return ModelInfo(context_window=8_000, card=ModelCard(json_schema=True))


GOOD = '{"number": 7, "total": 12.5, "due": "2026-12-01"}'


def test_a_schema_mode_is_used_where_there_is_one():
    provider = Schematic(GOOD)
    with Chatbot(provider) as bot:
        answer = bot.say("Read this", output_type=Invoice)
        assert answer.value == Invoice(7, 12.5, date(2026, 12, 1))
        assert bot.history()[-1].text == GOOD
    (request,) = provider.requests
    assert request.schema is not None
    assert request.schema["required"] == ["number", "total"]
    assert request.messages[-1].text == "Read this"


def test_elsewhere_it_is_asked_for_in_words_which_are_not_kept():
    provider = ScriptedProvider(f"```json\n{GOOD}\n```", "Bye.")
    with Chatbot(provider) as bot:
        assert bot.say("Read this", output_type=Invoice).value.number == 7
        assert bot.history()[0].text == "Read this"
        bot.say("Thanks")
    assert provider.requests[0].schema is None
    asked = provider.requests[0].messages[-1].text
    assert asked.startswith("Read this\n\nAnswer with one JSON value that matches this JSON schema")
    assert provider.requests[1].messages[0].text == "Read this"


@pytest.mark.parametrize(
    ("into", "text", "value"),
    [
        (Trip, '{"city": "Oslo"}', {"city": "Oslo"}),
        (Person, '{"name": "Ann"}', Person(name="Ann")),
        (list[int], "[1, 2]", [1, 2]),
        (int, "5", 5),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, '{"a": 3}', {"a": 3}),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, '{"a": null}', {}),
    ],
)
def test_an_answer_can_be_of_many_types(into: Any, text: str, value: Any):
    with Chatbot(ScriptedProvider(text)) as bot:
        assert bot.say("Go", output_type=into).value == value


def test_a_wrong_answer_is_repaired_once_and_only_the_right_one_is_kept():
    provider = ScriptedProvider('{"number": "seven", "total": 1}', GOOD)
    with Chatbot(provider) as bot:
        answer = bot.say("Read", output_type=Invoice)
        assert answer.value.number == 7
        assert len(answer.warnings) == 1
        assert [entry.text for entry in bot.history()] == ["Read", GOOD]
    again = provider.requests[1].messages
    assert [message.role for message in again] == ["user", "assistant", "user"]
    assert "number: it must be a whole number" in again[-1].text


def test_a_repair_is_on_the_bill_as_it_was_reported():
    wrong: ScriptedReply = [TextDelta("no"), Ended("stop", Usage(1_000, 0, 10))]
    right: ScriptedReply = [TextDelta(GOOD), Ended("stop", Usage(1_100, 0, 20))]
    with Chatbot(ScriptedProvider(wrong, right)) as bot:
        answer = bot.say("Read", output_type=Invoice)
        assert answer.usage is not None
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (2_100, 30)
        assert bot.usage().input_tokens == 2_100


def test_what_cannot_be_repaired_is_an_error_with_the_text():
    with Chatbot(ScriptedProvider("I would rather not.", "Really not.", "Hello.")) as bot:
        with pytest.raises(InvalidAnswer) as caught:
            bot.say("Read", output_type=Invoice)
        assert caught.value.text == "Really not."
        assert "not valid JSON" in caught.value.reason
        # The words are kept, and the next context is clean.
        assert bot.history() == ()
        assert bot.say("Hi").text == "Hello."


def test_an_answer_that_was_cut_says_so():
    cut: ScriptedReply = [TextDelta('{"number": 7, "to'), Ended("length")]
    with Chatbot(ScriptedProvider(cut, cut)) as bot, pytest.raises(InvalidAnswer, match="cut at the longest answer"):
        bot.say("Read", output_type=Invoice)


def test_a_service_that_refuses_the_schema_is_asked_in_words():
    provider = Schematic(RequestRejected("schema too deep"), GOOD)
    with Chatbot(provider) as bot:
        assert bot.say("Read", output_type=Invoice).value.total == 12.5
    assert [request.schema is None for request in provider.requests] == [False, True]


def look() -> str:
    """Looks."""
    return "number 7, total 12.5"


def test_tools_come_first_and_the_last_answer_is_of_the_type():
    script: list[ScriptedReply] = [[ToolCallDelta(0, "l", "look"), Ended("tool_calls")], GOOD]
    provider = Schematic(*script)
    with Chatbot(provider, tools=[look]) as bot:
        assert bot.say("Read", output_type=Invoice).value.number == 7
    assert all(request.schema is None for request in provider.requests)


def test_a_repair_is_asked_for_in_words_and_calls_no_tools():
    provider = ScriptedProvider("Wrong.", GOOD)
    with Chatbot(provider, tools=[look]) as bot:
        assert bot.say("Read", output_type=Invoice).value.number == 7
    assert [request.options.tool_choice for request in provider.requests] == ["auto", "none"]


def test_what_was_said_with_a_key_may_be_of_another_shape():
    with Chatbot(ScriptedProvider("Hello.")) as bot:
        bot.say("Read", key="k")
        with pytest.raises(InvalidAnswer, match="not valid JSON"):
            bot.say("Read", output_type=Invoice, key="k")


def test_the_schema_counts_in_the_budget():
    with Chatbot(ScriptedProvider("5", "6")) as bot:
        first, second = bot.say("Go", output_type=int).context, bot.say("Go").context
    assert first is not None
    assert second is not None
    assert first.tools_tokens > 0 == second.tools_tokens


@pytest.mark.parametrize("into", [bytes, {"type": "nonsense"}, object()])
def test_what_no_answer_can_be_is_an_error_before_anything_is_sent(into: Any):
    provider = ScriptedProvider()
    with Chatbot(provider) as bot, pytest.raises(ConfigError):
        bot.say("Go", output_type=into)
    assert provider.requests == []


@pytest.mark.anyio
async def test_the_asynchronous_door_does_the_same():
    async with AsyncChatbot(ScriptedProvider('{"city": "Oslo"}')) as bot:
        assert (await bot.say("Where?", output_type=Trip)).value == {"city": "Oslo"}


def test_what_was_said_with_a_key_gives_the_value_again():
    provider = ScriptedProvider(GOOD)
    with Chatbot(provider) as bot:
        assert bot.say("Read", output_type=Invoice, key="k").value == bot.say("Read", output_type=Invoice, key="k").value
    assert len(provider.requests) == 1


@pytest.mark.slow
@pytest.mark.local
def test_the_local_model_fills_a_schema_under_its_grammar():
    with Chatbot("local", temperature=0) as bot:
        value = bot.say("Read this receipt: invoice number 7, total 12.50 euros.", output_type=Invoice).value
    assert isinstance(value, Invoice)
    assert value.number == 7


@pytest.mark.slow
@pytest.mark.local
def test_the_local_model_calls_a_tool_that_is_demanded():
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return f"It is sunny in {city}, 21 degrees."

    with Chatbot("local", tools=[get_weather]) as bot:
        answer = bot.say("What is the weather in Paris?", tool_choice="get_weather")
        calls, results = answer.steps
        assert [call.name for call in calls.tool_calls] == ["get_weather"]
        assert results.tool_results[0].text == "It is sunny in Paris, 21 degrees."
        assert "sunny" in answer.text
        # It cannot tell when to call one, so it is told of none otherwise.
        assert bot.say("What's the capital of France?").steps == ()
