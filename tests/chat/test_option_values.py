"""Options are checked where they are given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from tests.chat.test_image_source import picture

from anaphora import Chatbot, FitContext, LastTurns, ScriptedProvider, Timing
from anaphora.chat.option_values import checked_values, deadlines_of
from anaphora.errors import AnaphoraError, ConfigError
from anaphora.guards import Guard
from anaphora.providers.base import Deadlines
from anaphora.providers.retry import Retries
from anaphora.stores.inmemory import InMemoryStore

PNG = picture()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadlines", "30"),
        ("deadlines", 0),
        ("deadlines", True),
        ("deadlines", float("nan")),
        ("retries", -1),
        ("retries", "3"),
        ("retries", 1.5),
        ("wait", "x"),
        ("wait", -1),
        ("store", 5),
        ("store", InMemoryStore),
        ("system", 5),
        ("owner", 5),
        ("base_url", 5),
        ("api_key", b"k"),
        ("context_window", "x"),
        ("context_window", 0),
        ("context_window", True),
        ("titles", "yes"),
        ("confirm", "yes"),
        ("before_call", 5),
        ("tools", "now"),
        ("tools", 5),
        ("guards", "mask"),
        ("models", [1]),
        ("headers", {"a": 1}),
        ("headers", "a: b"),
        ("extra", [1]),
        ("temperature", "hot"),
        ("max_tokens", 1.5),
        ("stop", 5),
        ("stop", [5]),
        ("window", LastTurns),
        ("window", 5),
        ("timing", 5),
        ("timing", Timing),
        ("persona", 5),
        ("persona", b"x"),
        ("messages", 5),
        ("messages", {"role": "user"}),
        ("mcp", 5),
        ("mcp", []),
        ("models", {5: {}}),
        ("guard", [Guard]),
        ("http_client", object),
        ("key_env", 5),
    ],
)
def test_a_wrong_value_is_an_error_at_once_and_names_the_option(name: str, value: Any):
    options: dict[str, Any] = {"guards" if name == "guard" else name: value}
    with pytest.raises(ConfigError, match=name):
        Chatbot(ScriptedProvider(), **options)


def test_a_number_of_seconds_is_the_longest_silence_and_never_the_whole_answer():
    assert deadlines_of(30) == Deadlines(first_byte=30.0, between_chunks=30.0, total=1_800.0)
    assert deadlines_of(7_200).total == 7_200.0
    own = Deadlines(total=5)
    assert deadlines_of(own) is own


def test_a_number_of_retries_is_that_many_repeats():
    assert checked_values({"retries": 3})["retries"] == Retries(attempts=3)
    assert checked_values({"retries": 0})["retries"] == Retries(attempts=0)


def test_a_store_named_memory_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with Chatbot(ScriptedProvider("ok"), store=":memory:") as bot:
        bot.say("hi")
    assert list(tmp_path.iterdir()) == []


def test_one_picture_needs_no_list(tmp_path: Path):
    (tmp_path / "photo.png").write_bytes(PNG)
    provider = ScriptedProvider("nice", "nice")
    with Chatbot(provider) as bot:
        bot.say("Look", images=str(tmp_path / "photo.png"))
        bot.say("Look", images=PNG)
        assert [len(request.messages[-1].parts) for request in provider.requests] == [2, 2]
        wrongs: list[Any] = [5, [5]]
        for wrong in wrongs:
            with pytest.raises(AnaphoraError, match=r"picture|images"):
                bot.say("Look", images=wrong)


def test_a_wrong_argument_of_a_verb_is_an_error_of_ours():
    class Invoice:
        total: int = 0

    odd: Any = 5
    xml: Any = "xml"
    with Chatbot(ScriptedProvider(echo=True)) as bot:
        calls: list[Callable[[], Any]] = [
            lambda: bot.export(xml),
            lambda: bot.say("hi", output_type=Invoice()),
            lambda: bot.say("hi", output_type=odd),
            lambda: bot.say("hi", key=odd),
            lambda: bot.candidates("hi", xml),
            lambda: bot.say(odd),
            lambda: bot.say("hi", tool_choice=odd),
        ]
        for call in calls:
            with pytest.raises(AnaphoraError):
                call()


@pytest.mark.parametrize(("name", "value"), [("api_key", b"sk-canary"), ("headers", "Authorization: Bearer sk-canary")])
def test_a_wrong_value_that_may_be_a_key_is_not_shown(name: str, value: Any):
    options: dict[str, Any] = {name: value}
    with pytest.raises(ConfigError) as caught:
        Chatbot(ScriptedProvider(), **options)
    assert "canary" not in str(caught.value)


def test_a_class_is_no_model():
    kind: Any = ScriptedProvider
    with pytest.raises(ConfigError, match="the model must be"):
        Chatbot(kind)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LastTurns(cast("Any", "3")),
        lambda: LastTurns(limit=True),
        lambda: FitContext(limit=cast("Any", "x")),
        lambda: FitContext(keep=cast("Any", "x")),
        lambda: Deadlines(connect=cast("Any", "x")),
        lambda: Deadlines(first_byte=-1),
        lambda: Retries(attempts=-1),
        lambda: Retries(first_delay=cast("Any", "x")),
    ],
)
def test_the_parts_of_an_option_are_checked_where_they_are_made(make: Callable[[], object]):
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize(
    "call",
    [
        lambda bot: bot.search(5),
        lambda bot: bot.search("x", limit="y"),
        lambda bot: bot.search("x", limit=True),
        lambda bot: bot.conversations(limit="x"),
        lambda bot: bot.conversations(after="x"),
        lambda bot: bot.save(5),
        lambda bot: bot.load(5),
        lambda bot: bot.load(None),
        lambda bot: bot.read(5),
        lambda bot: bot.use(system=5),
        lambda bot: bot.rename(5),
        lambda bot: bot.count_tokens(5),
        lambda bot: bot.import_from(5),
        lambda bot: bot.export_to(5),
        lambda bot: bot.wait_for_background("x"),
    ],
)
def test_a_verb_that_is_given_another_type_raises_an_error_of_ours(call: Callable[[Any], object]):
    with Chatbot(ScriptedProvider(echo=True)) as bot, pytest.raises(AnaphoraError):
        call(bot)
