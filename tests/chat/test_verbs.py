"""A bot has conversations: what its verbs mean, and what can be changed in one of them."""

import gc
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.doubles.memory import marks_kept

from anaphora import AsyncChatbot, InMemoryStore, Message, ScriptedProvider, Summary, Text
from anaphora.chat.open_conversation import OpenConversation
from anaphora.errors import ConfigError, InvalidAnswer, InvalidMessage
from anaphora.providers.base import Request
from anaphora.providers.scripted import Delay, ScriptedReply
from anaphora.values.events import Ended, TextDelta

pytestmark = pytest.mark.anyio


async def test_the_verbs_of_a_bot_act_on_its_own_conversation_and_search_and_usage_on_all():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        await bot.say("about tomatoes")
        await bot.conversation("other").say("about peas")
        assert [entry.text for entry in await bot.history()][:1] == ["about tomatoes"]
        assert len(await bot.search("about")) == 4
        assert len(await bot.conversation().search("about")) == 2
        both = await bot.usage()
        assert both.input_tokens == sum(
            [(await one.usage()).input_tokens for one in (bot.conversation(), bot.conversation("other"))]
        )
        assert bot.conversation() == bot.conversation(bot.id)
        assert {bot.conversation("x"), bot.conversation("x")} == {bot.conversation("x")}


async def test_conversations_come_in_pages():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        for name in "abcde":
            await bot.conversation(name).say("hi")
        first = await bot.conversations(limit=2)
        rest = await bot.conversations(after=first[-1])
        assert [info.id for info in (*first, *rest)] == list("edcba")


async def test_a_new_conversation_has_no_name_and_is_called_after_its_first_words():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        one, two = bot.new_conversation(), bot.new_conversation()
        assert one != two
        await one.say("Where is Kyoto?")
        assert (await one.info()).title == "Where is Kyoto?"


async def test_messages_go_in_and_out_as_python(tmp_path: Path):
    given = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
    ]
    provider = ScriptedProvider("Fine.")
    async with AsyncChatbot(provider, messages=given) as bot:
        await bot.say("How are you?")
        assert [message.text for message in provider.requests[0].messages] == ["Be brief.", "Hi", "Hello.", "How are you?"]
        listed = await bot.export("plain")
        assert [one["content"] for one in listed] == ["Be brief.", "Hi", "Hello.", "How are you?", "Fine."]
        other = bot.conversation("other")
        assert await other.load(listed[:3]) == 2
        assert await other.load(io.StringIO(json.dumps(listed))) == 4
        assert await other.load([Message("user", (Text("only this"),))]) == 1
        assert (await other.history())[0].message.to_dict() == {"role": "user", "content": "only this"}
        with pytest.raises(InvalidMessage, match="message 1"):
            await other.load([{"role": "nobody"}])


async def test_a_greeting_is_appended_and_sent():
    provider = ScriptedProvider("Fine.")
    async with AsyncChatbot(provider) as bot:
        greeting = await bot.append("assistant", "Welcome!")
        assert greeting.status == "complete"
        await bot.say("Hello")
        assert [(one.role, one.text) for one in provider.requests[0].messages] == [("assistant", "Welcome!"), ("user", "Hello")]


async def test_clear_goes_back_to_the_start_and_deletes_nothing():
    async with AsyncChatbot(ScriptedProvider("a", "b")) as bot:
        await bot.say("one")
        await bot.clear()
        assert await bot.history() == ()
        await bot.say("two")
        assert len(await bot.branches()) == 2


async def test_a_conversation_uses_a_model_a_prompt_and_tools_of_its_own():
    def look() -> str:
        """Looks."""
        return "a map"

    store, other = InMemoryStore(), ScriptedProvider("from the other", "again")
    async with AsyncChatbot(ScriptedProvider("from the first", "and this"), store=store, system="One.") as bot:
        talk = bot.conversation("c")
        await talk.use(model=other, system="Two.", tools=[look])
        assert (await talk.say("hi")).text == "from the other"
        assert [tool.name for tool in other.requests[0].tools] == ["look"]
        assert other.requests[0].messages[0].text == "Two."
        assert (await bot.conversation("d").say("hi")).text == "from the first"
        await talk.use(tools=[])
        await talk.say("more")
        assert other.requests[1].tools == ()


