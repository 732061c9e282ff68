"""What a bot spends, and what it does not."""

from pathlib import Path

import pytest
from tests.doubles.loopback import Loopback, stream

from anaphora import AsyncChatbot, Summary, Timing
from anaphora.errors import ConfigError, CostLimitReached, StreamInterrupted
from anaphora.providers.base import ModelInfo
from anaphora.providers.models.card import ModelCard, Prices
from anaphora.providers.retry import Retries
from anaphora.providers.scripted import Cut, ScriptedProvider
from anaphora.values.events import Ended, TextDelta, ThinkingDelta
from anaphora.values.message import Usage
from anaphora.values.usage import Call, taken_together, total, totals

pytestmark = pytest.mark.anyio
PRICED = ModelCard(prices=Prices(1.0, 10.0))


class Priced(ScriptedProvider):
    """Answers that cost a dollar for a million tokens read, and ten for a million written."""

    async def prepare(self, model: str, /) -> ModelInfo:
        info = await super().prepare(model)
        return ModelInfo(context_window=info.context_window, small=info.small, card=PRICED)


def answer(text: str = "ok", read: int = 1_000, written: int = 100) -> list[TextDelta | Ended]:
    return [TextDelta(text), Ended("stop", Usage(read, 0, written), "m")]


async def test_every_answer_says_what_it_cost_and_a_conversation_what_all_did():
    async with AsyncChatbot(Priced(answer(), answer())) as bot:
        first = await bot.say("a")
        await bot.say("b")
        assert first.usage == Usage(1_000, 0, 100, cost=0.002)
        assert await bot.usage() == Usage(2_000, 0, 200, cost=0.004)


async def test_a_price_that_is_not_known_is_unknown_and_never_nothing():
    async with AsyncChatbot(ScriptedProvider(answer())) as bot:
        assert (await bot.say("a")).usage == Usage(1_000, 0, 100, cost=None)
        (spent,) = await bot.spent()
        assert (spent.calls, spent.unpriced) == (1, 1)
        assert total([spent]).cost is None


async def test_titles_are_on_the_bill_and_labelled():
    provider = Priced(answer(), background=lambda _: answer("A title", 50, 5))
    async with AsyncChatbot(provider, titles=True, timing=Timing(title=0.0)) as bot:
        await bot.say("a")
        await bot.wait_for_background()
        assert {name: one.usage.cost for name, one in totals(await bot.spent(), "purpose").items()} == {
            "answer": 0.002,
            "title": 0.0001,
        }
        assert (await bot.usage()).cost == pytest.approx(0.0021)


async def test_an_answer_that_was_cut_is_estimated():
    async with AsyncChatbot(Priced([TextDelta("ok"), Cut()]), system="Be brief.") as bot:
        with pytest.raises(StreamInterrupted):
            async for _ in bot.stream("a question of some length"):
                pass
        (spent,) = await bot.spent()
        assert spent.usage.input_tokens > 5
        assert spent.usage.output_tokens > 0
        assert spent.unpriced == 0


async def test_nothing_is_billed_for_a_call_that_gave_nothing():
    async with AsyncChatbot(Priced([Cut()]), retries=Retries(attempts=0)) as bot:
        with pytest.raises(StreamInterrupted):
            await bot.say("a")
        assert await bot.spent() == []


async def test_the_call_that_may_pass_the_limit_is_not_made():
    provider = Priced(answer(), answer())
    async with AsyncChatbot(provider, max_cost=0.005, max_tokens=300) as bot:
        await bot.say("a")
        with pytest.raises(CostLimitReached, match=r"\$0\.0020.*limit of \$0\.0050") as caught:
            await bot.say("b", max_tokens=400)
        assert caught.value.limit == 0.005
        assert len(provider.requests) == 1
        assert [entry.text for entry in await bot.history()] == ["a", "ok"]
        asked = await bot.unanswered()
        assert asked is not None
        assert asked.text == "b"


async def test_with_a_limit_no_answer_can_be_longer_than_was_reckoned_with():
    provider = Priced(answer())
    async with AsyncChatbot(provider, max_cost=1.0) as bot:
        await bot.say("a")
    assert provider.requests[0].options.max_tokens == 4_096


async def test_in_the_background_the_limit_holds_too():
    provider = Priced(answer(), background=lambda _: answer("A title"))
    async with AsyncChatbot(provider, titles=True, timing=Timing(title=0.0), max_cost=0.0031, max_tokens=100) as bot:
        await bot.say("a")
        await bot.wait_for_background()
        assert provider.background_requests == []


