"""What is done after an answer: summaries and facts, in the background, tried again when they fail."""

from itertools import pairwise

import anyio
import pytest
from tests.doubles.memory import marks_kept, material

from anaphora import AsyncChatbot, Facts, InMemoryStore, LastTurns, ScriptedProvider, Summary
from anaphora.errors import ServerFailed
from anaphora.providers.base import Request
from anaphora.providers.scripted import Delay, ScriptedReply
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.values.events import Ended, TextDelta
from anaphora.values.message import Message

pytestmark = pytest.mark.anyio

WORDS = "and some more words that fill the window with text"


async def talk(bot: AsyncChatbot, turns: int, first: int = 0) -> None:
    for number in range(first, first + turns):
        await bot.say(f"mark{number} {WORDS}")
        await bot.wait_for_background()


def sent(request: Request) -> str:
    return "\n".join(message.text for message in request.messages)


async def test_what_left_the_window_is_there_as_a_summary():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    async with AsyncChatbot(provider, system="Be brief.") as bot:
        await talk(bot, 30)
        report = (await bot.context()).report
        assert report.left is not None
        assert report.left.unseen == 0
        assert all(f"mark{number}" in sent(provider.requests[-1]) for number in range(30))
        assert report.asides.summaries


async def test_a_summary_is_made_of_the_originals_and_of_nothing_else():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    async with AsyncChatbot(provider) as bot:
        await talk(bot, 60)
    summaries = [request for request in provider.background_requests if request.purpose == "summary"]
    # What is asked only once is not worth a place in the provider's cache.
    assert all(request.stable == 0 for request in summaries)
    assert len(summaries) > 4
    for request in summaries:
        assert "They said" not in sent(request)
        assert "<memory>" not in sent(request)
        assert material(request).strip().startswith("User: mark")


async def test_older_summaries_become_one_so_that_they_keep_to_their_share():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    async with AsyncChatbot(provider) as bot:
        await talk(bot, 80)
        report = (await bot.context()).report
        assert len(report.asides.summaries) <= 5
        assert report.asides.summaries[0].start == 0
        assert report.asides.summaries[0].end > 30
        assert report.asides.preamble.tokens <= 0.25 * report.budget
        assert len(await bot._bot.store.summaries(bot._open.scope, (await bot.info()).head)) <= 12


async def test_the_prefix_changes_only_when_the_window_moves():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    async with AsyncChatbot(provider, system="Be brief.") as bot:
        moves, cut = 0, None
        for number in range(50):
            answer = await bot.say(f"mark{number} {WORDS}")
            await bot.wait_for_background()
            assert answer.context is not None
            moves += cut not in {None, answer.context.cut}
            cut = answer.context.cut
    changes = sum(
        after.messages[: len(before.messages) - 1] != before.messages[:-1] for before, after in pairwise(provider.requests)
    )
    assert 2 <= moves == changes <= 6


async def test_a_summary_that_fails_is_told_and_tried_again_and_delays_nobody():
    replies: list[ScriptedReply] = [ServerFailed("scripted: broken"), "", "I'm sorry, I cannot do that."]

    def background(request: Request) -> ScriptedReply:
        return replies.pop(0) if replies else marks_kept(request)

    provider = ScriptedProvider(echo=True, context_window=1_200, background=background)
    async with AsyncChatbot(provider) as bot:
        told = set()
        for number in range(40):
            await talk(bot, 1, number)
            told |= set((await bot.context()).report.asides.notes)
        assert any("broken" in note and "tried again" in note for note in told)
        assert any("empty, refused or broken" in note for note in told)
        report = (await bot.context()).report
        assert report.asides.notes == ()
        assert report.left is not None
        assert report.left.unseen == 0
        assert not replies


async def test_while_nothing_is_summarised_the_report_says_what_is_not_shown():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=lambda _: "")
    async with AsyncChatbot(provider) as bot:
        await talk(bot, 30)
        report = (await bot.context()).report
        assert report.left is not None
        assert report.left.unseen == report.left.messages > 0
        assert "30 older" not in str(report)
        assert len(await bot.history()) == 60


async def test_a_model_too_small_writes_none_and_the_report_says_so():
    provider = ScriptedProvider(echo=True, context_window=1_200)
    async with AsyncChatbot(provider) as bot:
        await talk(bot, 30)
        report = (await bot.context()).report
        assert "too small to write summaries" in str(report)
        assert len(provider.requests) == 30


async def test_another_model_may_write_them(tmp_path):
    script = tmp_path / "summary.txt"
    script.write_text("text: Notes by another.\n---\n" * 20, encoding="utf-8")
    provider = ScriptedProvider(echo=True, context_window=1_200)
    async with AsyncChatbot(provider, summary=Summary(model=f"scripted:{script}")) as bot:
        await talk(bot, 30)
        assert "Notes by another." in sent(provider.requests[-1])
        assert len(provider.requests) == 30


