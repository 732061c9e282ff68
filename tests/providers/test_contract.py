"""What a provider may do wrong, and what becomes of it."""

import asyncio
import json
import math
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.errors import AnaphoraError, ProviderError, StreamInterrupted
from anaphora.providers.base import Request
from anaphora.providers.contract import MOST_ANSWER_CHARACTERS, MOST_CALLS, checked_usage
from anaphora.values.codec import usage_from_json, usage_to_json
from anaphora.values.events import Ended, ProviderEvent, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Usage

pytestmark = pytest.mark.anyio

TRUE: Any = True
# Values of wrong types, as careless providers give them.
ODD: list[Any] = [5, ["x"], {"a": 1}, "nonsense", None, 8]


class Wild(ScriptedProvider):
    """A provider that gives whatever it was made with, and raises the errors among it."""

    def __init__(self, *steps: Any) -> None:
        super().__init__()
        self._wild = steps

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        for step in self._wild:
            if isinstance(step, BaseException):
                raise step
            yield step


@pytest.mark.parametrize("error", [ZeroDivisionError("bug"), GeneratorExit(), asyncio.CancelledError(), KeyError("x")])
async def test_an_error_of_a_foreign_provider_arrives_in_our_tree_and_the_words_stay(error: BaseException):
    async with AsyncChatbot(Wild(TextDelta("words"), error)) as bot:
        with pytest.raises(ProviderError, match=f"the provider raised {type(error).__name__}"):
            await bot.say("hi")
        assert [(entry.text, entry.status) for entry in await bot.branches()] == [("words", "interrupted")]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
async def test_an_interrupt_reaches_the_caller_and_the_next_turn_works(error: BaseException):
    provider = ScriptedProvider([TextDelta("half "), error], "whole")
    async with AsyncChatbot(provider) as bot:
        with pytest.raises(type(error)):
            await bot.say("hi")
        assert (await bot.say("again")).text == "whole"


async def test_a_character_split_over_two_deltas_arrives_whole():
    pieces = map(TextDelta, ("a", "\ud83d", "\ude00b", "\ud83d"))
    async with AsyncChatbot(Wild(*pieces, Ended("stop"))) as bot, bot.stream("hi") as reply:
        texts = [text async for text in reply]
    whole = "".join(texts)
    # A report with half a character in it could not be written.
    assert ascii(whole) == ascii("a😀b\ufffd")
    assert all(text == text.encode("utf-8", "replace").decode() for text in texts)


@pytest.mark.parametrize("step", [5, "text", None, {"type": "text"}])
async def test_what_is_no_event_is_an_error_of_the_provider(step: Any):
    async with AsyncChatbot(Wild(TextDelta("words"), step)) as bot:
        with pytest.raises(ProviderError, match="a fault of the provider"):
            await bot.say("hi")


async def test_values_of_wrong_types_are_put_right_before_they_are_stored(tmp_path: Path):
    usage: Any = Usage(TRUE, -5, 10**30, 3, math.nan, 2)
    call = ToolCallDelta(0, *ODD[:3])
    lone: Any = ThinkingDelta("hm", {"vendor": "x", "signature": "\ud800", "n": math.nan})
    ended = Ended(ODD[3], usage, ODD[0], ODD[4], ODD[5], "\udfff")
    async with AsyncChatbot(Wild(lone, TextDelta("words"), call, ended), store=tmp_path / "x.db") as bot:
        answer = await bot.say("hi")
        assert (answer.finish, answer.response_id, answer.raw_finish) == ("unknown", "8", "\ufffd")
        assert answer.usage is not None
        assert answer.usage.output_tokens > 0
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "x.db") as bot:
        (one,) = await bot.conversations()
        assert [entry.text for entry in await bot.conversation(one.id).history()] == ["hi", "words"]


