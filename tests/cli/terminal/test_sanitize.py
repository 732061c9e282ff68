import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from anaphora.cli.terminal.sanitize import sanitized

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text())
def test_no_control_and_no_bidi_character_gets_through(text: str):
    for character in sanitized(text):
        assert character in "\n\t" or unicodedata.category(character) != "Cc"
        assert character not in BIDI


@given(st.text(), st.integers(0, 100))
def test_pieces_give_the_same_as_the_whole(text: str, place: int):
    assert sanitized(text[:place]) + sanitized(text[place:]) == sanitized(text) or "\r\n" in text


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_words_in_every_script_stay(text: str):
    assert sanitized(text) == text


def test_line_ends_of_other_systems_become_newlines():
    assert sanitized("a\r\nb\u2028c\u2029d\x85e") == "a\nb\nc\nd\ne"
    assert sanitized("a\r") + sanitized("\nb") == "a\nb"


def test_tags_that_hide_text_are_taken_out():
    assert sanitized("a\U000e0041\U000e0042b") == "ab"
