import anyio
import pytest

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.errors import ServerFailed
from anaphora.memory.titles import cleaned_title
from anaphora.providers.scripted import Delay
from anaphora.stores.records import new_conversation_id
from anaphora.turn.timing import Timing
from anaphora.values.transcript import first_title

pytestmark = pytest.mark.anyio


AT_ONCE = Timing(title=0.0)


async def title_of(bot: AsyncChatbot, *, wanted: str) -> str:
    """The title, once it is the wanted one or nothing runs any more."""
    with anyio.move_on_after(2):
        while (await bot.info()).title != wanted:
            await anyio.sleep(0.01)
    return (await bot.info()).title


async def test_a_conversation_is_called_by_its_first_words_at_once():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        await bot.say("What is\nthe capital of France? " * 3)
        assert (await bot.info()).title == "What is the capital of France? What is the capital of Franc…"


async def test_a_conversation_that_somebody_named_is_called_so():
    async with AsyncChatbot(ScriptedProvider(echo=True), titles=True, timing=AT_ONCE) as bot:
        trip = bot.conversation("trip to Kyoto")
        await trip.say("Hello")
        assert (await trip.info()).title == "trip to Kyoto"
        assert len(await trip.history()) == 2


async def test_the_model_gives_a_better_title_after_the_answer():
    provider = ScriptedProvider("Paris.", '"The Capital of France."\n\nI hope you like it.')
    async with AsyncChatbot(provider, titles=True, timing=AT_ONCE) as bot:
        assert (await bot.say("What's the capital of France?")).text == "Paris."
        assert await title_of(bot, wanted="The Capital of France") == "The Capital of France"
        assert [entry.text for entry in await bot.history()] == ["What's the capital of France?", "Paris."]
    asked = provider.requests[1].messages
    assert asked[:-1] == (*provider.requests[0].messages, (await bot.history())[-1].message)


async def test_leaving_the_reply_behind_does_not_end_the_search_for_a_title():
    async with AsyncChatbot(ScriptedProvider("Paris.", "The Capital of France"), titles=True, timing=AT_ONCE) as bot:
        async with bot.stream("What's the capital of France?") as reply:
            assert [text async for text in reply] == ["Paris."]
        assert await title_of(bot, wanted="The Capital of France") == "The Capital of France"


async def test_a_title_that_somebody_gave_is_never_changed():
    async with AsyncChatbot(ScriptedProvider("a", "b", "Another title"), titles=True, timing=AT_ONCE) as bot:
        await bot.say("hello")
        await bot.rename("mine")
        await bot.say("again")
        await anyio.sleep(0.05)
        assert (await bot.info()).title == "mine"


async def test_a_title_that_fails_is_asked_for_after_the_next_answer():
    provider = ScriptedProvider("a", ServerFailed("down", provider="scripted"), "b", "A good title")
    async with AsyncChatbot(provider, titles=True, timing=AT_ONCE) as bot:
        await bot.say("hello")
        while len(provider.requests) < 2:
            await anyio.sleep(0.01)
        await bot.say("again")
        assert await title_of(bot, wanted="A good title") == "A good title"


async def test_nobody_waits_for_a_title():
    provider = ScriptedProvider("a", [Delay(60)], "b", [Delay(60)])
    with anyio.fail_after(10):
        async with AsyncChatbot(provider, titles=True, timing=AT_ONCE) as bot:
            await bot.say("hello")
            await anyio.sleep(0.02)
            assert (await bot.say("again")).text == "b"
            assert (await bot.info()).title == "hello"


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("Paris", "Paris"),
        ('\n  "**Trip  to Kyoto.**"\nmore', "Trip to Kyoto"),
        ("Title: Rivers", "Rivers"),
        ("", ""),
        (" \n", ""),
        ("word " * 30, ""),
        ("北京之旅", "北京之旅"),
    ],
)
def test_only_a_title_is_taken_from_what_a_model_says(answer: str, title: str):
    assert cleaned_title(answer) == title


def test_an_id_that_nobody_chose_is_no_title():
    assert first_title(new_conversation_id(), "Hello there") == "Hello there"
    assert first_title("my trip", "Hello there") == "my trip"
