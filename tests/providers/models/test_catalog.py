"""The catalog: what is known of models, and what calls of them cost. The sums are made by hand."""

import pytest

from anaphora.errors import ConfigError
from anaphora.providers.models.card import FREE, ModelCard, Prices, Tier, card_from_json, own_cards
from anaphora.providers.models.catalog import known_card, known_models, origin
from anaphora.providers.models.vendors import VENDORS
from anaphora.values.message import Usage


@pytest.mark.parametrize(
    ("name", "usage", "dollars"),
    [
        # $0.75 in, $0.075 cached, $4.50 out for a million:
        # 600,000 at 0.75 = 0.45; 400,000 at 0.075 = 0.03; 100,000 at 4.50 = 0.45.
        ("openai:gpt-5.4-mini", Usage(1_000_000, 400_000, 100_000, 60_000), 0.93),
        # $0.15 in, $0.60 out: 2,000 at 0.15 = 0.0003; 500 at 0.60 = 0.0003.
        ("groq:openai/gpt-oss-120b", Usage(2_000, 0, 500), 0.0006),
        # $2 in, $2.50 written to the cache, $0.10 read from it, $10 out:
        # 10 at 2 = 0.00002; 1,000 at 2.50 = 0.0025; 9,000 at 0.10 = 0.0009; 200 at 10 = 0.002.
        ("anthropic:claude-sonnet-5-5", Usage(10_010, 9_000, 200, cache_write_tokens=1_000), 0.00542),
        # $0.30 in, $2.50 out and for thoughts: 1,000 at 0.30 = 0.0003; 500 at 2.50 = 0.00125.
        ("gemini:gemini-2.5-flash", Usage(1_000, 0, 500, 300), 0.00155),
        # Up to 200,000 tokens $1.25 in, $10 out: 100,000 at 1.25 = 0.125; 10,000 at 10 = 0.1.
        ("gemini:gemini-2.5-pro", Usage(100_000, 0, 10_000), 0.225),
        # Above, $2.50 in, $0.25 cached, $15 out: 200,000 at 2.50 = 0.5; 100,000 at 0.25 = 0.025; 10,000 at 15 = 0.15.
        ("gemini:gemini-2.5-pro", Usage(300_000, 100_000, 10_000), 0.675),
        # Above 100,000 tokens $0.50 in, $0.05 cached, $0.625 written, $2.50 out:
        # 40,000 at 0.50 = 0.02; 150,000 at 0.05 = 0.0075; 10,000 at 0.625 = 0.00625; 10,000 at 2.50 = 0.025.
        ("anthropic:claude-haiku-5-5", Usage(200_000, 150_000, 10_000, cache_write_tokens=10_000), 0.05875),
    ],
)
def test_what_a_call_costs_is_right(name: str, usage: Usage, dollars: float):
    provider, _, model = name.partition(":")
    assert known_card(provider, model).cost(usage) == pytest.approx(dollars, abs=1e-12)


def test_thoughts_have_their_own_price_where_there_is_one():
    assert Prices(1, 2, thinking=4).cost(Usage(0, 0, 1_000_000, 500_000)) == 3.0


def test_a_price_that_is_not_known_is_not_nothing():
    assert known_card("openai", "gpt-from-the-future") == ModelCard()
    assert ModelCard().cost(Usage(1, 0, 1)) is None
    assert FREE.cost(Usage(1, 0, 1)) == 0.0


def test_every_line_of_the_catalog_can_be_read():
    cards = dict(known_models())
    assert len(cards) > 1_000
    assert all(name.partition(":")[0] in VENDORS for name in cards)
    assert list(cards) == sorted(cards)
    assert origin().date > "2026"
    assert len(origin().sources) == 2


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS.values() if vendor.model and vendor.name != "openrouter"])
def test_the_default_model_of_every_vendor_is_known(vendor):
    card = known_card(vendor.name, vendor.model)
    assert card.prices is not None
    assert card.context_window


def test_what_the_user_knows_goes_over_what_is_published():
    own = own_cards({"openai:gpt-5.4-mini": {"input": 1, "output": 2}, "ollama:my": {"context_window": 4_096, "images": True}})
    card = known_card("openai", "gpt-5.4-mini", own)
    assert card.prices == Prices(1, 2)
    assert card.context_window == 272_000
    assert known_card("ollama", "my", own) == ModelCard(context_window=4_096, images=True)


def test_own_prices_go_over_published_tiers_too():
    own = own_cards({"gemini:gemini-2.5-pro": {"input": 1, "output": 2}})
    assert known_card("gemini", "gemini-2.5-pro", own).tiers == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"window": 1}, "no 'window'"),
        ({"context_window": "big"}, "tokens"),
        ({"context_window": 0}, "tokens"),
        ({"input": 1}, "both input and output"),
        ({"input": -1, "output": 1}, "price"),
        ({"input": "1", "output": 1}, "price"),
        ({"images": 1}, "true or false"),
        ({"tiers": [{"input": 1}]}, "above"),
        ([], "provider:model"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused_with_its_name(value: object, words: str):
    with pytest.raises(ConfigError, match=words) as caught:
        own_cards({"openai:x": value})
    assert "openai:x" in str(caught.value)


def test_tiers_are_read_in_order():
    card = card_from_json(
        {"input": 1, "output": 1, "tiers": [{"above": 20, "input": 3, "output": 3}, {"above": 10, "input": 2, "output": 2}]}
    )
    assert card.tiers == (Tier(10, Prices(2, 2)), Tier(20, Prices(3, 3)))
    assert [card.cost(Usage(tokens * 1_000_000)) for tokens in (0,)] == [0.0]
    assert [ModelCard.cost(card, Usage(tokens)) for tokens in (10, 11, 21)] == pytest.approx([10e-6, 22e-6, 63e-6])
