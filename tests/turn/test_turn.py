from collections.abc import AsyncGenerator, Sequence

import anyio
import pytest

from anaphora import AsyncChatbot, InMemoryStore, Retries, ScriptedProvider
from anaphora.chat.reply import AsyncReply
from anaphora.errors import (
    AuthenticationFailed,
    ContextTooLong,
    ConversationBusy,
    PromptTooLong,
    ProviderError,
    RateLimited,
    ServerFailed,
    StoreError,
    StreamInterrupted,
)
from anaphora.providers.base import ModelInfo, Request
from anaphora.providers.scripted import Cut, Delay, ScriptedReply
from anaphora.stores.records import Draft
from anaphora.turn.timing import Timing
from anaphora.values.events import Event, Finished, Planned, ProviderEvent, Retrying, TextDelta
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry, Extent

pytestmark = pytest.mark.anyio
QUICK = Retries(first_delay=0.001)


async def everything(bot: AsyncChatbot) -> list[tuple[str, str, str]]:
    """The whole tree of the bot's own conversation: role, text, status, in order."""
    store, scope = bot._bot.store, bot._open.scope

    async def below(parent: str | None) -> list[Entry]:
        found: list[Entry] = []
        for child in await store.children(scope, parent):
            found += [child, *await below(child.id)]
        return found

    return [(entry.role, entry.text, entry.status) for entry in sorted(await below(None), key=lambda entry: entry.order)]


async def heard(reply: AsyncReply) -> tuple[list[str], type[BaseException] | None]:
    """The texts that a reader saw, and the kind of error that ended them."""
    texts: list[str] = []
    try:
        async for text in reply:
            texts.append(text)  # noqa: PERF401 - what came before the error counts
    except ProviderError as error:
        return texts, type(error)
    return texts, None


async def shown(bot: AsyncChatbot) -> list[tuple[str, str]]:
    return [(entry.role, entry.text) for entry in await bot.history()]


async def test_a_turn_tells_its_plan_then_the_words_then_the_end():
    async with AsyncChatbot(ScriptedProvider("Pa ris.")) as bot:
        events: list[Event] = [event async for event in bot.stream("Capital?").events]
    assert isinstance(events[0], Planned)
    assert isinstance(events[-1], Finished)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Pa ris."
    assert events[-1].answer.status == "complete"
    assert events[-1].answer.usage is not None
    assert events[-1].answer.first_seconds is not None


async def test_the_users_words_are_kept_before_the_provider_is_called():
    class Looking(ScriptedProvider):
        kept: list[tuple[str, str, str]]

        async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
            self.kept = await everything(bot)
            async for event in super().stream(request):
                yield event

    provider = Looking("ok")
    async with AsyncChatbot(provider) as bot:
        await bot.say("important")
    assert provider.kept == [("user", "important", "complete")]


async def test_the_users_words_are_kept_even_if_the_provider_cannot_be_prepared():
    class Broken(ScriptedProvider):
        async def prepare(self, model: str, /) -> ModelInfo:
            raise ProviderError("cannot load")

    async with AsyncChatbot(Broken()) as bot:
        with pytest.raises(ProviderError, match="cannot load"):
            await bot.say("important")
        assert await everything(bot) == [("user", "important", "complete")]
        assert await shown(bot) == []


@pytest.mark.parametrize(
    "error", [AuthenticationFailed("x"), ServerFailed("x", retryable=False), RateLimited("x", retry_after=3_600)]
)
async def test_a_failed_call_leaves_the_context_as_it_was_and_the_next_call_works(error: ProviderError):
    provider = ScriptedProvider("one", error, "three")
    async with AsyncChatbot(provider) as bot:
        await bot.say("first")
        before = await shown(bot)
        with pytest.raises(type(error)):
            await bot.say("second")
        assert await shown(bot) == before
        assert ("user", "second", "complete") in await everything(bot)
        assert ("assistant", "", "failed") in await everything(bot)
        assert (await bot.say("third")).text == "three"
    assert [message.text for message in provider.requests[-1].messages] == ["first", "one", "third"]


async def test_a_stream_that_breaks_keeps_its_words_and_moves_nothing():
    async with AsyncChatbot(ScriptedProvider([TextDelta("The Eiff"), Cut()], "The Eiffel Tower."), retries=QUICK) as bot:
        assert await heard(bot.stream("What is it?")) == (["The Eiff"], StreamInterrupted)
        assert await everything(bot) == [("user", "What is it?", "complete"), ("assistant", "The Eiff", "interrupted")]
        assert await shown(bot) == []
        assert (await bot.retry()).text == "The Eiffel Tower."
        assert await shown(bot) == [("user", "What is it?"), ("assistant", "The Eiffel Tower.")]


async def test_a_buffered_call_tries_a_broken_stream_again_and_never_joins_two_answers():
    provider = ScriptedProvider([TextDelta("The Eiff"), Cut()], "Another answer.")
    async with AsyncChatbot(provider, retries=QUICK) as bot:
        answer = await bot.say("What is it?")
        assert answer.text == "Another answer."
        assert [type(error) for error in answer.retried] == [StreamInterrupted]
        assert await everything(bot) == [("user", "What is it?", "complete"), ("assistant", "Another answer.", "complete")]