@pytest.mark.parametrize("usage", [Usage(TRUE, 0, 5), Usage(10**30, 0, 1), Usage(-1, -1, -1), Usage(5, 50, 5, 50, -1.0, 50), "x"])
def test_a_usage_is_one_that_a_call_can_have_and_can_be_read_again(usage: Any):
    checked = checked_usage(usage) or Usage()
    assert 0 <= checked.cached_tokens + checked.cache_write_tokens <= checked.input_tokens <= 10**9
    assert 0 <= checked.thinking_tokens <= checked.output_tokens <= 10**9
    assert usage_from_json(json.loads(json.dumps(usage_to_json(checked)))) == checked


async def test_an_endless_answer_is_stopped_and_its_words_are_kept():
    class Endless(ScriptedProvider):
        sent = 0

        async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
            while True:
                self.sent += 1 << 18
                yield TextDelta("a" * (1 << 18))

    provider = Endless()
    async with AsyncChatbot(provider) as bot:
        reply = bot.stream("hi")
        with pytest.raises(StreamInterrupted, match="more than 4 MiB"):
            async for _ in reply:
                pass
        kept = (await bot.branches())[0]
        assert kept.status == "interrupted"
        assert MOST_ANSWER_CHARACTERS < len(kept.text) <= MOST_ANSWER_CHARACTERS + (1 << 18)
    assert provider.sent == len(kept.text)


async def test_every_error_of_the_tree_survives_a_pickle():
    import pickle

    def kinds(kind: type[AnaphoraError]) -> list[type[AnaphoraError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in kinds(child))]

    given: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "ContextTooLong": (("the message",), {"tokens": 5, "limit": 3}),
        "CostLimitReached": ((), {"spent": 0.1, "most": 0.2, "limit": 0.25}),
        "InvalidAnswer": (("text", "reason"), {}),
        "UnreadableRow": (("the message 'x'", "reason"), {}),
        "TranscriptFileError": (("path", "reason"), {"line": 3}),
    }
    found = kinds(AnaphoraError)
    assert len(found) > 25
    for kind in found:
        args, named = given.get(kind.__name__, (("a sentence",), {}))
        error = kind(*args, **named)
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.__dict__) == (kind, str(error), error.__dict__)


async def test_an_error_that_cannot_be_written_as_text_is_named_by_its_kind():
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    async with AsyncChatbot(Wild(Mute())) as bot:
        with pytest.raises(ProviderError, match="the provider raised Mute"):
            await bot.say("hi")


async def test_a_later_end_counts_only_if_it_is_worse_and_nothing_comes_after_an_end():
    async with AsyncChatbot(Wild(TextDelta("a"), Ended("length"), Ended("stop"), TextDelta("b"))) as bot:
        answer = await bot.say("hi")
    assert (answer.text, answer.finish) == ("a", "length")


async def test_an_answer_calls_no_flood_of_tools():
    calls = [ToolCallDelta(number, f"c{number}", "now", "{}") for number in range(MOST_CALLS + 5)]
    async with AsyncChatbot(Wild(*calls, Ended("tool_calls"))) as bot:
        with pytest.raises(StreamInterrupted, match="more than 128 tools"):
            await bot.say("hi")


async def test_opaque_values_count_for_the_cap():
    blocks = [ThinkingDelta("", {"vendor": "x", "redacted": "d" * (1 << 20)}) for _ in range(6)]
    async with AsyncChatbot(Wild(*blocks, Ended("stop"))) as bot:
        with pytest.raises(StreamInterrupted, match="more than 4 MiB"):
            await bot.say("hi")


@pytest.mark.parametrize("stream", [lambda request: [], lambda request: 1 / 0])
async def test_a_stream_that_is_none_is_an_error_of_the_provider(stream: Any):
    provider = Wild()
    provider.stream = stream  # type: ignore[method-assign]
    async with AsyncChatbot(provider) as bot:
        with pytest.raises(ProviderError):
            await bot.say("hi")


@pytest.mark.parametrize("prepare", [lambda model: 1 / 0, lambda model: None])
async def test_a_prepare_that_fails_is_an_error_of_the_provider(prepare: Any):
    async def prepared(model: str) -> Any:
        return prepare(model)

    provider = Wild()
    provider.prepare = prepared  # type: ignore[method-assign]
    async with AsyncChatbot(provider) as bot:
        with pytest.raises(ProviderError):
            await bot.say("hi")
