"""``bot.facts``: what is remembered, to be read and changed."""

import pytest

from anaphora import AsyncChatbot, Chatbot, InMemoryStore, ScriptedProvider
from anaphora.errors import InvalidMessage, NotFound

pytestmark = pytest.mark.anyio


async def test_a_fact_is_added_corrected_and_deleted():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        fact = await bot.facts.add("Likes tee")
        assert [one.text for one in await bot.facts.list()] == ["Likes tee"]
        corrected = await bot.facts.edit(fact, "Likes tea")
        assert corrected.id == fact.id
        assert [one.text for one in await bot.facts.history()] == ["Likes tea"]
        await bot.facts.delete(corrected.id)
        assert await bot.facts.history() == []


async def test_what_is_known_already_is_not_kept_twice():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        first = await bot.facts.add("Likes tea")
        assert await bot.facts.add("likes  TEA.") == first
        assert len(await bot.facts.list()) == 1


async def test_a_fact_can_point_to_the_message_it_came_from():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        await bot.say("I am vegan")
        asked = (await bot.history())[0]
        fact = await bot.facts.add("Is vegan", message=asked)
        assert [one.message for one in fact.evidence] == [asked.id]


async def test_the_message_may_be_in_another_conversation_and_takes_the_fact_along_when_it_is_forgotten():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        other = bot.conversation("other")
        await other.say("I am vegan")
        asked = (await other.history())[0]
        with pytest.raises(NotFound):
            await bot.facts.add("Is vegan", message=asked)
        fact = await bot.facts.add("Is vegan", message=asked, conversation="other")
        assert fact.evidence[0].conversation == "other"
        await other.forget(asked)
        assert await bot.facts.history() == []
        with pytest.raises(InvalidMessage):
            await bot.facts.add("Is vegan", message=asked, conversation="other")


async def test_what_a_fact_said_before_it_was_corrected_is_nowhere(tmp_path):
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "x.db") as bot:
        fact = await bot.facts.add("Keeps a Quetzalcoatlus")
        await bot.facts.edit(fact, "Keeps a cat")
        assert b"quetzal" not in b"".join(path.read_bytes().lower() for path in tmp_path.iterdir())


async def test_wrong_input_is_an_error_of_ours_and_changes_nothing():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        fact = await bot.facts.add("Likes tea")
        with pytest.raises(InvalidMessage):
            await bot.facts.add("  ")
        with pytest.raises(InvalidMessage):
            await bot.facts.edit(fact, "x" * 400)
        with pytest.raises(NotFound):
            await bot.facts.delete("fact_none")
        with pytest.raises(InvalidMessage):
            await bot.facts.delete(7)  # type: ignore[arg-type]
        for wrong in (None, 3, b"x"):
            with pytest.raises(InvalidMessage, match="text"):
                await bot.facts.add(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidMessage, match="message of the user"):
            await bot.facts.add("x", message="msg_1")  # type: ignore[arg-type]
        assert (await bot.facts.add("\x1b[31mred\x00")).text == "[31mred"
        await bot.facts.delete((await bot.facts.list())[-1])
        assert [one.text for one in await bot.facts.list()] == ["Likes tea"]


def test_the_synchronous_bot_has_the_same_verbs():
    store = InMemoryStore()
    with Chatbot(ScriptedProvider(echo=True), store=store) as bot:
        fact = bot.facts.add("Likes tea")
        bot.facts.edit(fact, "Likes green tea")
        assert len(bot.facts) == 1
        assert [one.text for one in bot.facts] == ["Likes green tea"] == [one.text for one in bot.facts.list()]
        bot.say("hello")
        bot.wait_for_background()
        bot.facts.delete(fact)
        assert list(bot.facts.history()) == []


@pytest.mark.parametrize("wrong", [{"summary": 7}, {"recall": "yes"}, {"facts": object()}])
def test_a_part_of_the_memory_that_is_none_is_refused(wrong):
    from anaphora.errors import ConfigError

    with pytest.raises(ConfigError, match="False"):
        Chatbot(ScriptedProvider(), **wrong)


def test_what_a_part_of_the_memory_cannot_be_told_is_refused():
    from anaphora import Facts, Recall, Summary
    from anaphora.errors import ConfigError

    for wrong in (lambda: Summary(share="a"), lambda: Facts(model=3), lambda: Recall(floor=None), lambda: Summary(model=3)):  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            wrong()
    with pytest.raises(ConfigError, match="the model for summary, 'openai:x'"):
        Chatbot(ScriptedProvider(), summary=Summary(model="openai:x"))
    with pytest.raises(ConfigError, match="the embedder, 'nope:x'"):
        Chatbot(ScriptedProvider(), recall=Recall(embedder="nope:x"))
    with pytest.raises(ConfigError, match="owner must be a text"):
        Chatbot(ScriptedProvider(), owner=3)  # type: ignore[arg-type]
