"""Recall: which passages of the past go along with a question, and how they are quoted.

What is found must pass a floor, so that most turns carry nothing; it goes in in the order of time, with dates and speakers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from anaphora.context.fence import day_of, quoted_line
from anaphora.search.index import weight_of
from anaphora.search.ranking import Place, Ranked, collection, pieces, rank, weigh
from anaphora.search.terms import WordFinder, cue_words, finder
from anaphora.context.share import check_number, check_part
from anaphora.derived import Candidate, Candidates
from anaphora.search.words import searchable, words

RECALL_SHARE = 0.08
# Fewer tokens cannot hold a passage.
_LEAST_PASSAGE = 12
# How many places are looked at for passages, best first.
MOST_PLACES = 12
# What is worse than this share of the best is not worth its tokens.
_NEAR_THE_BEST = 0.35
# What was found must tell nearly as much as a word that is in a single message.
_TELLING = 0.7
# Who asks for what was said is content with less.
_APPEAL_FACTOR = 0.6
# Who asks nothing is reminded only where nearly everything they say was said before.
_STATEMENT_FLOOR = 0.95
# A question without two telling words ("And how are you?") asks nothing of the past.
_ABOUT_SOMETHING = 2
_QUESTION = re.compile(r"[^.!?？。！\n]+[?？]")
# An appeal without a question mark ("Remind me of …") is short; in a longer text it is part of a story.
_LONGEST_APPEAL = 12
_APPEAL = re.compile(
    r"\b(?:remember|remind|recall|forgot|did (?:i|we)|have (?:i|we)|(?:was|were|is|are) (?:my|our)|i (?:said|told|mentioned)"
    r"|we (?:said|talked|spoke|discussed|decided|agreed)|earlier|last time|again)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Recall:
    """Quotes what was said earlier and matters to the newest message.

    ``share`` of the budget may be used: half of it is kept free always, the rest is what the window leaves. ``floor`` is the
    share of what a question's words tell that must be found around a message for it to be quoted (0 to 1). With
    ``conversations`` the owner's other conversations are searched too. ``embedder`` adds vectors to words:
    ``"openai:text-embedding-3-small"``, ``"ollama:nomic-embed-text"``, ``"local:/path/to/model.gguf"``, or a function (also
    an async one) from texts to rows of numbers.
    """

    share: float = RECALL_SHARE
    floor: float = 0.45
    conversations: bool = True
    embedder: object = None

    @property
    def kept_free(self) -> float:
        """The share of the budget that the window never takes."""
        return self.share / 2

    def __post_init__(self) -> None:
        check_part(self, self.share)
        check_number(self, "floor", self.floor, 0, 1)


@dataclass(frozen=True, slots=True)
class Passage:
    """A quoted part of a message, and why it was recalled."""

    conversation: str
    title: str
    message: str
    date: str
    speaker: str
    text: str
    reason: str


def worth_recalling(
    ranked: Sequence[Ranked],
    question: str,
    candidates: Candidates,
    *,
    floor: float,
    standing_out: frozenset[str] = frozenset(),
) -> list[Ranked]:
    """The best places, if what is found there is enough to be about the question; empty if it is not.

    Messages that are ``standing_out`` (their ids), because they mean nearly the same, are about it whatever their words.
    """
    if not ranked:
        return []
    asked, floor = _asked(question, floor)
    total = sum(weigh(asked, candidates).values())
    least = _TELLING * weight_of(1, collection(candidates))
    # Both of what is asked, and of all that is said, enough must be there.
    covered = {one.place: one.coverage for one in (ranked if asked == question else rank(asked, candidates))}
    best = [
        one
        for one in ranked[: 4 * MOST_PLACES]
        if (min(one.coverage, covered.get(one.place, 0.0)) >= floor and covered[one.place] * total >= least)
        or (one.offset == 0 and one.anchor.entry.id in standing_out)
    ]
    return [one for one in best if one.score >= _NEAR_THE_BEST * best[0].score][:MOST_PLACES]


def _asked(message: str, floor: float) -> tuple[str, float]:
    """What a message asks for (all of it, if nothing), and how much of that must be found around a message of the past."""
    questions = _QUESTION.findall(message)
    appeals = [one for one in questions if _APPEAL.search(one)]
    if appeals:
        return "".join(appeals), floor * _APPEAL_FACTOR
    about = [one for one in questions if len(cue_words(one)) >= _ABOUT_SOMETHING]
    if about:
        return "".join(about), floor
    if not questions and _APPEAL.search(message) and len(cue_words(message)) < _LONGEST_APPEAL:
        return message, floor * _APPEAL_FACTOR
    return message, max(floor, _STATEMENT_FLOOR)


def passages(places: Sequence[Ranked], found: Sequence[Candidate], question: str, *, room: int) -> list[Passage]:
    """What is quoted of these places (best first) within ``room`` tokens, in the order of time.

    ``found`` are the messages that stand there, those beside them too.
    """
    by_place: dict[Place, Candidate] = {candidate.place: candidate for candidate in reversed(found)}
    asked = finder(question)
    chosen: dict[Place, tuple[Candidate, str, int]] = {}
    left = room
    for one in places:
        place, candidate = one.place, by_place.get(one.place)
        if candidate is None:
            continue
        text = best_piece(candidate, asked)
        tokens = _tokens(candidate, text)
        if text and tokens <= left:
            chosen[place] = (candidate, text, one.offset)
            left -= tokens
        if left < _LEAST_PASSAGE:
            break
    in_time = sorted(chosen.values(), key=lambda one: (one[0].entry.created, one[0].entry.order))
    return [_passage(candidate, text, asked, offset) for candidate, text, offset in in_time]


def best_piece(candidate: Candidate, asked: WordFinder) -> str:
    """The piece of a message that has the most of the words asked for; the whole of a short one."""

    def found(piece: str) -> int:
        return sum(min(count, 2) for count in Counter(asked.found(piece)).values())

    text = searchable(candidate.entry.message)
    best = max(pieces(text), key=found)
    return best if best == text else f"… {best} …"


def passage_line(passage: Passage) -> str:
    """A passage as the model sees it."""
    return f"[{passage.date}] {passage.speaker}: {quoted_line(passage.text)}"


def _passage(candidate: Candidate, text: str, asked: WordFinder, offset: int) -> Passage:
    said = dict.fromkeys(word for word in words(text) if asked.word(word))
    reason = "it stands beside what was found" if offset else "it means nearly the same"
    if said:
        reason = f"it says {', '.join(said)}"
    date = day_of(candidate.entry.created)
    return Passage(candidate.conversation, candidate.title, candidate.entry.id, date, candidate.entry.role, text, reason)


def _tokens(candidate: Candidate, text: str) -> int:
    """What a passage costs, its date and speaker included: its share of the message's own size, rounded up."""
    whole = max(len(candidate.entry.text), 1)
    measured = candidate.entry.tokens * len(text) / whole if candidate.entry.tokens else len(text) / 3
    return int(measured) + _LEAST_PASSAGE
