"""A turn with tools: the rounds, what is shown of them, and their limits."""

import threading
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from tests.doubles.calls import call, calling, get_weather, results

from anaphora import AsyncChatbot, Chatbot, Retries, ScriptedProvider
from anaphora.context.cache import Sent, cache_loss
from anaphora.errors import ConfigError, UnreadableAnswer
from anaphora.providers.base import ModelInfo
from anaphora.providers.models.card import ModelCard
from anaphora.tools import ToolFailed, tool
from anaphora.tools.run import NOBODY_TO_ASK, REFUSED
from anaphora.values.events import Ended, TextDelta, ToolCallDelta, ToolEnded, ToolStarted
from anaphora.values.message import ToolCall, ToolResult, Usage

pytestmark = pytest.mark.anyio


def test_a_tool_is_called_and_its_result_answered():
    provider = ScriptedProvider(calling(call("get_weather", '{"city": "Paris"}'), text="I look."), "It is sunny in Paris.")
    with Chatbot(provider, tools=[get_weather]) as bot:
        answer = bot.say("What's the weather in Paris?")
        assert answer.text == "It is sunny in Paris."
        assert [message.role for message in answer.steps] == ["assistant", "tool"]
        assert [entry.role for entry in bot.history()] == ["user", "assistant", "tool", "assistant"]
        assert [entry.status for entry in bot.history()] == ["complete"] * 4
    assert [one.name for one in provider.requests[0].tools] == ["get_weather"]
    assert results(provider) == [ToolResult("id_get_weather_0", "sunny in Paris", "get_weather")]


def test_events_show_calls_and_results_as_they_happen():
    provider = ScriptedProvider(calling(call("get_weather", '{"city": "Paris"}')), "Sunny.")
    with Chatbot(provider, tools=[get_weather]) as bot:
        events = list(bot.stream("Weather?").events)
    shown = [type(event) for event in events if isinstance(event, ToolCallDelta | ToolStarted | ToolEnded | TextDelta)]
    assert shown == [ToolCallDelta, ToolStarted, ToolEnded, TextDelta]


def test_the_usage_of_an_answer_is_that_of_all_its_calls():
    provider = ScriptedProvider(
        [call("get_weather", '{"city": "X"}'), Ended("tool_calls", Usage(10, 0, 5))],
        [TextDelta("Hi"), Ended("stop", Usage(30, 10, 2))],
    )
    with Chatbot(provider, tools=[get_weather]) as bot:
        answer = bot.say("Weather?")
        assert answer.usage is not None
        assert (answer.usage.input_tokens, answer.usage.cached_tokens, answer.usage.output_tokens) == (40, 10, 7)
        assert bot.usage().input_tokens == 40


def test_calls_of_one_answer_run_together():
    both = threading.Barrier(2, timeout=20)

    def meet(name: str) -> str:
        """Wait for the other."""
        both.wait()
        return name

    calls = calling(call("meet", '{"name": "a"}', "1x", 0), call("meet", '{"name": "b"}', "2x", 1))
    provider = ScriptedProvider(calls, "Met.")
    with Chatbot(provider, tools=[meet]) as bot:
        assert bot.say("Go").text == "Met."
    assert [result.text for result in results(provider)] == ["a", "b"]


def boom() -> None:
    """Fails."""
    raise RuntimeError("no luck")


@tool(seconds=0.05)
async def slow() -> None:
    """Never ends."""
    await anyio.sleep_forever()


@tool(most=400)
def long() -> str:
    """Says much."""
    return "a" * 500 + "b" * 500


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (call("boom"), "Error: RuntimeError: no luck"),
        (call("slow"), "Error: it took longer than 0.05 seconds"),
        (call("get_wether", "{}"), "Error: there is no tool 'get_wether'. Did you mean get_weather?"),
        (call("get_weather", "{oops"), "Error: the arguments are not valid JSON: Expecting property name"),
        (call("get_weather", "[1]"), "Error: the arguments must be a JSON object."),
        (call("get_weather", "[" * 100_000), "Error: the arguments are not valid JSON: it is nested too deeply"),
        (call("get_weather", '{"city": 1}'), "Error: the arguments are wrong: city: it must be a text, not 1"),
        (call("", "{}"), "Error: there is no tool ''. There are: get_weather, boom, slow"),
    ],
)
def test_whatever_goes_wrong_goes_to_the_model_as_a_result(made: ToolCallDelta, said: str):
    provider = ScriptedProvider(calling(made), "Never mind.")
    with Chatbot(provider, tools=[get_weather, boom, slow]) as bot:
        assert bot.say("Go").text == "Never mind."
    (result,) = results(provider)
    assert result.failed
    assert result.text.startswith(said)


