from pathlib import Path

import pytest

from anaphora.errors import ConfigError, ProviderError, RateLimited, RequestRejected, StreamInterrupted
from anaphora.providers.base import ModelRef, ProviderOptions, Request
from anaphora.providers.scripted import Cut, Delay, ScriptedProvider, open_provider, parse_script, words
from anaphora.values.events import Ended, ProviderEvent, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Usage, text_message

pytestmark = pytest.mark.anyio
SCRIPT = """\
# a comment
text: Paris.\\nYes.
---
thinking: hm
delay: 0.01
text: Two million.
usage: 40 6
---
tool: look {"at": "map"}
---
text: The Eiff
cut
---
finish: length
---
error: rate_limited 2
"""


async def replies(provider: ScriptedProvider, count: int) -> list[list[ProviderEvent] | ProviderError]:
    result: list[list[ProviderEvent] | ProviderError] = []
    for number in range(count):
        events: list[ProviderEvent] = []
        try:
            async for event in provider.stream(Request("", (text_message("user", f"q{number}"),))):
                events.append(event)  # noqa: PERF401 -- what came before an error counts
            result.append(events)
        except ProviderError as error:
            result.append(error)
    return result


async def test_every_step_of_a_script_does_what_it_says():
    provider = ScriptedProvider(*parse_script(SCRIPT))
    first, second, third, fourth, fifth, sixth = await replies(provider, 6)
    assert isinstance(first, list)
    assert first[0] == TextDelta("Paris.")
    assert "".join(event.text for event in first if isinstance(event, TextDelta)) == "Paris.\nYes."
    assert isinstance(second, list)
    assert second[0] == ThinkingDelta("hm")
    assert second[-1] == Ended("stop", Usage(40, 0, 6), "scripted")
    assert isinstance(third, list)
    assert third[0] == ToolCallDelta(0, "call_look", "look", '{"at": "map"}')
    assert isinstance(fourth, StreamInterrupted)
    assert isinstance(fifth, list)
    assert isinstance(fifth[-1], Ended)
    assert fifth[-1].finish == "length"
    assert isinstance(sixth, RateLimited)
    assert sixth.retry_after == 2.0


async def test_in_python_replies_are_words_errors_or_steps():
    provider = ScriptedProvider("one two", RateLimited("slow"), [Delay(0), TextDelta("x"), Cut()])
    first, second, third, fourth = await replies(provider, 4)
    assert isinstance(first, list)
    assert first[:2] == [TextDelta("one"), TextDelta(" two")]
    assert isinstance(second, RateLimited)
    assert isinstance(third, StreamInterrupted)
    assert isinstance(fourth, RequestRejected)
    assert "no more replies" in str(fourth)
    assert len(provider.requests) == 4


async def test_it_tells_which_tokens_a_prompt_cache_would_have_had():
    provider = ScriptedProvider("a", "b")
    first, second = text_message("user", "hello there"), text_message("user", "and again")
    for messages in ((first,), (first, second)):
        async for event in provider.stream(Request("", messages)):
            end = event
    assert isinstance(end, Ended)
    assert end.usage is not None
    assert 0 < end.usage.cached_tokens < end.usage.input_tokens


async def test_without_a_script_it_says_back_what_it_was_told():
    provider = open_provider(ModelRef("scripted"), ProviderOptions())
    (events,) = await replies(provider, 1)
    assert isinstance(events, list)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "You said: q0"


async def test_a_script_can_stand_in_a_file(tmp_path: Path):
    path = tmp_path / "script"
    path.write_text("text: hi", encoding="utf-8")
    (events,) = await replies(open_provider(ModelRef("scripted", str(path)), ProviderOptions()), 1)
    assert isinstance(events, list)
    assert events[0] == TextDelta("hi")


@pytest.mark.parametrize(
    ("line", "reason"),
    [("dance: x", "'dance' is not a step"), ("delay: soon", "soon"), ("error: bad", "rate_limited"), ("usage: 1", "two numbers")],
)
def test_a_wrong_line_is_named(line: str, reason: str):
    with pytest.raises(ConfigError, match=f"line 2.*{reason}"):
        parse_script(f"text: ok\n{line}")


def test_a_missing_script_is_said_so():
    with pytest.raises(ConfigError, match="cannot be read"):
        open_provider(ModelRef("scripted", "/no/such/file"), ProviderOptions())


def test_words_keep_every_character():
    text = "  one\n\ntwo  three \n"
    assert "".join(step.text for step in words(text) if isinstance(step, TextDelta)) == text
