"""Nobody meets another person's words."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anaphora import AsyncChatbot, Chatbot, InMemoryStore, LastTurns, ScriptedProvider
from anaphora.errors import ConfigError

pytestmark = pytest.mark.anyio
SECRET = "My order number is 4711 and my cat is called Minka."
QUESTION = "What is the order number, and what was my cat called again?"


def sent(provider: ScriptedProvider) -> str:
    return "\n".join(message.text for message in provider.requests[-1].messages)


async def test_two_customers_of_one_bot_never_meet_without_and_with_names():
    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider) as bot:
        await bot.conversation("ada").say(SECRET)
        await bot.conversation("tom").say(QUESTION)
        assert "4711" not in sent(provider)
        await bot.conversation("first", owner="ada").say(SECRET)
        await bot.conversation("second", owner="tom").say(QUESTION)
        assert "4711" not in sent(provider)
        await bot.conversation("third", owner="ada").say(QUESTION)
        assert "4711" in sent(provider)


async def test_two_bots_on_one_store_whose_owner_nobody_named_do_not_meet():
    store, provider = InMemoryStore(), ScriptedProvider(echo=True)
    await AsyncChatbot(provider, store=store).say(SECRET)
    await AsyncChatbot(provider, store=store).say(QUESTION)
    assert "4711" not in sent(provider)
    # What is only looked at shows all, as before.
    assert len(await AsyncChatbot(provider, store=store).conversations()) == 2
    assert len({hit.conversation for hit in await AsyncChatbot(provider, store=store).search("order")}) == 2


async def test_without_a_name_the_beginning_of_the_same_conversation_is_recalled():
    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, window=LastTurns(1)) as bot:
        await bot.say(SECRET)
        for text in ("Nice weather", "Nice clouds", "Nice sun"):
            await bot.say(text)
        await bot.say(QUESTION)
        assert "4711" in sent(provider)


async def test_facts_of_nobody_stay_in_their_conversation_and_go_with_it():
    provider = ScriptedProvider(echo=True, background=lambda _: "x")
    async with AsyncChatbot(provider) as bot:
        ada, tom = bot.conversation("ada"), bot.conversation("tom")
        await ada.facts.add("Is allergic to hazelnuts")
        assert [fact.text for fact in await ada.facts.list()] == ["Is allergic to hazelnuts"]
        assert await tom.facts.list() == await bot.facts.list() == []
        await tom.say("Am I allergic to hazelnuts?")
        assert "Is allergic" not in sent(provider)
        await ada.say("Am I allergic to hazelnuts?")
        assert "Is allergic" in sent(provider)
        fork = await ada.fork(name="ada again")
        assert [fact.text for fact in await fork.facts.list()] == ["Is allergic to hazelnuts"]
        await ada.delete()
        assert await bot.conversation("ada").facts.list() == []
        assert len(await fork.facts.list()) == 1


async def test_facts_of_a_named_owner_are_in_all_their_conversations_and_in_nobody_elses():
    async with AsyncChatbot(ScriptedProvider(echo=True), owner="ada") as bot:
        await bot.facts.add("Lives in Lyon")
        assert len(await bot.conversation("other").facts.list()) == 1
        assert await bot.conversation("other", owner="tom").facts.list() == []


@pytest.mark.parametrize("name", ["", "  ", "\n", "a\x1b[2Jb", "a\x00", "\ud800"])
async def test_names_that_nobody_can_see_or_that_steer_a_terminal_are_refused(name: str):
    bot = AsyncChatbot(ScriptedProvider())
    for make in (
        lambda: AsyncChatbot(ScriptedProvider(), owner=name),
        lambda: bot.conversation(name),
        lambda: bot.conversation("c", owner=name),
        lambda: Chatbot(ScriptedProvider()).conversation("c", owner=name),
    ):
        with pytest.raises(ConfigError, match="visible character"):
            make()
    with pytest.raises(ConfigError, match="visible character"):
        await bot.fork(name=name)


words = st.lists(
    st.sampled_from(["order", "number", "cat", "dog", "roof", "garden", "plan", "Lyon", "Rex", "Anna"]), min_size=2, max_size=6
).map(" ".join)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ada", "tom", "eve"]), words, st.booleans(), st.booleans()), min_size=4, max_size=14))
def test_whatever_is_said_no_passage_is_of_another_owner_an_undone_branch_or_the_window(turns):
    async def go() -> None:
        provider = ScriptedProvider(echo=True)
        async with AsyncChatbot(provider, window=LastTurns(1)) as bot:
            undone: set[str] = set()
            for number, (owner, text, again, undo) in enumerate(turns):
                conversation = bot.conversation("one" if again else f"other {number}", owner=owner)
                answer = await conversation.say(f"I am {owner}, my {text}" if number % 2 else f"What did I say of my {text}?")
                assert answer.context is not None
                shown = {message.text for message in provider.requests[-1].messages[:-1]}
                for passage in answer.context.asides.passages:
                    assert passage.message not in undone
                    assert passage.text not in shown
                    others = {"ada", "tom", "eve"} - {owner}
                    assert not any(f"I am {name}," in passage.text for name in others)
                if undo:
                    undone |= {entry.id for entry in (await conversation.history())[-2:]}
                    await conversation.undo()

    asyncio.run(go())
