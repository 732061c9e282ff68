import pytest

from anaphora.errors import InvalidMessage
from anaphora.values.message import MOST_CHARACTERS, Message, Text, Thinking, ToolCall, Usage, checked_text, repaired_text


def test_the_text_of_a_message_is_its_text_parts():
    message = Message("assistant", (Thinking("hm"), Text("a"), ToolCall("1", "look"), Text("b")))
    assert (message.text, message.thinking, message.tool_calls) == ("ab", "hm", (ToolCall("1", "look"),))


def test_usage_adds_up_and_an_unknown_cost_stays_unknown():
    assert Usage(1, 2, 3, 4, 0.5) + Usage(10, 20, 30, 40, 0.25) == Usage(11, 22, 33, 44, 0.75)
    assert (Usage(cost=1.0) + Usage(cost=None)).cost is None


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_an_empty_message_is_refused(text: str):
    with pytest.raises(InvalidMessage, match="empty"):
        checked_text(text)


def test_half_a_character_is_refused_with_its_place():
    with pytest.raises(InvalidMessage, match=r"U\+D83D.*position 3"):
        checked_text("ab\ud83d")


def test_a_split_character_is_joined():
    assert checked_text("\ud83d\ude00") == "😀"
    assert repaired_text("a\ud83d\ude00b") == "a😀b"


def test_text_from_outside_with_half_a_character_survives():
    assert repaired_text("a\ud800b") == "a\ufffdb"


def test_what_is_not_text_is_refused():
    with pytest.raises(InvalidMessage, match="not bytes"):
        checked_text(b"hello")  # type: ignore[arg-type]


def test_a_message_that_no_model_could_read_is_refused_before_it_is_stored():
    with pytest.raises(InvalidMessage, match="more than 16 MiB"):
        checked_text("x" * (MOST_CHARACTERS + 1))
