"""What is recalled: from this branch, from other conversations of the same owner, and nothing that matters to nobody."""

from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest

from anaphora import AsyncChatbot, InMemoryStore, LastTurns, Recall, ScriptedProvider
from anaphora.providers.base import ModelInfo
from anaphora.providers.models.card import ModelCard
from anaphora.stores.base import Store
from anaphora.stores.sqlite.store import SQLiteStore

pytestmark = pytest.mark.anyio

SMALL_TALK = ("The sky is grey today", "Tell me a joke", "Another one, please", "Thanks, very funny", "What time is lunch?")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path):
    kept: Store = InMemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "x.db")
    yield kept
    await kept.aclose()


def newest(provider: ScriptedProvider) -> str:
    return provider.requests[-1].messages[-1].text


async def test_what_scrolled_out_of_the_window_is_quoted_when_it_is_asked_for(store: Store):
    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, store=store, window=LastTurns(2)) as bot:
        await bot.say("My dog is called Rex")
        for text in SMALL_TALK:
            await bot.say(text)
            assert newest(provider) == text
        answer = await bot.say("What is the name of my dog?")
        assert "user: My dog is called Rex" in newest(provider)
        assert newest(provider).endswith("What is the name of my dog?")
        assert answer.context is not None
        assert any("dog" in passage.reason for passage in answer.context.asides.passages)
        assert "recalled" in str(answer.context)
        assert [entry.text for entry in await bot.history()][-2] == "What is the name of my dog?"


async def test_what_is_in_the_window_is_not_quoted_too(store: Store):
    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, store=store) as bot:
        await bot.say("My dog is called Rex")
        await bot.say("What is the name of my dog?")
        assert newest(provider) == "What is the name of my dog?"


async def test_other_conversations_of_the_owner_are_quoted_unless_they_are_not_to_be(store: Store):
    provider = ScriptedProvider(echo=True)
    bot = AsyncChatbot(provider, store=store, owner="ana")
    await bot.conversation("pets").say("My dog is called Rex")
    await bot.conversation("new").say("What is the name of my dog?")
    assert "Other conversations:" in newest(provider)
    assert "Rex" in newest(provider)
    apart = AsyncChatbot(provider, store=store, owner="ana", recall=Recall(conversations=False))
    await apart.conversation("third").say("What is the name of my dog?")
    assert newest(provider) == "What is the name of my dog?"
    off = AsyncChatbot(provider, store=store, owner="ana", recall=False)
    await off.conversation("fourth").say("What is the name of my dog?")
    assert newest(provider) == "What is the name of my dog?"


async def test_nobody_is_told_what_another_owner_said(store: Store):
    provider = ScriptedProvider(echo=True)
    await AsyncChatbot(provider, store=store, owner="ana").say("My dog is called Rex")
    await AsyncChatbot(provider, store=store, owner="bob").say("What is the name of my dog?")
    assert newest(provider) == "What is the name of my dog?"


async def test_another_branch_is_not_recalled(store: Store):
    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, store=store, window=LastTurns(1)) as bot:
        await bot.say("Hello there")
        fork = (await bot.history())[-1]
        await bot.say("My dog is called Rex")
        await bot.say("Nice weather")
        await bot.goto(fork)
        await bot.say("Nice weather")
        await bot.say("What is the name of my dog?")
        assert newest(provider) == "What is the name of my dog?"


async def test_what_was_taken_back_or_forgotten_is_not_recalled(store: Store):
    provider = ScriptedProvider(echo=True)
    bot = AsyncChatbot(provider, store=store)
    undone, gone = bot.conversation("undone"), bot.conversation("gone")
    await undone.say("My dog is called Rex")
    await undone.undo()
    await gone.say("My dog is called Max")
    for entry in await gone.history():
        await gone.forget(entry)
    await bot.conversation("new").say("What is the name of my dog?")
    assert newest(provider) == "What is the name of my dog?"


async def test_what_is_quoted_fills_no_more_than_the_room_that_is_left(store: Store):
    provider = ScriptedProvider(echo=True, context_window=2_000)
    async with AsyncChatbot(provider, store=store, window=LastTurns(1)) as bot:
        for number in range(15):
            await bot.say(f"My dog Rex number {number} likes long walks in the forest behind the old mill")
        for number in range(60):
            await bot.say(f"Remark {number} about nothing at all")
        answer = await bot.say("What does my dog Rex like?")
        assert answer.context is not None
        assert answer.context.asides.tail.tokens > 0
        assert answer.context.room >= 0


async def test_a_question_without_words_that_say_anything_recalls_nothing(store: Store):
    provider = ScriptedProvider(echo=True)
    bot = AsyncChatbot(provider, store=store)
    await bot.conversation("a").say("why is that so?")
    await bot.conversation("b").say("why is that so?")
    assert newest(provider) == "why is that so?"


