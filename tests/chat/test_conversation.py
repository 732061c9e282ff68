from pathlib import Path

import anyio
import pytest

from anaphora import AsyncChatbot, AsyncConversation, Retries, ScriptedProvider
from anaphora.errors import ConfigError, ConversationBusy, InvalidMessage, ServerFailed
from anaphora.providers.scripted import Cut, Delay, ScriptedReply
from anaphora.values.events import TextDelta
from anaphora.values.message import Options, Usage
from anaphora.values.options import AnswerOptions

pytestmark = pytest.mark.anyio


async def texts(bot: AsyncChatbot) -> list[str]:
    return [entry.text for entry in await bot.history()]


async def test_undo_takes_back_a_turn_and_deletes_nothing():
    async with AsyncChatbot(ScriptedProvider("one", "two", "other")) as bot:
        await bot.say("first")
        await bot.say("second")
        undone = await bot.undo()
        assert undone is not None
        assert undone.text == "second"
        assert await texts(bot) == ["first", "one"]
        await bot.say("another")
        assert await texts(bot) == ["first", "one", "another", "other"]
        assert (await bot.conversation().info()).messages == 6


async def test_undo_at_the_start_does_nothing():
    async with AsyncChatbot(ScriptedProvider()) as bot:
        assert await bot.undo() is None


async def test_retry_answers_the_same_message_and_keeps_the_old_answer():
    async with AsyncChatbot(ScriptedProvider("one", "better")) as bot:
        await bot.say("first")
        assert (await bot.retry(temperature=1.0)).text == "better"
        assert await texts(bot) == ["first", "better"]
        assert (await bot.conversation().info()).messages == 3


async def test_retry_after_a_failure_answers_what_failed():
    async with AsyncChatbot(
        ScriptedProvider("one", ServerFailed("x", retryable=False), [Cut()], "two"), retries=Retries(attempts=0)
    ) as bot:
        await bot.say("first")
        for message in ("second", "third"):
            with pytest.raises(Exception, match=r"x|broke off"):
                async for _ in bot.stream(message):
                    pass
        assert (await bot.retry()).text == "two"
        assert await texts(bot) == ["first", "one", "third", "two"]


async def test_retry_can_be_watched():
    async with AsyncChatbot(ScriptedProvider("one", "better")) as bot:
        await bot.say("first")
        reply = bot.conversation().retry_stream()
        assert "".join([text async for text in reply]) == "better"


async def test_retry_without_a_message_is_refused():
    async with AsyncChatbot(ScriptedProvider()) as bot:
        with pytest.raises(InvalidMessage, match="no message yet"):
            await bot.retry()


@pytest.mark.parametrize("text", ["", "  \n"])
async def test_an_empty_message_is_refused_and_nothing_is_kept(text: str):
    async with AsyncChatbot(ScriptedProvider()) as bot:
        with pytest.raises(InvalidMessage):
            await bot.say(text)
        assert await texts(bot) == []


async def test_usage_counts_every_answer_also_those_retried():
    async with AsyncChatbot(ScriptedProvider("one", "two")) as bot:
        first = await bot.say("first")
        second = await bot.retry()
        assert first.usage is not None
        assert second.usage is not None
        assert await bot.usage() == first.usage + second.usage != Usage()


async def test_the_system_prompt_can_be_the_bots_the_conversations_or_the_models():
    provider = ScriptedProvider("a", "b", "c", system="the model's own")
    async with AsyncChatbot(provider) as bot:
        assert await bot.conversation().system() == "the model's own"
        await bot.conversation().use(system="mine")
        await bot.say("hi")
        await bot.conversation("other").say("hi")
    async with AsyncChatbot(ScriptedProvider(system="the model's own"), system="") as bot:
        assert await bot.conversation().system() == ""
    assert [request.messages[0].text for request in provider.requests] == ["mine", "the model's own"]