def test_a_long_result_is_shortened_in_its_middle():
    provider = ScriptedProvider(calling(call("long")), "Done.")
    with Chatbot(provider, tools=[long]) as bot:
        bot.say("Go")
    (result,) = results(provider)
    assert result.text.startswith("a" * 266 + "\n… (600 characters left out) …\n")
    assert result.text.endswith("b" * 134)


def test_after_so_many_rounds_the_model_must_answer():
    provider = ScriptedProvider(*[calling(call("get_weather", '{"city": "X"}')) for _ in range(3)], "Enough.")
    with Chatbot(provider, tools=[get_weather], max_steps=3) as bot:
        answer = bot.say("Go")
    assert answer.text == "Enough."
    assert answer.warnings == ("after 3 rounds of tools the model must answer with what it has",)
    assert [request.options.tool_choice for request in provider.requests] == ["auto", "auto", "auto", "none"]


def test_a_model_that_calls_tools_all_the_same_is_not_obeyed():
    called = calling(call("get_weather", '{"city": "X"}'))
    provider = ScriptedProvider(*[called] * 3, calling(call("get_weather", "{}"), text="Well."), "Sunny.")
    with Chatbot(provider, tools=[get_weather], max_steps=2, retries=Retries(attempts=0)) as bot:
        with pytest.raises(UnreadableAnswer, match="went on calling tools where it had to answer"):
            bot.say("Go")
        assert bot.history() == ()
        # What it said beside such calls is an answer.
        answer = bot.say("Go", tool_choice="none")
        assert (answer.text, answer.steps) == ("Well.", ())
        assert bot.history()[-1].message.tool_calls == ()


def test_three_rounds_of_calls_that_cannot_be_made_are_enough():
    provider = ScriptedProvider(*[calling(call("nonsense")) for _ in range(3)], "Sorry.")
    with Chatbot(provider, tools=[get_weather]) as bot:
        assert bot.say("Go").text == "Sorry."
    assert provider.requests[-1].options.tool_choice == "none"


def delete(path: str) -> str:
    """Deletes."""
    DELETED.append(path)
    return "deleted"


def test_a_tool_that_fails_for_a_reason_may_be_called_again():
    def find(name: str) -> str:
        """Finds."""
        raise ToolFailed(f"there is no {name}")

    names = [calling(call("find", f'{{"name": "{name}"}}')) for name in "abcd"]
    with Chatbot(ScriptedProvider(*names, "Nothing."), tools=[find]) as bot:
        answer = bot.say("Go")
    assert (answer.text, answer.warnings, len(answer.steps)) == ("Nothing.", (), 8)


DELETED: list[str] = []


@pytest.mark.parametrize(
    ("confirm", "said", "deleted"),
    [(None, NOBODY_TO_ASK, []), (lambda _: False, REFUSED, []), (lambda _: True, "deleted", ["x"])],
    ids=["nobody to ask", "no", "yes"],
)
def test_an_acting_tool_needs_a_yes(confirm: Any, said: str, deleted: list[str]):
    DELETED.clear()
    provider = ScriptedProvider(calling(call("delete", '{"path": "x"}')), "Ok.")
    with Chatbot(provider, tools=[tool(acting=True)(delete)], confirm=confirm) as bot:
        bot.say("Delete x")
    assert [result.text for result in results(provider)] == [said]
    assert deleted == DELETED


async def test_the_yes_may_be_awaited_and_is_told_what_is_asked():
    asked: list[ToolCall] = []

    async def confirm(made: ToolCall) -> bool:
        await anyio.lowlevel.checkpoint()
        asked.append(made)
        return True

    provider = ScriptedProvider(calling(call("delete", '{"path": "y"}', "c1")), "Ok.")
    async with AsyncChatbot(provider, tools=[tool(acting=True)(delete)], confirm=confirm) as bot:
        await bot.say("Delete y")
    assert asked == [ToolCall("c1", "delete", '{"path": "y"}')]