async def test_a_branch_never_sees_the_summary_of_another():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    async with AsyncChatbot(provider) as bot:
        await talk(bot, 4)
        fork = (await bot.history())[-1]
        await talk(bot, 30, 100)
        left = (await bot.history())[-1]
        await bot.goto(fork)
        await talk(bot, 30, 200)
        assert "mark101" not in sent(provider.requests[-1])
        assert "mark201" in sent(provider.requests[-1])
        await bot.goto(left)
        await talk(bot, 1, 300)
        assert "mark201" not in sent(provider.requests[-1])
        assert "mark101" in sent(provider.requests[-1])
        assert "mark1 " in sent(provider.requests[-1])


async def test_a_window_that_slides_gets_its_summaries_too():
    provider = ScriptedProvider(echo=True, context_window=20_000, background=marks_kept)
    async with AsyncChatbot(provider, window=LastTurns(3, keep=3)) as bot:
        await talk(bot, 20)
        report = (await bot.context()).report
        assert report.left is not None
        assert report.left.unseen < 6


async def test_a_long_history_that_came_from_elsewhere_is_summarised_once(tmp_path):
    store = SQLiteStore(tmp_path / "x.db")
    plain = ScriptedProvider(echo=True, context_window=100_000)
    bot = AsyncChatbot(plain, store=store).conversation("c")
    for number in range(60):
        await bot.say(f"mark{number} {WORDS}")
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    other = AsyncChatbot(provider, store=store).conversation("c")
    await other.say("mark900")
    await other.wait_for_background()
    assert [request.purpose for request in provider.background_requests].count("summary") <= 2
    await other.say("mark901")
    assert "They said mark0" in sent(provider.requests[-1])
    report = (await other.context()).report
    assert report.left is not None
    assert report.left.unseen == 0
    await store.aclose()


async def test_facts_are_learned_from_the_users_words_with_evidence():
    provider = ScriptedProvider(echo=True, background=marks_kept)
    async with AsyncChatbot(provider, facts=Facts(learn=True)) as bot:
        await bot.say("I live in Lyon and like tea.")
        await bot.wait_for_background()
        (fact,) = await bot.facts.list()
        (asked, _) = await bot.history()
        assert fact.text == "Lives in Lyon"
        assert fact.origin == "learned"
        assert [(one.message, one.quote) for one in fact.evidence] == [(asked.id, "I live in Lyon")]


async def test_a_fact_that_changed_takes_the_place_of_the_old_one_which_is_kept_as_history():
    provider = ScriptedProvider(echo=True, background=marks_kept)
    async with AsyncChatbot(provider, facts=Facts(learn=True)) as bot:
        for text in ("I live in Lyon.", "I live in Lyon, as I said.", "I live in Paris now."):
            await bot.say(text)
            await bot.wait_for_background()
        assert [fact.text for fact in await bot.facts.list()] == ["Lives in Paris"]
        old, new = await bot.facts.history()
        assert (old.text, old.successor) == ("Lives in Lyon", new.id)
        assert old.superseded == new.created
        assert len(old.evidence) == 2


async def test_every_message_is_learned_from_once():
    provider = ScriptedProvider(echo=True, background=marks_kept)
    async with AsyncChatbot(provider, facts=Facts(learn=True)) as bot:
        for number in range(4):
            await bot.say(f"I have {number} cats")
            await bot.wait_for_background()
    asked = [request for request in provider.background_requests if request.purpose == "facts"]
    assert [material(request).count("cats") for request in asked] == [1, 1, 1, 1]


async def test_without_being_asked_to_nothing_is_learned():
    provider = ScriptedProvider(echo=True, background=marks_kept)
    async with AsyncChatbot(provider) as bot:
        await bot.say("I live in Lyon.")
        await bot.wait_for_background()
        assert await bot.facts.list() == []
        assert provider.background_requests == []


async def test_facts_reach_the_owners_other_conversations_and_nobody_elses():
    store = InMemoryStore()
    provider = ScriptedProvider(echo=True, background=marks_kept)
    bot = AsyncChatbot(provider, store=store, facts=Facts(learn=True), owner="ana")
    await bot.say("I live in Lyon.")
    await bot.wait_for_background()
    await bot.conversation("another").say("Where is a good bakery?")
    assert "Lives in Lyon" in sent(provider.requests[-1])
    other = AsyncChatbot(provider, store=store, owner="bob")
    await other.say("Where is a good bakery?")
    assert "Lyon" not in sent(provider.requests[-1])


async def test_what_was_just_said_is_not_told_as_a_fact_too():
    provider = ScriptedProvider(echo=True, background=marks_kept)
    async with AsyncChatbot(provider, facts=Facts(learn=True)) as bot:
        await bot.say("I live in Lyon.")
        await bot.wait_for_background()
        await bot.say("Where is a good bakery?")
        assert "<memory>" not in sent(provider.requests[-1])