async def test_vectors_find_what_means_the_same_in_other_words(store: Store):
    groups = (("dog", "puppy", "hound"), ("car", "vehicle"), ("bread", "loaf"))

    def encode(texts):
        # Every text has a direction of its own beside what it is about.
        own = [[float(crc32(text.encode()) % 500 == place) for place in range(500)] for text in texts]
        about = [[float(any(word in text for word in group)) * 5 for group in groups] for text in texts]
        return [[0.1, *one, *two] for one, two in zip(own, about, strict=True)]

    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, store=store, window=LastTurns(1), recall=Recall(embedder=encode)) as bot:
        await bot.say("Our puppy sleeps all day")
        for number in range(40):
            await bot.say(f"Remark number {number} about nothing at all")
            await bot.wait_for_background()
        await bot.say("Where is the hound?")
        assert "Our puppy sleeps all day" in newest(provider)
        await bot.say("Where is the elephant?")
        assert newest(provider) == "Where is the elephant?"


async def test_an_embedder_that_fails_is_told_of_and_words_do_alone(store: Store):
    def broken(texts):
        raise RuntimeError("no embeddings today")

    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, store=store, window=LastTurns(1), recall=Recall(embedder=broken)) as bot:
        await bot.say("My dog is called Rex")
        await bot.say("Nice weather")
        answer = await bot.say("What is the name of my dog?")
        assert "Rex" in newest(provider)
        assert "no embeddings today" in str(answer.context)


async def test_an_embedder_that_is_slow_delays_no_answer(store: Store, monkeypatch: pytest.MonkeyPatch):
    import time

    from anaphora.memory import gather

    monkeypatch.setattr(gather, "_VECTOR_SECONDS", 0.05)

    def slow(texts):
        time.sleep(0.5)
        return [[1.0, 2.0] for _ in texts]

    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, store=store, window=LastTurns(1), recall=Recall(embedder=slow)) as bot:
        await bot.say("My dog is called Rex")
        await bot.say("Nice weather")
        answer = await bot.say("What is the name of my dog?")
        assert "Rex" in newest(provider)
        assert "took too long" in str(answer.context)


class Tiny(ScriptedProvider):
    """A model of which it is known that it is small."""

    async def prepare(self, model: str) -> ModelInfo:
        return replace(await super().prepare(model), card=ModelCard(parameters=135_000_000))


async def test_a_tiny_model_is_told_only_what_answers_the_very_question(store: Store):
    provider = Tiny(echo=True)
    async with AsyncChatbot(provider, store=store) as bot:
        await bot.facts.add("Is allergic to hazelnuts")
        await bot.facts.add("Plays the bassoon")
        await bot.say("What is the capital of Italy?")
        assert newest(provider) == "What is the capital of Italy?"
        await bot.say("Am I allergic to hazelnuts?")
        assert newest(provider) == "<memory>Is allergic to hazelnuts</memory>\n\nAm I allergic to hazelnuts?"
        await bot.say("What is a bassoon?")
        assert newest(provider) == "What is a bassoon?"


async def test_a_tiny_model_is_given_the_users_own_sentence_and_not_a_word_around_it(store: Store):
    provider = Tiny(echo=True)
    bot = AsyncChatbot(provider, store=store, owner="ana")
    await bot.conversation("past").say("It rains. My dog is called Balu. And so on.")
    await bot.conversation("past").say("What language do people speak in Germany?")
    new = bot.conversation("new")
    answer = await new.say("What is my dog called?")
    assert newest(provider) == "<memory>My dog is called Balu.</memory>\n\nWhat is my dog called?"
    await new.say("What language do people speak there?")
    assert newest(provider) == "What language do people speak there?"
    chosen = AsyncChatbot(provider, store=store, owner="ana", recall=Recall())
    await chosen.conversation("third").say("What is my dog called?")
    assert "Other conversations:" in newest(provider)
    assert answer.context is not None
    assert "it asks about the user (my)" in str(answer.context)


async def test_a_room_too_small_for_any_fact_is_said(store: Store):
    provider = ScriptedProvider(echo=True, context_window=300, background=lambda _: "x")
    async with AsyncChatbot(provider, store=store) as bot:
        await bot.facts.add("Lives in a small red house by the sea with three dogs and two cats called Tom and Jerry")
        answer = await bot.say("Hello")
        assert "no fact is shown" in str(answer.context)


async def test_a_long_message_without_blanks_is_recalled_by_its_piece(store: Store):
    filler = "今天天气很好我们去公园散步" * 30
    provider = ScriptedProvider(echo=True, context_window=8_000)
    async with AsyncChatbot(provider, store=store, window=LastTurns(1)) as bot:
        await bot.say(f"{filler}我的密码是金鱼{filler}")
        for number in range(30):
            await bot.say(f"Remark number {number} about nothing")
        await bot.say("密码是金鱼吗?")
        assert "密码是金鱼" in newest(provider).partition("</memory>")[0]