def test_results_leave_room_for_the_next_step():
    def much() -> str:
        """Gives much."""
        return "word " * 4_000

    provider = ScriptedProvider(*[calling(call("much")) for _ in range(3)], "Read.", context_window=3_000)
    with Chatbot(provider, tools=[much]) as bot:
        assert bot.say("Go").text == "Read."


def test_old_turns_make_room_for_results():
    def much() -> str:
        """Gives much."""
        return "word " * 1_000

    provider = ScriptedProvider(*["word " * 300 for _ in range(4)], calling(call("much")), "Read.", context_window=4_000)
    with Chatbot(provider, tools=[much]) as bot:
        for _ in range(4):
            bot.say("Go on")
        assert bot.say("Call it").text == "Read."
    assert len(results(provider)[0].text) > 1_500


def test_a_model_that_cannot_call_tools_is_told_of_none():
    class Plain(ScriptedProvider):
        async def prepare(self, model: str, /) -> ModelInfo:
            return ModelInfo(context_window=8_000, card=ModelCard(tools=False))

    provider = Plain("Hi.")
    with Chatbot(provider, tools=[get_weather]) as bot:
        answer = bot.say("Hi")
        assert answer.context is not None
        assert "scripted cannot call tools: it is not told of any" in str(answer.context)
    assert provider.requests[0].tools == ()


def test_a_tool_can_be_demanded_once():
    provider = ScriptedProvider(calling(call("get_weather", '{"city": "A"}')), "Done.")
    with Chatbot(provider, tools=[get_weather]) as bot:
        bot.say("Go", tool_choice="get_weather")
        with pytest.raises(ConfigError, match="there is no tool 'fly'"):
            bot.say("Go", tool_choice="fly")
    assert [request.options.tool_choice for request in provider.requests] == ["get_weather", "auto"]


def test_schemas_are_part_of_the_budget_and_the_report():
    provider = ScriptedProvider("Hi.")
    with Chatbot(provider, tools=[get_weather]) as bot:
        report = bot.say("Hi").context
        assert report is not None
        assert report.tools_tokens > 20
        assert report.parts["tools"] == report.tools_tokens
        assert sum(report.parts.values()) == report.budget


@pytest.mark.parametrize("tools", [[get_weather, get_weather], ["nonsense"], [3], "now"])
def test_wrong_tools_are_an_error_at_once(tools: Any):
    with pytest.raises(ConfigError):
        Chatbot(ScriptedProvider(), tools=tools)


def test_the_prefix_of_every_step_is_the_step_before():
    provider = ScriptedProvider(
        calling(call("get_weather", '{"city": "A"}')), calling(call("get_weather", '{"city": "B"}')), "Ok.", "Bye."
    )
    with Chatbot(provider, tools=[get_weather]) as bot:
        bot.say("Go")
        bot.say("Bye")
    for before, after in zip(provider.requests, provider.requests[1:], strict=False):
        assert after.messages[: len(before.messages)] == before.messages


@pytest.mark.parametrize(
    ("text", "calls"), [("漢字" * 15_000, 1), ("word " * 300, 40)], ids=["a script of dense tokens", "many results"]
)
def test_whatever_comes_back_the_next_step_has_room(text: str, calls: int):
    def much() -> str:
        """Gives much."""
        return text

    asked = calling(*(call("much", index=number) for number in range(calls)))
    provider = ScriptedProvider(asked, "Read.", context_window=8_000)
    with Chatbot(provider, tools=[much]) as bot:
        assert bot.say("Go").text == "Read."


def test_words_before_and_after_a_tool_are_paragraphs():
    provider = ScriptedProvider(calling(call("get_weather", '{"city": "X"}'), text="Let me see."), "Sunny.")
    with Chatbot(provider, tools=[get_weather]) as bot:
        assert "".join(bot.stream("Go")) == "Let me see.\n\nSunny."
        assert bot.history()[-1].text == "Sunny."


def test_a_persona_and_a_tool_of_ones_own_go_together():
    with Chatbot(ScriptedProvider(), persona="quiz", tools=[tool(get_weather)]) as bot:
        assert [one.name for one in bot.tools()] == ["score", "get_weather"]


def test_tools_that_changed_are_why_the_cache_was_missed():
    sent = Sent((), (), None, "", "m", "a")
    assert cache_loss(sent, replace(sent, tools="b"), 0, was=100, pause=0) == "the tools changed"
    assert cache_loss(sent, sent, 0, was=100, pause=0) == "the provider does not say why"
