import pytest

from anaphora import AsyncChatbot, InMemoryStore, ScriptedProvider
from anaphora.errors import ConfigError, MissingKey, UnknownModel

pytestmark = pytest.mark.anyio


async def test_two_bots_never_share_history():
    async with AsyncChatbot(ScriptedProvider("a")) as one, AsyncChatbot(ScriptedProvider("b")) as two:
        await one.say("hello")
        assert await two.history() == ()


async def test_two_bots_on_one_store_share_only_conversations_of_the_same_name_and_owner():
    store = InMemoryStore()
    one = AsyncChatbot(ScriptedProvider("a", "b"), store=store)
    two = AsyncChatbot(ScriptedProvider("c"), store=store)
    other = AsyncChatbot(ScriptedProvider(), store=store, owner="somebody else")
    await one.say("mine")
    await one.conversation("trip").say("where to?")
    assert await two.history() == ()
    assert [entry.text for entry in await two.conversation("trip").history()] == ["where to?", "b"]
    assert await other.conversation("trip").history() == ()
    assert len(await one.conversations()) == 2


async def test_a_conversation_of_the_same_name_is_the_same_one():
    async with AsyncChatbot(ScriptedProvider("a", "b")) as bot:
        assert bot.conversation("x") == bot.conversation("x")
        assert bot.conversation() == bot.conversation()


async def test_the_model_is_named_as_it_was_asked_for():
    assert AsyncChatbot("openai-compatible:x", base_url="http://127.0.0.1:1/v1").model == "openai-compatible:x"
    assert AsyncChatbot(ScriptedProvider()).model == "scripted"


@pytest.mark.parametrize(
    ("model", "options", "error", "words"),
    [
        ("opnai:gpt", {}, UnknownModel, "openai:gpt"),
        ("openai:gpt", {}, MissingKey, "OPENAI_API_KEY"),
        ("openai-compatible:x", {}, ConfigError, "base URL"),
        ("openai-compatible:x", {"base_url": "nowhere"}, ConfigError, "http://"),
        (ScriptedProvider(), {"context_window": 0}, ConfigError, "context_window"),
        (ScriptedProvider(), {"temprature": 1}, ConfigError, "temprature"),
        (ScriptedProvider(), {"temperature": -1}, ConfigError, "temperature"),
    ],
)
async def test_what_cannot_work_is_said_at_once(model, options, error, words: str):
    with pytest.raises(error, match=words):
        AsyncChatbot(model, **options)