async def test_without_a_price_no_limit_can_be_kept():
    async with AsyncChatbot(ScriptedProvider(answer()), max_cost=1.0) as bot:
        with pytest.raises(ConfigError, match="price is not known"):
            await bot.say("a")


@pytest.mark.parametrize("limit", [-1, float("nan"), True, "1"])
def test_a_limit_that_is_none_is_refused(limit: object):
    with pytest.raises(ConfigError, match="max_cost"):
        AsyncChatbot(ScriptedProvider(), max_cost=limit)  # type: ignore[arg-type]


async def test_the_bill_outlives_the_program(tmp_path: Path):
    for _ in range(2):
        async with AsyncChatbot(Priced(answer()), store=tmp_path / "chats.db") as bot:
            await bot.say("a")
            spent = await bot.spent()
    assert sum(one.calls for one in spent) == 2
    assert total(spent).cost == pytest.approx(0.004)


def test_totals_say_when_a_part_is_unknown():
    calls = [Call("c", "m", "answer", 0.0, Usage(1, cost=cost)) for cost in (0.5, None)]
    (spent,) = taken_together(calls)
    assert (total([spent]).cost, total([spent]).usage.cost, total([]).cost) == (None, 0.5, 0.0)


async def test_every_attempt_that_gave_words_is_on_the_bill():
    cut: list[TextDelta | Cut] = [TextDelta("some words"), Cut()]
    async with AsyncChatbot(Priced(cut, cut, answer()), retries=Retries(first_delay=0)) as bot:
        await bot.say("a")
        (spent,) = await bot.spent()
    assert spent.calls == 3


async def test_a_retry_that_would_pass_the_limit_is_not_made():
    cut: list[TextDelta | Cut] = [TextDelta("some words " * 50), Cut()]
    provider = Priced(cut, cut, cut)
    limits = {"max_cost": 0.004, "max_tokens": 100}
    async with AsyncChatbot(provider, retries=Retries(first_delay=0), context_window=8_000, **limits) as bot:  # type: ignore[arg-type]
        with pytest.raises(CostLimitReached):
            await bot.say("a " * 500)
    assert len(provider.requests) < 3


def test_the_most_a_call_can_cost_reckons_with_the_dearest_tokens():
    card = ModelCard(prices=Prices(1.0, 2.0, cached=0.1, cache_write=1.25, thinking=3.0))
    assert card.most(1_000_000, 1_000_000) == 4.25
    assert ModelCard().most(1, 1) is None


async def test_what_was_not_priced_then_is_priced_now(loopback: Loopback):
    async with AsyncChatbot("groq:m", base_url=loopback.url, models={"groq:m": {"input": 1, "output": 10}}, max_cost=0.02) as bot:
        old = Call(bot.id, "groq:m", "answer", 0.0, Usage(1_000, 0, 100))
        await bot._bot.store.record("me", old)
        loopback.answer(stream("ok"))
        await bot.say("hi", max_tokens=100)
        with pytest.raises(CostLimitReached, match=r"\$0\.0020"):
            await bot.say("hi", max_tokens=2_000)
        await bot._bot.store.record("me", Call(bot.id, "acme:x", "answer", 0.0, Usage(1_000, 0, 100)))
        with pytest.raises(ConfigError, match="acme:x has cost"):
            await bot.say("hi")


async def test_what_was_thought_is_reckoned_too_where_an_answer_was_stopped():
    provider = Priced([ThinkingDelta("hm " * 1_000), TextDelta("ok"), Cut()])
    async with AsyncChatbot(provider) as bot:
        with pytest.raises(StreamInterrupted):
            async for _ in bot.stream("a"):
                pass
        (spent,) = await bot.spent()
    assert spent.usage.thinking_tokens > 500
    assert spent.usage.output_tokens > spent.usage.thinking_tokens


async def test_a_title_without_usage_is_estimated():
    provider = Priced(answer(), background=lambda _: [TextDelta("A title"), Ended("stop", None, "m")])
    async with AsyncChatbot(provider, titles=True, timing=Timing(title=0.0)) as bot:
        await bot.say("a")
        await bot.wait_for_background()
        assert "title" in totals(await bot.spent(), "purpose")


async def test_the_users_prices_hold_for_whoever_writes_summaries_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    prices = {"openai:mine": {"input": 1, "output": 2}}
    async with AsyncChatbot(Priced(), summary=Summary(model="openai:mine"), models=prices) as bot:
        assert bot._bot.summariser is not None
        assert (await bot._bot.summariser.cost(Usage(1_000_000))) == 1.0