async def test_before_the_first_word_a_shown_stream_is_tried_again_too():
    provider = ScriptedProvider(RateLimited("slow", retry_after=0.001), ServerFailed("x"), "ok")
    async with AsyncChatbot(provider, retries=QUICK) as bot:
        events = [event async for event in bot.stream("hi").events]
    assert next(event.delay for event in events if isinstance(event, Retrying)) == 0.001
    assert len(provider.requests) == 3


async def test_tries_come_to_an_end():
    provider = ScriptedProvider(*[ServerFailed(f"try {number}") for number in range(9)])
    async with AsyncChatbot(provider, retries=Retries(attempts=3, first_delay=0)) as bot:
        with pytest.raises(ServerFailed, match="try 3"):
            await bot.say("hi")
    assert len(provider.requests) == 4


async def test_an_answer_that_is_stopped_is_kept_and_remembered():
    async with AsyncChatbot(ScriptedProvider([TextDelta("Once"), Delay(30), TextDelta(" upon")], "more")) as bot:
        async with bot.stream("Tell me a story") as reply:
            async for _ in reply:
                break
        assert await everything(bot) == [("user", "Tell me a story", "complete"), ("assistant", "Once", "stopped")]
        assert await shown(bot) == [("user", "Tell me a story"), ("assistant", "Once")]
        await bot.say("go on")


async def test_leaving_without_async_with_stops_it_too():
    async with AsyncChatbot(ScriptedProvider([TextDelta("Once"), Delay(30)], "more")) as bot:
        async for _ in bot.stream("Tell me a story"):
            break
        assert (await bot.say("go on")).text == "more"
        assert await shown(bot) == [
            ("user", "Tell me a story"),
            ("assistant", "Once"),
            ("user", "go on"),
            ("assistant", "more"),
        ]


async def test_an_answer_stopped_before_its_first_word_is_no_answer():
    async with AsyncChatbot(ScriptedProvider([Delay(30)])) as bot:
        async with bot.stream("hello"):
            await anyio.sleep(0.05)
        assert await everything(bot) == [("user", "hello", "complete"), ("assistant", "", "stopped")]
        assert await shown(bot) == []


async def test_cancelling_a_waiting_call_keeps_what_came():
    async with AsyncChatbot(ScriptedProvider([TextDelta("Once"), Delay(30)])) as bot:
        with anyio.move_on_after(0.1):
            await bot.say("Tell me a story")
        assert ("assistant", "Once", "stopped") in await everything(bot)


async def test_closing_the_bot_stops_what_runs_and_keeps_it():
    store = InMemoryStore()
    bot = AsyncChatbot(ScriptedProvider([TextDelta("Once"), Delay(30)]), store=store)
    reply = bot.conversation("story").stream("Tell me a story")
    async for _ in reply:
        break
    await bot.aclose()
    entries = await store.branch(Scope("me", "story"), (await store.info(Scope("me", "story"))).head)
    assert [entry.status for entry in entries] == ["complete", "stopped"]


async def test_a_slow_reader_does_not_hold_the_answer_up():
    async with AsyncChatbot(ScriptedProvider("a b c d e f")) as bot:
        reply = bot.stream("letters")
        await anyio.sleep(0.05)
        assert ("assistant", "a b c d e f", "complete") in await everything(bot)
        assert [text async for text in reply] == ["a b c d e f"]


async def test_the_words_so_far_are_written_down_while_they_come():
    async with AsyncChatbot(
        ScriptedProvider([TextDelta("Once"), Delay(0.2), TextDelta(" upon")]), timing=Timing(flush=0.01)
    ) as bot:
        async for _ in bot.stream("Tell me a story"):
            await anyio.sleep(0.05)
            assert ("assistant", "Once", "pending") in await everything(bot)
            break


async def test_a_second_writer_is_refused_or_waits_as_asked():
    slow: ScriptedReply = [TextDelta("slow"), Delay(0.2), TextDelta(" done")]
    async with AsyncChatbot(ScriptedProvider(slow, "second")) as bot, bot.stream("first"):
        with pytest.raises(ConversationBusy):
            await bot.say("too early")
    async with AsyncChatbot(ScriptedProvider(slow, "second"), wait=5) as bot:
        first = bot.stream("first")
        assert (await bot.say("in its time")).text == "second"
        assert (await first.answer()).text == "slow done"
        assert [text for _, text in await shown(bot)] == ["first", "slow done", "in its time", "second"]


async def test_many_conversations_at_once_stay_apart():
    async with AsyncChatbot(ScriptedProvider(echo=True)) as bot:

        async def talk(name: str) -> None:
            for number in range(5):
                assert (await bot.conversation(name).say(f"{name}{number}")).text == f"You said: {name}{number}"

        async with anyio.create_task_group() as tasks:
            for name in "abcdefgh":
                tasks.start_soon(talk, name)
        for name in "abcdefgh":
            texts = [entry.text for entry in await bot.conversation(name).history() if entry.role == "user"]
            assert texts == [f"{name}{number}" for number in range(5)]


