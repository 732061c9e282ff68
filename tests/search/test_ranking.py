"""What of the past matters to a question."""

from collections.abc import Sequence

from anaphora.search.candidates import Candidate, Candidates
from anaphora.search.index import WordIndex
from anaphora.search.ranking import pieces, rank, weigh
from anaphora.search.terms import cue_words, question_languages
from anaphora.values.message import Role, text_message
from anaphora.values.transcript import Entry, Extent, Size


def said(*texts: str, roles: Sequence[Role] = (), conversation: str = "c", created: float = 0.0) -> list[Candidate]:
    """Messages of a conversation in a row."""
    return [
        Candidate(
            conversation,
            "",
            Entry(
                f"{conversation}{place}",
                None,
                place,
                text_message(roles[place] if roles else "user", text),
                "complete",
                Size(),
                created,
                before=Extent(place, place, 0),
            ),
        )
        for place, text in enumerate(texts)
    ]


def candidates(question: str, everything: Sequence[Candidate], *, messages: int = 0) -> Candidates:
    """What a store would find for a question."""
    wanted, languages, index = cue_words(question), question_languages(question), WordIndex[str]()
    for one in everything:
        index.add(one.entry.id, one.entry.text)
    having = {word: index.having(word, languages) for word in wanted}
    counts = {word: len(found) for word, found in having.items()}
    found = set[str]().union(*having.values())
    return Candidates([one for one in everything if one.entry.id in found], messages or len(everything), counts)


def ranked(question: str, everything: Sequence[Candidate]) -> list[tuple[str, int]]:
    return [one.place for one in rank(question, candidates(question, everything))]


def test_words_that_say_nothing_are_not_looked_for():
    assert cue_words("What was the name of my dog, and of the other dog?") == ("name", "dog")
    assert cue_words("and then?") == ()
    assert cue_words("我的狗叫什么名字") == ("狗", "名字")


def test_what_has_more_and_rarer_words_of_the_question_comes_first():
    past = said(
        "The boat is in the harbour", "x", "y", "The boat is red and fast", "x", "y", "The harbour master owns a red boat"
    )
    assert ranked("Who owns the red boat?", past)[0] == ("c", 6)


def test_an_answer_is_found_through_the_question_before_it():
    past = said("Did you book the flight to Kyoto?", "Yes, in May!", "Good.", "Something else entirely", "And more")
    assert ("c", 1) in ranked("When is the flight to Kyoto?", past)[:2]


def test_a_long_message_counts_as_its_best_piece():
    filler = " ".join(f"word{number}" for number in range(400))
    long = said(f"{filler} the password of the router is fish {filler}")
    past = [*long, *said("short password note", conversation="d"), *said("a router", conversation="e")]
    assert ranked("What is the password of the router?", past)[0] == ("c", 0)


def test_pieces_are_eighty_words_and_overlap():
    text = " ".join(map(str, range(200)))
    parts = [piece.split() for piece in pieces(text)]
    assert [(part[0], part[-1]) for part in parts] == [("0", "79"), ("60", "139"), ("120", "199")]
    assert list(pieces("short text")) == ["short text"]
    assert len(list(pieces(" ".join(map(str, range(81)))))) == 2


def test_the_users_own_words_count_more_unless_the_assistants_are_asked_for():
    roles: list[Role] = ["user", "assistant"]
    past = [*said("I plan a new garden", "x", roles=roles), *said("y", "You plan a garden", roles=roles, conversation="d")]
    assert ranked("the garden plan", past)[0] == ("c", 0)
    assert ranked("What did you say about the garden plan?", past)[0] == ("d", 1)


def test_a_speaker_who_is_named_counts_more():
    past = said("Ann: I bought a boat", "x", "y", "z", "Bob: I bought a boat")
    assert ranked("What did Bob buy, a boat?", past)[0] == ("c", 4)
    assert ranked("What did Ann buy, a boat?", past)[0] == ("c", 0)


def test_the_month_of_a_message_is_one_of_its_words():
    may, june = 1_683_504_000.0, 1_686_182_400.0
    past = [
        *said("We went to the lake", created=june, conversation="june"),
        *said("We went to the lake", created=may, conversation="may"),
    ]
    assert ranked("Did we go to the lake in May 2023?", past)[0] == ("may", 0)
    assert ranked("Did we go to the lake in June 2023?", past)[0] == ("june", 0)


def test_a_word_that_is_everywhere_tells_little():
    past = said(*["the boat again"] * 30, "the boat and the lighthouse")
    found = weigh("boat or lighthouse", candidates("boat or lighthouse", past))
    assert found["lighthouse"] > 3 * found["boat"] > 0


def test_similar_meanings_add_to_words():
    past = said("I adore felines", "x", "y", "z", "The cat food is in the shed")
    everything = Candidates(past, len(past), {"cat": 1, "like": 0})
    assert rank("Do I like cats?", everything)[0].place == ("c", 4)
    assert rank("Do I like cats?", everything, {"c0": 0.9, "c1": 0.1})[0].place in {("c", 0), ("c", 4)}
    assert ("c", 0) in {one.place for one in rank("Do I like cats?", everything, {"c0": 0.9, "c1": 0.1})[:5]}


def test_equal_input_gives_equal_output():
    past = said("a boat", "a boat", "a boat")
    assert ranked("boat", past) == ranked("boat", list(reversed(past)))


def test_nothing_is_found_in_nothing():
    assert rank("boat", Candidates()) == []
