"""Which passages are quoted, and which turns carry none."""

import pytest
from tests.search.test_ranking import candidates, said

from anaphora.context.recall import Passage, Recall, best_piece, passage_line, passages, worth_recalling
from anaphora.search.ranking import rank
from anaphora.derived import Candidate
from anaphora.errors import ConfigError

PAST = said(
    "My dog is called Rex",
    "A fine name!",
    "The weather is good",
    "Yes, it is",
    "I work at a bakery in Lyon",
    "What do you bake there?",
    "Bread, for the most part",
)


def recalled(question: str, past: list[Candidate] = PAST, *, room: int = 200, floor: float = 0.4) -> list[Passage]:
    found = candidates(question, past)
    places = worth_recalling(rank(question, found), question, found, floor=floor)
    return passages(places, [*found.found, *past], question, room=room)


def test_a_question_about_the_past_gets_what_was_said_and_what_stood_beside_it():
    texts = [one.text for one in recalled("What is my dog called?")]
    assert texts[0] == "My dog is called Rex"
    assert "A fine name!" in texts


def test_who_asks_for_what_was_said_in_many_words_gets_it_too():
    question = "Please tell me what my dog at home in the garden behind the kitchen was called again, I forgot it"
    assert "My dog is called Rex" in [one.text for one in recalled(question)]


@pytest.mark.parametrize(
    "question",
    ["Write a poem about the sea", "Thanks!", "Translate 'good morning' to Spanish", "How do I sort a list in Python?", "why?"],
)
def test_a_question_about_something_else_gets_nothing(question: str):
    assert recalled(question) == []


def test_who_asks_nothing_is_reminded_of_less_than_who_asks():
    words = "My dog and the sunshine"
    assert recalled(f"{words}?")
    assert recalled(words) == []
    assert recalled("My dog is called Rex")


def test_passages_are_in_the_order_of_time_with_date_and_speaker():
    places = [one.message for one in recalled("Where do I work, at the bakery in Lyon?")]
    assert places == sorted(places)
    (first, *_) = recalled("What is my dog called?")
    assert passage_line(first) == "[1970-01-01] user: My dog is called Rex"
    assert "dog" in first.reason


def test_what_is_quoted_stays_within_its_room():
    everything = recalled("Where do I work, at the bakery in Lyon?", room=1_000)
    little = recalled("Where do I work, at the bakery in Lyon?", room=30)
    assert 0 < len(little) < len(everything)
    assert recalled("Where do I work, at the bakery in Lyon?", room=5) == []


def test_of_a_long_message_the_piece_that_matters_is_quoted():
    filler = " ".join(f"word{number}" for number in range(300))
    (long,) = said(f"{filler} the key is under the mat {filler}")
    piece = best_piece(long, {"kei", "mat"})
    assert "the key is under the mat" in piece
    assert len(piece.split()) < 90


def test_what_means_nearly_the_same_is_quoted_whatever_its_words():
    found = candidates("feline", PAST)
    scored = rank("feline", found.__class__(PAST[:3], 10, {"feline": 0}), {"c0": 0.9, "c2": 0.1})
    assert worth_recalling(scored, "feline", found, floor=0.4) == []
    (best,) = worth_recalling(scored, "feline", found, floor=0.4, standing_out=frozenset({"c0"}))
    assert best.place == ("c", 0)


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 0.9}, {"floor": 2.0}])
def test_a_share_that_cannot_be_is_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigError):
        Recall(**wrong)  # type: ignore[arg-type]