async def test_a_fork_goes_on_with_what_was_learned():
    provider = ScriptedProvider(echo=True, background=marks_kept)
    async with AsyncChatbot(provider, facts=Facts(learn=True)) as bot:
        for text in ("I live in Lyon.", "I live in Paris now."):
            await bot.say(text)
            await bot.wait_for_background()
        fork = await bot.fork()
        await fork.say("Hello.")
        await fork.wait_for_background()
        assert [fact.text for fact in await bot.facts.list()] == ["Lives in Paris"]


async def test_what_the_user_corrects_while_facts_are_looked_for_stays_corrected():
    def slow(request: Request) -> ScriptedReply:
        return [Delay(0.2), TextDelta(str(marks_kept(request))), Ended("stop")]

    provider = ScriptedProvider(echo=True, background=slow)
    async with AsyncChatbot(provider, facts=Facts(learn=True)) as bot:
        await bot.say("I live in Lyon.")
        await bot.wait_for_background()
        (fact,) = await bot.facts.list()
        await bot.say("I live in Lyon, as I said.")
        await bot.facts.edit(fact, "Lives near Lyon")
        await bot.wait_for_background()
        assert [one.text for one in await bot.facts.list()] == ["Lives near Lyon"]


async def test_summaries_of_a_small_window_become_few_too():
    provider = ScriptedProvider(echo=True, context_window=8_000, background=marks_kept)
    async with AsyncChatbot(provider, window=LastTurns(1)) as bot:
        for number in range(70):
            await bot.say(f"mark{number} {WORDS}")
            await bot.wait_for_background()
            report = (await bot.context()).report
            assert len(report.asides.summaries) <= 6
        assert report.left is not None
        assert report.left.unseen < 8
        assert report.asides.summaries[0].start == 0


async def test_a_stretch_of_which_everything_was_forgotten_blocks_no_other():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    async with AsyncChatbot(provider) as bot:
        await talk(bot, 25)
        for entry in (await bot.history())[:24]:
            await bot.forget(entry)
        provider.background_requests.clear()
        await talk(bot, 30, 100)
        assert all("User:" in material(request) for request in provider.background_requests)
        report = (await bot.context()).report
        assert report.asides.summaries[-1].end == report.left.messages  # type: ignore[union-attr]


async def test_that_a_model_cannot_learn_is_said_at_once():
    async with AsyncChatbot(ScriptedProvider(echo=True), facts=Facts(learn=True)) as bot:
        answer = await bot.say("I live in Oslo")
        assert "too small to learn facts" in str(answer.context)


async def test_a_fact_told_in_the_middle_of_a_conversation_is_seen_at_once():
    provider = ScriptedProvider(echo=True, background=marks_kept)
    async with AsyncChatbot(provider) as bot:
        await bot.say("Hello")
        await bot.facts.add("Is vegan")
        await bot.say("What shall I cook?")
        assert "Is vegan" in provider.requests[-1].messages[-1].text
        assert "Is vegan" not in (await bot.history())[-2].text


async def test_a_summary_in_the_background_does_not_hold_up_the_next_turn():
    def slow(request: Request) -> ScriptedReply:
        return [Delay(30.0), TextDelta("late"), Ended("stop")]

    provider = ScriptedProvider(echo=True, context_window=1_200, background=slow)
    async with AsyncChatbot(provider) as bot:
        for number in range(30):
            await bot.say(f"mark{number} {WORDS}")
        assert len(await bot.history()) == 60
        while not provider.background_requests:
            await anyio.sleep(0.01)
        assert len(provider.background_requests) == 1


async def test_an_owner_is_never_summarised_into_anothers_context():
    store = InMemoryStore()
    provider = ScriptedProvider(echo=True, context_window=1_200, background=marks_kept)
    ana, bob = (AsyncChatbot(provider, store=store, owner=owner) for owner in ("ana", "bob"))
    for number in range(25):
        await ana.conversation("c").say(f"mark{number} {WORDS}")
        await ana.conversation("c").wait_for_background()
    await bob.conversation("c").say("What did mark1 and mark2 say?")
    assert sent(provider.requests[-1]) == "What did mark1 and mark2 say?"
    assert isinstance(provider.requests[-1].messages[0], Message)


async def test_waiting_for_the_background_can_be_bounded():
    provider = ScriptedProvider(echo=True, context_window=1_200, background=lambda _: [Delay(60.0), TextDelta("late")])
    async with AsyncChatbot(provider, facts=Facts(learn=True)) as bot:
        await bot.say("I live in Lyon.")
        await bot.wait_for_background(0.01)
        assert len(provider.background_requests) <= 1