async def test_a_message_too_long_is_refused_named_and_kept():
    async with AsyncChatbot(ScriptedProvider("ok", context_window=1_000)) as bot:
        with pytest.raises(ContextTooLong, match="the message is too long"):
            await bot.say("x" * 9_000)
        assert [status for _, _, status in await everything(bot)] == ["complete"]
        assert await shown(bot) == []
        assert (await bot.say("short")).text == "ok"


async def test_when_the_provider_says_too_long_the_context_is_trimmed_once_by_its_numbers():
    error = PromptTooLong("too long")
    error.prompt_tokens, error.context_window = 2_000, 1_000
    provider = ScriptedProvider(*["ok"] * 20, error, "fits", "fits still")
    async with AsyncChatbot(provider, max_tokens=100) as bot:
        for number in range(20):
            await bot.say(f"message {number} " * 20)
        answer = await bot.say("last")
        assert answer.text == "fits"
        assert answer.context is not None
        assert answer.context.left is not None
        sent = [sum(len(message.text) for message in request.messages) for request in provider.requests]
        assert sent[-1] < sent[-2] / 2
        await bot.say("and on")
        assert len(provider.requests) == 23
        assert (await bot.context()).report.context_window == 1_000


async def test_too_long_twice_is_an_error():
    async with AsyncChatbot(ScriptedProvider("ok", "ok", PromptTooLong("a"), PromptTooLong("b"))) as bot:
        await bot.say("one " * 50)
        await bot.say("two " * 50)
        with pytest.raises(PromptTooLong, match="b"):
            await bot.say("three")


async def test_a_provider_that_breaks_its_contract_breaks_no_transcript():
    class Wild(ScriptedProvider):
        async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
            yield TextDelta("words")
            raise ZeroDivisionError("bug")

    async with AsyncChatbot(Wild()) as bot:
        with pytest.raises(ProviderError, match="raised ZeroDivisionError: bug"):
            await bot.say("hi")
        assert await everything(bot) == [("user", "hi", "complete"), ("assistant", "words", "interrupted")]


async def test_the_answer_is_shown_even_if_it_cannot_be_stored():
    class Full(InMemoryStore):
        async def append(self, scope: Scope, draft: Draft, /) -> Entry:
            raise StoreError("disk full")

    async with AsyncChatbot(ScriptedProvider("words"), store=Full()) as bot:
        reply = bot.stream("hi")
        with pytest.raises(StoreError, match="disk full"):
            assert [text async for text in reply] == ["words"]


async def test_after_trimming_the_two_answers_are_not_joined():
    provider = ScriptedProvider("ok", [TextDelta("half "), PromptTooLong("too long", provider="scripted")], "whole")
    async with AsyncChatbot(provider) as bot:
        await bot.say("first")
        assert (await bot.say("second")).text == "whole"


async def test_an_answer_that_stops_without_saying_why_is_no_whole_answer():
    class Silent(ScriptedProvider):
        async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
            yield TextDelta("half an ans")

    async with AsyncChatbot(Silent(), retries=Retries(attempts=0)) as bot:
        with pytest.raises(StreamInterrupted):
            await bot.say("hi")
        assert await everything(bot) == [("user", "hi", "complete"), ("assistant", "half an ans", "interrupted")]


async def test_a_store_that_fails_in_the_middle_is_told_as_it_is_and_nobody_stopped_anything():
    class Forgetful(InMemoryStore):
        reads = 0

        async def branch(self, scope: Scope, message_id: str | None, /, *, reach: Extent | None = None) -> Sequence[Entry]:
            self.reads += 1
            if self.reads == 2:
                raise StoreError("disk gone")
            return await super().branch(scope, message_id, reach=reach)

    provider = ScriptedProvider(PromptTooLong("too long", provider="scripted"), "never asked")
    async with AsyncChatbot(provider, store=Forgetful()) as bot:
        with pytest.raises(StoreError, match="disk gone"):
            await bot.say("hi")
        assert await everything(bot) == [("user", "hi", "complete"), ("assistant", "", "failed")]


async def test_the_lease_is_held_while_the_model_is_being_loaded():

    class Slow(ScriptedProvider):
        async def prepare(self, model: str, /) -> ModelInfo:
            await anyio.sleep(0.5)
            return await super().prepare(model)

    store = InMemoryStore()
    slow = AsyncChatbot(Slow("A"), store=store, timing=Timing(flush=0.01, lease=0.2)).conversation("c")
    quick = AsyncChatbot(ScriptedProvider("B"), store=store).conversation("c")
    reply = slow.stream("from a")
    await anyio.sleep(0.3)
    with pytest.raises(ConversationBusy):
        await quick.say("from b")
    assert (await reply.answer()).text == "A"