async def test_options_of_the_bot_are_overridden_by_those_of_the_call():
    provider = ScriptedProvider("a", "b")
    async with AsyncChatbot(provider, temperature=0.5, stop="END", extra={"top_k": 1}) as bot:
        await bot.say("hi")
        await bot.say("hi", temperature=0.1, seed=3, extra={"top_p": 1})
    assert provider.requests[0].options == Options(temperature=0.5, stop=("END",), extra={"top_k": 1})
    assert provider.requests[1].options == Options(temperature=0.1, seed=3, stop=("END",), extra={"top_k": 1, "top_p": 1})


@pytest.mark.parametrize("options", [{"temperature": 3}, {"max_tokens": 0}, {"temprature": 1}])
async def test_an_option_that_cannot_be_is_refused(options):
    async with AsyncChatbot(ScriptedProvider("a")) as bot:
        with pytest.raises(ConfigError):
            await bot.say("hi", **options)


async def test_the_context_can_be_looked_at_any_time():
    async with AsyncChatbot(ScriptedProvider("a"), system="Be brief.") as bot:
        assert [message.role for message in (await bot.context()).messages] == ["system"]
        await bot.say("hi")
        context = await bot.context()
        assert [message.role for message in context.messages] == ["system", "user", "assistant"]
        assert context.report.tokens > 0


async def test_undo_waits_for_nobody_and_changes_nothing_while_an_answer_comes():
    async with AsyncChatbot(ScriptedProvider("one", [TextDelta("two"), Delay(5)])) as bot:
        await bot.say("a")
        async with bot.stream("b") as reply:
            assert await anext(aiter(reply)) == "two"
            with pytest.raises(ConversationBusy):
                await bot.undo()


async def test_closing_stops_all_answers_in_line():
    slow: ScriptedReply = [TextDelta("one"), Delay(5), TextDelta(" end")]
    bot = AsyncChatbot(ScriptedProvider(slow, slow), wait=5)
    first, second = bot.stream("a"), bot.stream("b")
    await anyio.sleep(0.05)
    await bot.aclose()
    assert (await first.answer()).status == "stopped"
    assert (await second.answer()).status == "stopped"


async def test_what_is_none_is_not_set():
    async with AsyncChatbot(ScriptedProvider(echo=True), window=None, retries=None, stop=None, extra=None) as bot:
        assert (await bot.say("hi", stop=None, temperature=None)).text == "You said: hi"


@pytest.mark.parametrize("options", [{"temperature": "0.5"}, {"max_tokens": 1.5}, {"seed": True}, {"extra": {"a": {1}}}])
async def test_an_option_no_provider_would_take_is_refused_at_once(options: AnswerOptions):
    with pytest.raises(ConfigError):
        AsyncChatbot(ScriptedProvider(), **options)


async def test_a_system_prompt_with_half_a_character_is_refused():
    with pytest.raises(InvalidMessage, match="the system prompt is not valid"):
        AsyncChatbot(ScriptedProvider(), system="half \ud83d")
    async with AsyncChatbot(ScriptedProvider()) as bot:
        with pytest.raises(InvalidMessage):
            await bot.use(system="\udc00")


async def test_an_edit_is_a_branch_of_its_own_and_the_old_one_can_be_gone_back_to():
    async with AsyncChatbot(ScriptedProvider("one", "two", "other two")) as bot:
        await bot.say("first")
        await bot.say("secnod")
        typo = (await bot.history())[2]
        assert (await bot.edit(typo, "second")).text == "other two"
        assert await texts(bot) == ["first", "one", "second", "other two"]
        assert [entry.text for entry in await bot.branches()] == ["two", "other two"]
        await bot.goto((await bot.branches())[0])
        assert await texts(bot) == ["first", "one", "secnod", "two"]
        with pytest.raises(InvalidMessage, match="only the user's own"):
            bot.edit_stream((await bot.history())[1], "x")


async def test_a_forgotten_message_is_seen_by_no_model_any_more():
    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider) as bot:
        await bot.say("my secret")
        for entry in await bot.history():
            await bot.forget(entry)
        await bot.say("go on")
        assert [message.text for message in provider.requests[-1].messages] == ["go on"]


