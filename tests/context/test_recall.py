"""Which passages are quoted, and which turns carry none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.search.test_ranking import candidates, said

from anaphora.context.policy import Recall
from anaphora.context.recall import Choice, answering, best_part, passage_lines, passages, worth_recalling
from anaphora.errors import ConfigError
from anaphora.search.candidates import Candidate, Candidates
from anaphora.search.need import need_of
from anaphora.search.ranking import rank
from anaphora.search.terms import finder
from anaphora.values.report import Passage

PAST = said(
    "My dog is called Rex",
    "A fine name!",
    "The weather is good",
    "Yes, it is",
    "I work at a bakery in Lyon",
    "What do you bake there?",
    "Bread, for the most part",
)


def choice(question: str, past: list[Candidate] = PAST, *, follows: bool = False) -> Choice:
    found = candidates(question, past)
    return worth_recalling(rank(question, found), need_of(question, follows=follows), found, floor=0.45)


def recalled(question: str, past: list[Candidate] = PAST, *, room: int = 200) -> list[Passage]:
    found = candidates(question, past)
    return list(passages(choice(question, past).places, [*found.found, *past], question, room=room).passages)


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


def test_who_asks_nothing_is_reminded_of_nothing():
    assert recalled("My dog and the sunshine?")
    assert recalled("My dog and the sunshine") == recalled("My dog is called Rex") == []


def test_a_word_that_occurs_nowhere_does_not_count():
    past = said("Our dog is called Balu", "Lovely.", "The train is late", "Oh.")
    assert next(one.text for one in recalled("What was the dog's name?", past)) == "Our dog is called Balu"


def test_general_knowledge_is_not_looked_for_in_what_was_asked_before():
    past = said(
        "What is the capital of Japan?", "The capital of Japan is Tokyo.", "What language do people speak in Germany?", "German."
    )
    assert choice("What is the capital of Brazil?", past).need.reason == "Brazil was never spoken of"
    assert recalled("What is the capital of Brazil?", past) == []
    assert choice("What language do people speak there?", past, follows=True).need.reason == "it points at the window (there)"


def test_a_name_of_which_was_spoken_is_a_need_and_another_is_none():
    past = said("I met Anna in Lyon", "How nice", "She plays the cello", "A fine instrument")
    assert "names Anna" in choice("What does Anna play?", past).need.reason
    assert choice("What does Bertha play?", past).need.kind == "none"


def test_a_standing_instruction_is_sent_where_it_applies():
    past = said("Always give prices in euros when I ask about costs.", "I will.", "The garden is green", "Nice.")
    texts = [one.text for one in recalled("Which costs does a bicycle have?", past)]
    assert texts[0].startswith("Always give prices in euros")
    assert recalled("How do I boil an egg?", past) == []
    rule = Candidates(said("Always answer in French."), 40, {})
    anywhere = worth_recalling(
        rank("How do I boil an egg?", rule), need_of("How do I boil an egg?", follows=False), rule, floor=0.45
    )
    assert anywhere.need.reason == "a standing instruction holds"
    assert len(anywhere.places) == 1


def test_an_answer_that_only_echoes_the_message_before_it_takes_no_place():
    past = said(
        "My boat is called Minerva",
        "A boat called Minerva: lovely!",
        "Bye",
        "Bye",
        roles=("user", "assistant", "user", "assistant"),
    )
    texts = [one.text for one in recalled("What is my boat called?", past)]
    assert texts[0] == "My boat is called Minerva"
    assert "A boat called Minerva: lovely!" not in texts


def test_passages_are_in_the_order_of_time_with_date_and_speaker():
    places = [one.message for one in recalled("Where do I work, at the bakery in Lyon?")]
    assert places == sorted(places)
    (first, *_) = recalled("What is my dog called?")
    assert passage_lines([first]) == "[1970-01-01] user: My dog is called Rex"
    assert "dog" in first.reason


def test_passages_of_one_day_from_several_conversations_carry_their_titles():
    one, two = (Passage(name, f"the {name}\ntalk", "m", "2026-01-02", "user", "hi", "") for name in ("first", "second"))
    assert passage_lines([one, two]) == "[2026-01-02] (the first talk) user: hi\n[2026-01-02] (the second talk) user: hi"
    assert passage_lines([one, one]) == "[2026-01-02] user: hi\n[2026-01-02] user: hi"


def test_what_is_quoted_stays_within_its_room():
    everything = recalled("Where do I work, at the bakery in Lyon?", room=1_000)
    little = recalled("Where do I work, at the bakery in Lyon?", room=30)
    assert 0 < len(little) < len(everything)
    assert recalled("Where do I work, at the bakery in Lyon?", room=5) == []
    found = candidates("Where do I work, at the bakery in Lyon?", PAST)
    places = choice("Where do I work, at the bakery in Lyon?").places
    cut = passages(places, [*found.found, *PAST], "Where do I work, at the bakery in Lyon?", room=30)
    assert cut.left == len(everything) - len(little)


def test_of_a_long_message_the_sentences_that_matter_are_quoted_whole():
    filler = " ".join(f"Word {number} is here." for number in range(100))
    part = best_part(f"{filler} The key is under the mat. {filler}", finder("Where is the key, under which mat?"))
    assert "The key is under the mat." in part
    assert part.startswith("… Word")
    assert part.endswith("is here. …")
    assert len(part.split()) < 110


def test_quoted_code_is_closed_where_it_was_cut():
    lines = "\n".join(f"line_{number} = {number}" for number in range(200))
    part = best_part(f"Use this key:\n```python\n{lines}\n```", finder("Which key?"))
    assert part.count("```") == 2


@given(st.text(max_size=2_000), st.text(min_size=1, max_size=60))
def test_whatever_is_quoted_stands_in_the_message(text: str, question: str):
    part = best_part(text, finder(question)).removeprefix("… ").removesuffix(" …").removesuffix("\n```").strip()
    assert part in text or text.count("```")


def test_what_means_nearly_the_same_is_quoted_whatever_its_words():
    question = "Where is the feline?"
    need = need_of(question, follows=False)
    found = candidates(question, PAST).__class__(PAST[:3], 10, {"feline": 0})
    scored = rank(question, found, {"c0": 0.9, "c2": 0.1})
    assert worth_recalling(scored, need, found, floor=0.4).places == ()
    (best,) = worth_recalling(scored, need, found, floor=0.4, alike=frozenset({"c0"})).places
    assert best.place == ("c", 0)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What is my dog called?", "My dog is called Balu."),
        ("Where do I live?", "I live in Lyon."),
        ("Which car do I drive?", "I drive an old Volvo."),
        ("What is my horse called?", None),
        ("Where does my aunt live?", "My aunt lives in Rome."),
    ],
)
def test_a_tiny_model_is_given_the_one_sentence_that_answers(question: str, told: str | None):
    past = said(
        "I drive an old Volvo. It is raining.",
        "ok",
        "I live in Lyon.",
        "ok",
        "My aunt lives in Rome.",
        "ok",
        "My dog is called Balu.",
    )
    found = candidates(question, past, messages=40)
    answered = answering(rank(question, found), question, found)
    assert (answered[1] if answered else None) == told


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 0.9}, {"floor": 2.0}])
def test_a_share_that_cannot_be_is_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigError):
        Recall(**wrong)  # type: ignore[arg-type]
