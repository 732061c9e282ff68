"""Guards: what they pass, change and refuse, whatever pieces an answer comes in."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora import AsyncChatbot, Chatbot, Retries, ScriptedProvider
from anaphora.errors import AnaphoraError, ConfigError, GuardFailed, InvalidMessage, StreamInterrupted
from anaphora.guards import Guard, Refusal, guard, json_only, mask_secrets, maximum_length, topics
from anaphora.guards.gate import AnswerRefused, Gate
from anaphora.providers.scripted import Cut, ScriptedReply
from anaphora.values.events import Ended, Refused, TextDelta, ToolCallDelta
from anaphora.values.message import Text, Usage

pytestmark = pytest.mark.anyio


def shouted(text: str) -> str:
    return text.upper()


def no_blood(text: str) -> Refusal | None:
    return Refusal("Not about that.") if "blood" in text.lower() else None


def only(on: Any, sees: Any = "whole") -> Callable[[Any], Guard]:
    return guard(on=on, sees=sees)


def test_a_plain_function_guards_message_and_answer():
    provider = ScriptedProvider("hello there")
    with Chatbot(provider, guards=[shouted]) as bot:
        assert bot.say("hi").text == "HELLO THERE"
        assert [entry.text for entry in bot.history()] == ["HI", "HELLO THERE"]
    assert provider.requests[0].messages[-1].text == "HI"


def test_a_refused_message_is_not_sent_and_not_in_the_next_context():
    provider = ScriptedProvider("Fine.")
    with Chatbot(provider, guards=[only("message")(no_blood)]) as bot:
        answer = bot.say("Show me blood")
        assert (answer.status, answer.text) == ("refused", "Not about that.")
        assert provider.requests == []
        assert bot.history() == ()
        assert bot.unanswered() is None
        assert bot.say("Hello").status == "complete"
        assert [message.text for message in provider.requests[0].messages] == ["Hello"]
        stored = [(entry.text, entry.status) for entry in bot.branches()]
    assert ("Not about that.", "refused") in stored


def test_a_refused_answer_is_not_shown_and_not_in_the_next_context():
    provider = ScriptedProvider("There is blood everywhere.", "Flowers.")
    with Chatbot(provider, guards=[only("answer")(no_blood)]) as bot:
        reply = bot.stream("Tell me")
        events = list(reply.events)
        assert not any("blood" in event.text for event in events if isinstance(event, TextDelta))
        assert Refused("Not about that.") in events
        assert reply.answer().status == "refused"
        assert "".join(bot.stream("Again")) == "Flowers."
        assert [entry.text for entry in bot.history()] == ["Again", "Flowers."]


def test_the_text_of_a_refusal_comes_with_the_words_of_a_stream():
    with Chatbot(ScriptedProvider("Nice. Now blood. More."), guards=[only("answer", "sentence")(no_blood)]) as bot:
        assert list(bot.stream("Go"))[-1] == "Not about that."
        with Chatbot(ScriptedProvider("Nice. Now blood. More."), guards=[only("answer", "sentence")(no_blood)]) as other:
            answer = other.say("Go")
    assert answer.text == "Nice. \n\nNot about that."


def test_a_retry_asks_the_guards_again():
    provider = ScriptedProvider("Fine.")
    with Chatbot(provider, guards=[only("message")(no_blood)]) as bot:
        bot.say("blood")
        assert bot.retry().status == "refused"
    assert provider.requests == []


async def test_a_guard_may_be_awaited():
    async def later(text: str) -> str:
        await anyio.lowlevel.checkpoint()
        return text[::-1]

    async with AsyncChatbot(ScriptedProvider("abc"), guards=[only("answer")(later)]) as bot:
        assert (await bot.say("x")).text == "cba"


@pytest.mark.parametrize("on", ["message", "answer"])
def test_what_a_broken_guard_was_to_look_at_is_not_passed_on(on: str):
    def broken(text: str) -> str:
        raise RuntimeError("down")

    provider = ScriptedProvider("secret")
    with Chatbot(provider, guards=[only(on)(broken)]) as bot:
        with pytest.raises(GuardFailed, match="the guard broken failed, so nothing was passed on: RuntimeError: down"):
            bot.say("typed")
        assert len(provider.requests) == (on == "answer")
        # What was typed is kept, and can be asked for again.
        asked = bot.unanswered()
        assert asked is not None
        assert asked.text == "typed"


def test_a_guard_that_says_nonsense_is_an_error():
    nonsense = only("message")(lambda _: 3)
    with (
        Chatbot(ScriptedProvider("x"), guards=[nonsense]) as bot,
        pytest.raises(GuardFailed, match="must give None, a text or a Refusal, not 3"),
    ):
        bot.say("hi")


def test_what_tools_give_is_guarded_too():
    def key() -> str:
        """The key."""
        return "the key is sk-abcdefghijklmnop1234"

    provider = ScriptedProvider([ToolCallDelta(0, "k", "key"), Ended("tool_calls")], "Ok.")
    with Chatbot(provider, tools=[key], guards=[mask_secrets()]) as bot:
        bot.say("Go")
    (result,) = provider.requests[-1].messages[-1].tool_results
    assert result.text == "the key is [secret]"


ANSWER = 'First one. "Second!" Third… and so on\nA line\n\nAnother? Yes. 第一。第二！「三。」 3.14 is pi'


async def passed(guards: Sequence[Guard], pieces: Sequence[str]) -> str:
    gate = Gate(guards)
    text = ""
    try:
        for piece in pieces:
            await gate.feed(piece)
            text += gate.passed
        await gate.end()
    except AnswerRefused as refused:
        return text + gate.passed + f"<{refused.refusal.text}>"
    return text + gate.passed


def seen(found: list[str], sees: str) -> Guard:
    def note(text: str) -> None:
        found.append(text)

    return only("answer", sees)(note)


@given(st.lists(st.integers(0, len(ANSWER)), max_size=8))
def test_wherever_an_answer_is_split_guards_see_the_same(cuts: list[int]):
    places = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[start:end] for start, end in pairwise(places)]
    sentences: list[str] = []
    whole: list[str] = []
    assert anyio.run(passed, [seen(sentences, "sentence"), seen(whole, "whole")], pieces) == ANSWER
    assert sentences == [
        "First one. ",
        '"Second!" ',
        "Third… ",
        "and so on\n",
        "A line\n\n",
        "Another? ",
        "Yes. ",
        "第一。",
        "第二！",
        "「三。」 ",
        "3.14 is pi",
    ]
    assert whole == [ANSWER]


@pytest.mark.parametrize("place", range(len("One. Two blood. Three.") + 1))
@pytest.mark.parametrize("sees", ["sentence", "whole"])
def test_a_refusal_comes_at_the_same_place_wherever_it_is_split(place: int, sees: str):
    text = "One. Two blood. Three."
    said = anyio.run(passed, [only("answer", sees)(no_blood)], [text[:place], text[place:]])
    assert said == ("One. " if sees == "sentence" else "") + "<Not about that.>"


def test_guards_are_asked_in_their_order():
    first = only("answer", "sentence")(lambda text: text.replace("a", "b"))
    second = only("answer", "whole")(lambda text: text.replace("b", "c"))
    assert anyio.run(passed, [first, second], ["a. ", "b. a"]) == "c. c. c"


SECRETS = [
    "sk-proj-abcdefghijklmnopqrstuvwx",
    "sk-ant-api03-AAAAAAAAAAAAAAAAAAAA",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "xoxb-1234567890-abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA1234567890abcdefghijklmnopqrstu",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc",
    "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_masked(secret: str):
    provider = ScriptedProvider("Ok.")
    with Chatbot(provider, guards=[mask_secrets()]) as bot:
        bot.say(f"Use {secret} please")
        assert secret not in bot.export()
    assert provider.requests[0].messages[0].parts == (Text("Use [secret] please"),)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("my password is hunter2", "my password is [secret]"),
        ("api_key = 'abcd1234'", "api_key = '[secret]'"),
        ("postgres://me:pa55@host/db", "postgres://[secret]@host/db"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [secret]"),
        ("the password is required", "the password is required"),
        ("I forgot my password, and the risk-free one", "I forgot my password, and the risk-free one"),
        ("a task-oriented skeleton", "a task-oriented skeleton"),
    ],
)
async def test_what_is_called_a_secret_is_masked_and_nothing_else(text: str, masked: str):
    assert await mask_secrets().verdict(text) == masked


@pytest.mark.parametrize(("said", "status"), [("Any good books?", "complete"), ("What about the weather?", "refused")])
def test_only_the_allowed_topics_are_talked_about(said: str, status: str):
    with Chatbot(ScriptedProvider("Yes."), guards=[topics("book", "author")]) as bot:
        answer = bot.say(said)
    assert answer.status == status
    assert answer.text == ("Yes." if status == "complete" else "I can only talk about book, author.")


def test_lengths_are_limited():
    guards = [maximum_length(10), maximum_length(5, on="answer")]
    with Chatbot(ScriptedProvider("123456789"), guards=guards) as bot:
        assert bot.say("short").text == "1234…"
        assert bot.say("much too long").text == "This message has 13 characters; at most 10 are allowed."


@pytest.mark.parametrize(
    ("answer", "text"),
    [('{"a": 1}', '{"a": 1}'), ('```json\n{"a": 1}\n```', '{"a": 1}'), ("Sure!", "No JSON.")],
)
def test_answers_that_are_no_json_are_refused(answer: str, text: str):
    with Chatbot(ScriptedProvider(answer), guards=[json_only("No JSON.")]) as bot:
        assert bot.say("Go").text == text


@pytest.mark.parametrize("make", [topics, lambda: maximum_length(0), lambda: only("side"), lambda: only("answer", "all")])
def test_a_guard_that_could_do_nothing_is_an_error(make):
    with pytest.raises(ConfigError):
        make()


def test_what_is_no_guard_is_an_error():
    with pytest.raises(ConfigError, match="a guard is a function or a Guard, not 3"):
        Chatbot(ScriptedProvider(), guards=[3])  # type: ignore[list-item]


@pytest.mark.parametrize("sees", ["sentence", "whole"])
def test_a_refused_answer_is_on_the_bill(sees: str):
    said: ScriptedReply = [TextDelta("Blood. "), TextDelta("More."), Ended("stop", Usage(500, 0, 7))]
    with Chatbot(ScriptedProvider(said), guards=[only("answer", sees)(no_blood)]) as bot:
        assert bot.say("Go").status == "refused"
        assert bot.usage().input_tokens > 0
        assert sees == "sentence" or bot.usage() == Usage(500, 0, 7, cost=bot.usage().cost)


def test_a_key_is_no_way_round_the_guards(tmp_path: Path):
    provider = ScriptedProvider("LEAKED")
    with Chatbot(provider, guards=[only("message")(no_blood)], store=tmp_path / "a.db") as bot:
        assert bot.say("Show me blood", key="k").status == "refused"
        again = bot.say("Show me blood", key="k")
        assert (again.status, again.text) == ("refused", "Not about that.")
    assert provider.requests == []


def test_what_no_guard_has_passed_is_guarded_when_it_is_said_again_under_its_key():
    moods = iter(["down", "up"])

    def moody(text: str) -> str:
        if next(moods) == "down":
            raise RuntimeError("down")
        return text.upper()

    provider = ScriptedProvider("Yes.")
    with Chatbot(provider, guards=[only("message")(moody)]) as bot:
        with pytest.raises(GuardFailed):
            bot.say("hello", key="k")
        assert bot.say("hello", key="k").text == "Yes."
    assert provider.requests[0].messages[-1].text == "HELLO"


def test_a_key_that_belongs_to_another_message_is_an_error_with_guards_too():
    with Chatbot(ScriptedProvider("Yes."), guards=[shouted]) as bot:
        assert bot.say("hello", key="k").text == "YES."
        assert bot.say("hello", key="k").text == "YES."
        with pytest.raises(InvalidMessage, match="belongs to another message"):
            bot.say("goodbye", key="k")


def test_a_masked_secret_never_touches_the_disk(tmp_path: Path):
    secret = "sk-abcdefghijklmnop1234"
    guards = [mask_secrets(), only("message")(no_blood)]
    with Chatbot(ScriptedProvider("Ok."), guards=guards, store=tmp_path / "a.db") as bot:
        bot.say(f"Use {secret}")
        assert bot.say(f"Use {secret} and blood").status == "refused"
        for file in tmp_path.iterdir():
            assert secret.encode() not in file.read_bytes(), file


def test_documents_are_guarded_as_what_tools_give():
    provider = ScriptedProvider("Ok.")
    with Chatbot(provider, guards=[mask_secrets()]) as bot:
        bot.read(b"api_key = abcdef123456", name="env.txt")
        bot.say("What is in it?")
    assert "abcdef123456" not in provider.requests[0].messages[0].text


def test_going_on_is_not_for_the_guards_to_judge():
    cut: ScriptedReply = [TextDelta("Books are"), Cut()]
    with Chatbot(ScriptedProvider(cut, " good."), guards=[topics("book")], retries=Retries(attempts=0)) as bot:
        with pytest.raises(StreamInterrupted):
            bot.stream("A book?").answer()
        assert bot.continue_answer().status == "complete"


def test_a_guard_that_leaves_nothing_refuses():
    with Chatbot(ScriptedProvider(), guards=[only("message")(lambda _: "")]) as bot:
        answer = bot.say("Hello")
    assert (answer.status, answer.text) == ("refused", "There is nothing left of this message.")


@pytest.mark.parametrize("on", ["message", "answer"])
async def test_half_a_character_from_a_guard_stays_inside_the_tree(on: str):
    guards = [only(on)(lambda text: f"{text} \ud83d")]
    async with AsyncChatbot(ScriptedProvider(echo=True), guards=guards) as bot:
        try:
            answer = (await bot.say("hi")).text
        except AnaphoraError as error:
            answer = str(error)
        answer.encode()
        for entry in await bot.history():
            entry.text.encode()