async def test_the_name_of_a_model_is_stored_with_the_conversation(tmp_path: Path):
    (tmp_path / "script").write_text("text: from the script", encoding="utf-8")
    store = InMemoryStore()
    async with AsyncChatbot(ScriptedProvider("first", "again"), store=store) as bot:
        await bot.conversation("c").use(model=f"scripted:{tmp_path / 'script'}")
        with pytest.raises(ConfigError, match="no provider"):
            await bot.conversation("c").use(model="nobody:x")
    async with AsyncChatbot(ScriptedProvider("first", "again"), store=store) as bot:
        assert (await bot.conversation("c").say("hi")).text == "from the script"
        await bot.conversation("c").use(model="")
        assert (await bot.conversation("c").say("hi")).text == "first"


async def test_one_answer_may_have_another_model_and_prompt():
    first, other = ScriptedProvider("from the first", "again"), ScriptedProvider("from the other")
    async with AsyncChatbot(first, system="One.") as bot:
        assert (await bot.say("hi", model=other, system="Two.")).text == "from the other"
        assert other.requests[0].messages[0].text == "Two."
        assert (await bot.say("hi")).text == "from the first"
        assert first.requests[0].messages[0].text == "One."


async def test_what_would_be_sent_is_shown_and_stays_unsaid():
    async with AsyncChatbot(ScriptedProvider("a"), system="Be brief.") as bot:
        await bot.say("one")
        context = await bot.context_for("two")
        assert [message.text for message in context.messages] == ["Be brief.", "one", "a", "two"]
        assert len(await bot.history()) == 2
        assert await bot.count_tokens("two words") > 0


async def test_summaries_are_written_when_they_are_asked_for_in_words_of_ones_own():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    async with AsyncChatbot(provider, summary=Summary(prompt="Note it in {words} words.")) as bot:
        for number in range(40):
            await bot.say(f"mark{number} " + "and some more words that fill the window " * 2)
        assert await bot.summarise()
    asked = [request for request in provider.background_requests if request.purpose == "summary"]
    assert asked[0].messages[0].text.startswith("Note it in ")


async def test_requests_pass_through_the_hooks():
    seen: list[object] = []

    async def before(request: Request) -> Request:
        seen.append(request.purpose)
        return Request(request.model, (*request.messages[:-1], Message("user", (Text("changed"),))))

    provider = ScriptedProvider(echo=True)
    async with AsyncChatbot(provider, before_call=before, after_call=lambda _, ended: seen.append(ended)) as bot:
        assert (await bot.conversation("x").say("hi")).text == "You said: changed"
    assert seen[0] == "answer"
    assert isinstance(seen[1], Ended)


@dataclass
class Invoice:
    number: int


async def test_an_answer_grows_into_its_type():
    steps: ScriptedReply = [TextDelta('{"num'), Delay(0.001), TextDelta('ber": 1'), Delay(0.001), TextDelta("2}")]
    async with AsyncChatbot(ScriptedProvider(steps, "text", [TextDelta("no JSON"), Ended("stop")])) as bot:
        reply = bot.stream("Read", output_type=Invoice)
        grown = [value async for value in reply.values]
        assert grown[-1] == {"number": 12}
        assert (await reply.answer()).value == Invoice(12)
        assert (await bot.say("Read", output_type=str)).value == "text"
        with pytest.raises(InvalidAnswer):
            await bot.stream("Read", output_type=Invoice).answer()


async def test_a_deleted_or_idle_conversation_is_let_go_of():
    def held() -> int:
        gc.collect()
        return sum(isinstance(one, OpenConversation) for one in gc.get_objects())

    before = held()
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:
        for number in range(100):
            talk = bot.conversation(f"deleted {number}")
            await talk.say("hi")
            await talk.delete()
        del talk
        assert held() - before <= 2
        for number in range(100):
            await bot.conversation(f"kept {number}").say("hi")
        assert held() - before <= 70


async def test_an_unknown_option_names_the_right_one():
    bot = AsyncChatbot(ScriptedProvider("a"))
    names = {"timeout": "deadlines", "system_prompt": "system", "max_retries": "retries", "temprature": "temperature"}
    for wrong, right in names.items():
        with pytest.raises(ConfigError, match=f"Did you mean {right}"):
            AsyncChatbot(ScriptedProvider(), **{wrong: 1})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Did you mean max_tokens"):
        await bot.say("hi", max_completion_tokens=1)  # type: ignore[call-overload]


async def test_an_answer_is_short_in_a_shell_and_markdown_in_a_notebook():
    async with AsyncChatbot(ScriptedProvider("**word** " * 50)) as bot:
        answer = await bot.say("hi")
    assert len(repr(answer)) < 120
    assert answer._repr_markdown_() == answer.text
    assert answer.to_dict()["usage"]["total_tokens"] == answer.usage.total_tokens  # type: ignore[union-attr]
    assert answer.to_dict()["role"] == "assistant"
