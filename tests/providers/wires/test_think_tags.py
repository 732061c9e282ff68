"""Thinking that a model writes into its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.providers.wires.think_tags import ThinkTags
from anaphora.values.events import ThinkingDelta


def read(*pieces: str) -> tuple[str, str]:
    """The thinking and the words."""
    tags = ThinkTags()
    events = [event for piece in pieces for event in tags.read(piece)] + [*tags.rest()]
    thinking = "".join(event.text for event in events if isinstance(event, ThinkingDelta))
    return thinking, "".join(event.text for event in events if not isinstance(event, ThinkingDelta))


@pytest.mark.parametrize(
    ("text", "thinking", "words"),
    [
        ("<think>\nhm\n</think>\n\nMinka.", "\nhm\n", "Minka."),
        ("\n<thinking>hm</thinking>Minka.", "hm", "Minka."),
        ("<think></think>\n\nMinka.", "", "Minka."),
        ("<think>one</think>\n<think>two</think>\nMinka.", "onetwo", "Minka."),
        ("<think>cut", "cut", ""),
        ("Use the tag <think>like this</think>.", "", "Use the tag <think>like this</think>."),
        ("<thin air", "", "<thin air"),
        ("<think", "", "<think"),
        ("  indented", "", "  indented"),
        ("a < b", "", "a < b"),
        ("", "", ""),
    ],
)
def test_thinking_at_the_beginning_is_no_part_of_the_words_however_it_is_cut(text: str, thinking: str, words: str):
    assert read(text) == (thinking, words)
    assert read(*text) == (thinking, words)


@given(st.lists(st.text(alphabet="<think>/ ab\n", max_size=9), max_size=9))
def test_the_pieces_do_not_matter(pieces: list[str]):
    assert read(*pieces) == read("".join(pieces))
