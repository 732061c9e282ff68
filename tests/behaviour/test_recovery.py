"""Answers whose writer died, or lost the conversation to another writer."""

from collections.abc import AsyncGenerator

import anyio
import pytest

from anaphora import AsyncChatbot, InMemoryStore, ScriptedProvider
from anaphora.errors import ConversationBusy
from anaphora.providers.base import ModelInfo, Request
from anaphora.providers.scripted import Delay
from anaphora.stores.base import Store
from anaphora.stores.records import Change, Draft
from anaphora.turn.timing import Timing
from anaphora.values.events import Ended, ProviderEvent, TextDelta
from anaphora.values.message import Message, text_message
from anaphora.values.scope import Scope

pytestmark = pytest.mark.anyio
HERE = Scope("me", "c")


async def crashed(store: Store) -> None:
    """What a process leaves that is killed in the middle of its answer."""
    await store.acquire(HERE, seconds=0.01)
    user = await store.append(HERE, Draft(None, text_message("user", "Tell me a story")))
    pending = await store.append(HERE, Draft(user.id, Message("assistant", ()), status="pending"))
    await store.change(HERE, pending.id, Change(text_message("assistant", "It was a dark and"), "pending"))
    await anyio.sleep(0.02)


async def test_after_a_crash_going_on_goes_on_with_what_came():
    store = InMemoryStore()
    await crashed(store)
    async with AsyncChatbot(ScriptedProvider("stormy night."), store=store) as bot:
        talk = bot.conversation("c")
        assert await talk.unanswered() is not None
        assert (await talk.continue_answer()).text == "stormy night."
        assert [entry.text for entry in await talk.history()] == [
            "Tell me a story",
            "It was a dark and",
            "Please go on exactly where you stopped.",
            "stormy night.",
        ]
        assert [entry.status for entry in await talk.history()] == ["complete", "interrupted", "complete", "complete"]


async def test_what_is_being_answered_elsewhere_was_not_interrupted():
    store = InMemoryStore()
    provider = ScriptedProvider([TextDelta("Once"), Delay(60)])
    async with AsyncChatbot(provider, store=store) as writer, writer.conversation("c").stream("Tell me a story") as reply:
        async for _ in reply:
            break
        async with AsyncChatbot(ScriptedProvider(), store=store) as reader:
            assert await reader.conversation("c").unanswered() is None


async def test_what_was_written_down_of_an_answer_has_a_size():
    store = InMemoryStore()
    provider = ScriptedProvider([TextDelta("words " * 100), Delay(60)])
    timing = Timing(flush=0.01)
    async with AsyncChatbot(provider, store=store, timing=timing) as bot, bot.conversation("c").stream("hi") as reply:
        async for _ in reply:
            break
        with anyio.fail_after(5):
            while (await store.transcript(HERE))[-1].tokens < 100:
                await anyio.sleep(0.01)


async def test_an_answer_whose_conversation_was_taken_over_is_completed_and_not_doubled():
    taken_over = anyio.Event()

    class Waiting(ScriptedProvider):
        async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
            yield TextDelta("one ")
            await taken_over.wait()
            yield TextDelta("two")
            yield Ended("stop")

    store, timing = InMemoryStore(), Timing(flush=0.3, lease=0.0)
    async with AsyncChatbot(Waiting(), store=store, timing=timing) as bot:
        reply = bot.conversation("c").stream("count")
        while len(await store.transcript(HERE)) < 2:
            await anyio.sleep(0.01)
        await store.release(await store.acquire(HERE, seconds=1))
        taken_over.set()
        assert (await reply.answer()).text == "one two"
        assert [(entry.text, entry.status) for entry in (await store.transcript(HERE))[1:]] == [("one two", "complete")]


async def test_a_turn_that_lost_its_conversation_ends_and_says_so():
    store, timing = InMemoryStore(), Timing(flush=0.15, lease=0.03)
    async with AsyncChatbot(ScriptedProvider([TextDelta("one "), Delay(60)]), store=store, timing=timing) as bot:
        reply = bot.conversation("c").stream("count")
        await anyio.sleep(0.1)
        lease = await store.acquire(HERE, seconds=60)
        with anyio.fail_after(5), pytest.raises(ConversationBusy):
            await reply.answer()
        await store.release(lease)
        assert (await store.transcript(HERE))[-1].text == "one "


async def test_a_tokenizer_that_fails_costs_no_answer():
    class Odd(ScriptedProvider):
        async def prepare(self, model: str, /) -> ModelInfo:
            async def count(message: Message, /) -> int:
                raise ZeroDivisionError

            return ModelInfo(context_window=10_000, count=count)

    async with AsyncChatbot(Odd("an answer")) as bot:
        assert (await bot.say("hi")).text == "an answer"
        assert (await bot.history())[-1].text == "an answer"
