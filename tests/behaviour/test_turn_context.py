"""What a turn shows the model: sizes, budgets, windows."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from anaphora import AsyncChatbot, InMemoryStore, LastTurns, ScriptedProvider
from anaphora.errors import ContextTooLong
from anaphora.providers.base import ModelInfo
from anaphora.providers.scripted import ScriptedReply
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.events import Ended, TextDelta
from anaphora.values.message import Message, Usage, text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Extent, Size

pytestmark = pytest.mark.anyio


async def test_the_estimate_learns_from_what_is_reported():
    steps: list[ScriptedReply] = [[TextDelta("ok"), Ended("stop", Usage(1_000, 0, 1))] for _ in range(4)]
    async with AsyncChatbot(ScriptedProvider(*steps)) as bot:
        for _ in range(4):
            await bot.say("x" * 2_000)
        assert bot._bot.model.estimate.samples > 0


async def test_a_window_shapes_what_is_sent_and_loses_nothing():
    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, window=LastTurns(1), system="Be brief.") as bot:
        for number in range(4):
            await bot.say(str(number))
        assert [message.text for message in provider.requests[-1].messages] == ["Be brief.", "2", "You said: 2", "3"]
        assert len(await bot.history()) == 8


async def test_from_turn_to_turn_the_beginning_of_the_prompt_stays_the_same():
    provider = ScriptedProvider(*["a short answer"] * 60, context_window=1_000)
    async with AsyncChatbot(provider, system="Be brief.", max_tokens=100) as bot:
        moves = 0
        for number in range(60):
            await bot.say(f"question {number} with some more words")
        for before, after in zip(provider.requests, provider.requests[1:], strict=False):
            moves += after.messages[: len(before.messages)] != before.messages
        assert 1 <= moves <= 6


async def test_what_another_models_tokenizer_counted_is_counted_anew():
    class Counting(ScriptedProvider):
        async def prepare(self, model: str, /) -> ModelInfo:
            async def count(message: Message, /) -> int:
                return 100 + len(message.text)

            return ModelInfo(context_window=10_000, count=count)

    store = InMemoryStore()
    await AsyncChatbot(ScriptedProvider("one"), store=store).conversation("c").say("first")
    exact = AsyncChatbot(Counting("two"), store=store).conversation("c")
    context = await exact.context()
    assert context.report.exact
    assert context.report.window_tokens == 2 * 100 + len("firstone")


async def test_an_assumed_window_refuses_nothing_that_a_provider_might_take():
    provider = ScriptedProvider(echo=True, context_window=None)
    async with AsyncChatbot(provider, max_tokens=16_000) as bot:
        await bot.say("a long text " * 5_000)
        await bot.say("short")
        assert [message.text for message in provider.requests[-1].messages] == ["short"]


async def test_an_answer_longer_than_the_window_is_refused_by_its_name():
    async with AsyncChatbot(ScriptedProvider("x", context_window=1_000), max_tokens=1_000) as bot:
        with pytest.raises(ContextTooLong, match="max_tokens"):
            await bot.say("hi")


async def test_the_room_for_the_window_does_not_follow_the_estimate():
    sizes = iter([0.6, 1.7] * 50)
    steps: list[ScriptedReply] = [[TextDelta("ok"), Ended("stop", Usage(int(800 * next(sizes)), 0, 1))] for _ in range(30)]
    provider = ScriptedProvider(*steps, context_window=2_000)
    async with AsyncChatbot(provider, system="s" * 1_600) as bot:
        rooms = {(await bot.say("x" * 400)).context.system_tokens for _ in range(30)}  # type: ignore[union-attr]
    assert len(rooms) == 1


async def test_of_a_long_conversation_only_the_end_is_read(tmp_path: Path):
    read: list[int] = []

    class Watched(SQLiteStore):
        async def branch(self, scope: Scope, message_id: str | None, /, *, reach: Extent | None = None) -> Sequence[Entry]:
            branch = await super().branch(scope, message_id, reach=reach)
            read.append(len(branch))
            return branch

    entries: list[Entry] = []
    for number in range(4_000):
        message = text_message("assistant" if number % 2 else "user", f"message {number}")
        parent = entries[-1].id if entries else None
        entries.append(Entry(f"m{number}", parent, 0, message, "complete", Size(10), 1.0))
    store = Watched(tmp_path / "x.db")
    await store.restore("me", ConversationInfo("c", "long", entries[-1].id, None, 1.0, 1.0, 4_000), entries)
    async with AsyncChatbot(ScriptedProvider(echo=True, context_window=2_000), store=store) as bot:
        answer = await bot.conversation("c").say("and now?")
        assert answer.context is not None
        assert answer.context.left is not None
        assert answer.context.left.messages + answer.context.window_messages == 4_001
        await bot.conversation("c").undo()
        await bot.conversation("c").retry()
        assert (await bot.conversation("c").context()).report.left is not None
    assert len(read) >= 4
    assert max(read) < 200
    await store.aclose()


async def test_what_is_held_of_a_long_conversation_does_not_grow_with_it():
    provider = ScriptedProvider(echo=True, context_window=1_000)
    async with AsyncChatbot(provider, system="Be brief.", max_tokens=100) as bot:
        held = []
        for number in range(200):
            await bot.say(f"question {number} with some more words")
            held.append(len(bot._open.state.reader._last.branch))
        # All of it would be 399.
        assert max(held) < 200