async def test_a_deleted_conversation_is_gone():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        talk = bot.conversation("trip")
        await talk.say("hi")
        await talk.delete()
        assert await talk.history() == ()
        assert list(await bot.conversations()) == []


async def test_a_fork_begins_with_the_same_branch_and_goes_its_own_way():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        await bot.say("one")
        await bot.say("two")
        fork = await bot.fork()
        early = await bot.fork((await bot.history())[1], name="early")
        await fork.say("three")
        await bot.say("four")
        await early.say("five")

        async def asked(conversation: AsyncChatbot | AsyncConversation) -> list[str]:
            return [entry.text for entry in await conversation.history() if entry.role == "user"]

        assert [await asked(one) for one in (bot, fork, early)] == [
            ["one", "two", "four"],
            ["one", "two", "three"],
            ["one", "five"],
        ]
        assert (await fork.info()).title == "one (fork)"
        assert early == bot.conversation("early")
        assert {info.id for info in await bot.conversations()} == {bot.id, fork.id, "early"}


async def test_the_bot_searches_everything_and_a_conversation_itself():
    async with AsyncChatbot(ScriptedProvider("Paris.", "Kyoto.")) as bot:
        await bot.conversation("a").say("the capital of France?")
        await bot.conversation("b").say("the old capital of Japan?")
        assert [hit.conversation for hit in await bot.search("capital")] == ["b", "a"]
        assert [hit.conversation for hit in await bot.search("capital", limit=1)] == ["b"]
        (hit,) = await bot.conversation("a").search("capital")
        assert (hit.title, hit.excerpt, hit.marks) == ("a", "the capital of France?", ((4, 11),))
        with pytest.raises(InvalidMessage):
            await bot.search(" ")


async def test_what_was_said_under_a_key_is_said_once():
    async with AsyncChatbot(ScriptedProvider("one", "two")) as bot:
        first = await bot.say("hello", key="k1")
        again = await bot.say("hello", key="k1")
        assert (again.text, again.status) == (first.text, "complete")
        assert [text async for text in bot.stream("hello", key="k1")] == ["one"]
        assert (await bot.say("hello", key="k2")).text == "two"
        assert await texts(bot) == ["hello", "one", "hello", "two"]
        with pytest.raises(InvalidMessage, match="another message"):
            await bot.say("good-bye", key="k1")


async def test_what_failed_under_a_key_is_answered_when_it_is_said_again():
    provider = ScriptedProvider(ServerFailed("x", retryable=False), "two", "three")
    async with AsyncChatbot(provider, retries=Retries(attempts=0)) as bot:
        with pytest.raises(ServerFailed):
            await bot.say("hello", key="k1")
        assert (await bot.say("hello", key="k1")).text == "two"
        assert await texts(bot) == ["hello", "two"]
        assert (await bot.info()).messages == 3


async def test_a_fork_does_not_pour_into_a_conversation_that_is_there():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        await bot.say("one")
        await bot.conversation("taken").say("two")
        with pytest.raises(ConfigError, match="already"):
            await bot.fork(name="taken")
        assert len(await bot.conversation("taken").history()) == 2


async def test_a_message_can_be_named_by_its_id_and_by_nothing_else():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        await bot.say("one")
        first = (await bot.history())[0]
        await bot.goto(first.id)
        assert await texts(bot) == ["one"]
        for wrong in (0, None, first.message):
            with pytest.raises(InvalidMessage, match="must be given"):
                await bot.goto(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidMessage, match="must be given"):
            await bot.edit("x", "y")  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "limit"), [("", 1), (" ", 1), ("word " * 101, 1), ("word", 0)])
async def test_a_search_that_makes_no_sense_is_refused(text: str, limit: int):
    async with AsyncChatbot(ScriptedProvider()) as bot:
        with pytest.raises((InvalidMessage, ConfigError)):
            await bot.search(text, limit=limit)


async def test_what_is_loaded_gives_an_unnamed_conversation_its_title(tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_text('[{"role": "user", "content": "Capital?"}]')
    async with AsyncChatbot(ScriptedProvider()) as bot:
        await bot.load(path)
        assert (await bot.info()).title == "Capital?"
