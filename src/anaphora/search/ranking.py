"""Ranks messages of the past by how much they matter to a question: BM25 with what a conversation adds to it.

Long messages count as their best piece. A message shares its score with its neighbours, a question most of all with the message
after it: an answer like "Yes, in May!" is found through the question before it. Messages around which, and conversations in
which, more of the question's words are found count more. So do, once scores are shared, the user's own messages, unless the
question is about what the assistant said: an echo must not inherit their weight. Standing instructions count wherever
something is to be done. What each of these brings is measured by bench/recall.py.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from heapq import nlargest

from anaphora.search.candidates import Candidate, Candidates
from anaphora.search.index import weight_of
from anaphora.search.rules import is_rule
from anaphora.search.terms import WordFinder, finder
from anaphora.search.words import searchable, units, words
from anaphora.values.transcript import is_time

# BM25's constants, for pieces of about one length.
_SATURATION, _LENGTH = 1.2, 0.6
PIECE_WORDS, PIECE_OVERLAP = 80, 20
# About as many characters as a piece has.
_PIECE_LETTERS = 480
# A message shares with so many before and after it.
NEIGHBOURS = 2
_OFFSETS = tuple(range(-NEIGHBOURS, NEIGHBOURS + 1))
_SHARES = {-2: 0.1, -1: 0.3, 0: 1.0, 1: 0.5, 2: 0.2}
# Somebody's question has the words, and the message after it what was asked for.
_QUESTION_SHARES = {**_SHARES, 0: 0.8, 1: 0.7}
_USER_FACTOR = 3.0
_SPEAKER_FACTOR = 1.3
_PREFERENCE_FACTOR = 1.3
_TIME_FACTOR = 1.2
_RULE_FACTOR = 2.0
# A standing instruction has at least this share of the best score.
_RULE_SHARE = 0.4
_VECTOR_WEIGHT = 0.7
# Words that frame a question ("the order in which I mentioned …") tell less than what it is about.
_FRAME_WEIGHT = 0.3
_FRAME = frozenset(
    """aspect aspects ask asked bring brought chat chats comprehensive conversation conversations different discuss discussed
    discussion discussions explain give help item items list mention mentioned messages order provide recommend session sessions
    show suggest summarize summary talked throughout walk""".split()  # noqa: SIM905
)
_DAY = 86_400
_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_MONTH_NAMES = frozenset(_MONTHS)
_LEAST_COLLECTION = 40
# Nobody asks for more places.
_RANKED = 100
# Of so many places, best first, the words around them are counted too.
_WEIGHED = 110
# "Caroline: Hey!", as bridges to chats of several people write it.
_SPEAKER = re.compile(r"\A(?:\[[^\]\n]{0,60}\] ?)?([^\W\d_][\w .'’-]{0,39}): ")
_ROLES = frozenset(("user", "assistant", "tool", "system"))
_SAID = (
    "advised|explained|gave|given|listed|mentioned|proposed|provided|recommended|said|showed|shown|suggested|told|written|wrote"
)
# What is asked of the assistant now ("Can you give me …") is no question about what it said.
_ASKS_FOR = re.compile(r"\b(?:can|could|would|will|should) you\b", re.IGNORECASE)
_ABOUT_ASSISTANT = re.compile(
    rf"\b(?:did|have|had) you (?:\w+ )?(?:{_SAID}|advise|explain|give|list|mention|propose|provide|recommend|say|show|suggest"
    r"|tell|write)\b"
    rf"|\byou (?:\w+ )?(?:{_SAID})\b|\byour (?:\w+ )?(?:advice|answer|explanation|recommendation|reply|response|suggestion)s?\b",
    re.IGNORECASE,
)
# What was said and done: then no standing instruction is asked for.
_ABOUT_PAST = re.compile(
    r"\b(?:did|have|had|was|were) (?:i|we|my|our)\b|\bi (?:said|mentioned|told|brought|asked)\b", re.IGNORECASE
)
_PREFERENCE = re.compile(
    r"\bi(?:'d| would)? (?:\w+ )?(?:prefer|rather)\w*\b|\bmy (?:preference|favou?rite)|\binstead of\b"
    r"|\bi (?:really )?(?:like|love|hate|dislike|enjoy)\b|\bi don'?t (?:like|want)\b",
    re.IGNORECASE,
)
_WHEN = re.compile(r"\W*(?:when|how long|what (?:date|day|month|year|time))\b", re.IGNORECASE)
_TIME = re.compile(
    rf"\b(?:yesterday|today|tonight|tomorrow|last|next|ago|weekend|since|{'|'.join(_MONTHS)}|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|years?|months?|weeks?|days?|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A place in a conversation (its id, how many messages come before) and its score.

    ``matched`` are the question's words that are said here and right around; ``coverage`` is the share of all that the words tell
    which these have. ``anchor`` is the candidate that stands here or gave the most, ``offset`` how far from it this place is.
    """

    place: Place
    score: float
    coverage: float
    anchor: Candidate
    offset: int
    matched: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Score:
    """``matched`` is a set of words: one bit each."""

    candidate: Candidate
    value: float
    matched: int


def pieces(text: str) -> Iterator[str]:
    """A long text in overlapping pieces; a short one as it is."""
    said = units(text)
    if len(said) <= PIECE_WORDS:
        yield text
        return
    for start in range(0, len(said) - PIECE_OVERLAP, PIECE_WORDS - PIECE_OVERLAP):
        yield "".join(said[start : start + PIECE_WORDS]).strip()


def speaker_of(candidate: Candidate) -> str:
    """Gives the speaker of a message: the name before its first colon, else its role."""
    return _speaker(candidate.entry.text, candidate.entry.role)


def _speaker(text: str, role: str) -> str:
    named = _SPEAKER.match(text)
    return named[1] if named else role


def is_about_assistant(question: str) -> bool:
    """Tells whether a question is about what the assistant said, and not a request."""
    return _ABOUT_ASSISTANT.search(_ASKS_FOR.sub(" ", question)) is not None


def rank(question: str, candidates: Candidates, similarities: Mapping[str, float] | None = None) -> list[Ranked]:
    """Every place that matters, best first. ``similarities`` of messages (by id) to the question, from vectors, add to the words.

    All scores are 0 or more. With similarities they are scaled, so that the best by words alone would have 1.
    """
    terms = _Terms(finder(question), _framed(weigh(question, candidates)))
    scores = _word_scores(question, candidates, terms)
    if similarities:
        _add_similarities(scores, candidates, similarities)
    in_conversation: dict[str, int] = defaultdict(int)
    for (conversation, _), score in scores.items():
        in_conversation[conversation] |= score.matched
    factor = _Factor(question, candidates.found)
    ranked = []
    sums = _sums(scores, factor.is_chat)
    values = {place: value * (1 + terms.share(in_conversation[place[0]])) * factor(place) for place, value in sums.items()}
    best = nlargest(_WEIGHED, values, key=lambda one: (values[one], one))
    around = {place: _around(scores, place) for place in best}
    values = {place: values[place] * (1 + terms.share(around[place])) for place in best}
    if factor.wants_rules:
        # As much as a question without words of it is worth: they hold for whatever is to be done.
        least = _RULE_SHARE * max(values.values(), default=1.0)
        values |= {place: values.get(place, 0.0) + least for place in factor.rules}
    for place in nlargest(_RANKED, values, key=lambda one: (values[one], one)):
        matched = around.get(place, 0)
        anchor, offset = factor.candidate(place) or _nearest([scores.get(near) for near in _near(place)])
        ranked.append(Ranked(place, values[place], terms.share(matched), anchor, offset, terms.words(matched)))
    # Rounded, so that the order in which scores were added decides nothing.
    return sorted(ranked, key=lambda one: (-round(one.score, 9), one.place))


class _Terms:
    """The question's words, a bit for each, and how much each of them tells."""

    def __init__(self, words_of: WordFinder, weights: Mapping[str, float]) -> None:
        self.weights = weights
        self.bits = {word: 1 << number for number, word in enumerate(weights)}
        self.places = words_of.places
        self._total = sum(weights.values()) or 1.0
        self._shares: dict[int, float] = {0: 0.0}

    def share(self, matched: int) -> float:
        """Gives the share of the question's weight that a set of words has."""
        if matched not in self._shares:
            self._shares[matched] = sum(self.weights[word] for word in self.words(matched)) / self._total
        return self._shares[matched]

    def words(self, matched: int) -> frozenset[str]:
        """The words of a set."""
        return frozenset(word for word, bit in self.bits.items() if bit & matched)


def weigh(question: str, candidates: Candidates) -> dict[str, float]:
    """Gives the weight of each word of the question: the rarer, the more."""
    everything = collection(candidates)
    weights: dict[str, float] = {}
    for word in finder(question).words:
        count = candidates.counts.get(word, 0)
        if word in _MONTH_NAMES or word.isdecimal():
            day = sum(word in _date_words(candidate.entry.created) for candidate in candidates.found)
            if day:
                # How many messages are of that month or day is not in the index: as many as of those found.
                count = max(count, round(everything * day / len(candidates.found)))
        # A word that is nowhere tells no more than one that is found once.
        weights[word] = weight_of(max(count, 1), everything)
    return weights


def _framed(weights: dict[str, float]) -> dict[str, float]:
    if weights.keys() <= _FRAME:
        return weights
    return {word: weight * (_FRAME_WEIGHT if word in _FRAME else 1.0) for word, weight in weights.items()}


def collection(candidates: Candidates) -> int:
    """Gives the number of messages that rarity refers to. In a small store a rare word may be in every other message."""
    return max(candidates.messages, _LEAST_COLLECTION)


def _word_scores(question: str, candidates: Candidates, terms: _Terms) -> dict[Place, _Score]:
    """BM25 of every candidate's best piece, by place; of two at one place (on two branches) the better."""
    texts = [searchable(candidate.entry.message) for candidate in candidates.found]
    sizes = [min(len(text), _PIECE_LETTERS) for text in texts]
    average = sum(sizes) / len(sizes) if any(sizes) else 1.0
    speakers = [_speaker(text, candidate.entry.role) for candidate, text in zip(candidates.found, texts, strict=True)]
    named = _named_speaker(question, speakers)
    is_dated = any(word in _MONTH_NAMES or word.isdecimal() for word in terms.weights)
    scores: dict[Place, _Score] = {}
    for candidate, text, size, speaker in zip(candidates.found, texts, sizes, speakers, strict=True):
        dated = [word for word in _date_words(candidate.entry.created) if word in terms.weights] if is_dated else []
        penalty = _SATURATION * (1 - _LENGTH + _LENGTH * size / average)
        best, matched = 0.0, 0
        for said in _windows(terms.places(text)):
            value, mask = 0.0, 0
            said.extend(dated)
            for word in set(said):
                count = said.count(word)
                value += terms.weights[word] * count * (_SATURATION + 1) / (count + penalty)
                mask |= terms.bits[word]
            if value > best:
                best, matched = value, mask
        if speaker == named:
            best *= _SPEAKER_FACTOR
        if best > 0 and (candidate.place not in scores or scores[candidate.place].value < best):
            scores[candidate.place] = _Score(candidate, best, matched)
    return scores


def _windows(places: Sequence[tuple[int, str]]) -> Iterator[list[str]]:
    """The words of the question that stand within a piece of each other, from every one of them on."""
    if not places or places[-1][0] - places[0][0] <= _PIECE_LETTERS:
        yield [word for _, word in places]
        return
    last = 0
    for first, (start, _) in enumerate(places):
        end = next((place for place in range(first, len(places)) if places[place][0] - start > _PIECE_LETTERS), len(places))
        # One that ends where the one before ended has nothing more.
        if end > last:
            last = end
            yield [word for _, word in places[first:end]]


def _named_speaker(question: str, speakers: Sequence[str]) -> str | None:
    """The one speaker whom a question names, if it names just one."""
    asked = set(words(question))
    named = {name for name in {*speakers} - _ROLES if set(words(name)) <= asked}
    return named.pop() if len(named) == 1 else None


class _Factor:
    """Gives the factor for the speaker of a message and for its form."""

    def __init__(self, question: str, found: Sequence[Candidate]) -> None:
        self.is_chat = any(candidate.entry.role == "assistant" for candidate in found)
        self._by_place = {candidate.place: candidate for candidate in reversed(found)}
        is_about_user = not is_about_assistant(question)
        self._favours_user = self.is_chat and is_about_user
        self._asks_when = _WHEN.match(question) is not None
        self.wants_rules = is_about_user and not _ABOUT_PAST.search(question)
        self.rules = {place for place, one in self._by_place.items() if is_rule(one.entry.message)} if self.wants_rules else set()

    def candidate(self, place: Place) -> tuple[Candidate, int] | None:
        """The candidate that stands at a place."""
        found = self._by_place.get(place)
        return (found, 0) if found else None

    def __call__(self, place: Place) -> float:
        candidate = self._by_place.get(place)
        # Where roles alternate, the depth of a message tells who speaks.
        is_user = candidate.entry.message.role == "user" if candidate else place[1] % 2 == 0
        factor = _USER_FACTOR if self._favours_user and is_user else 1.0
        if candidate is None or not (self._favours_user or self._asks_when):
            return factor
        if self._asks_when and _TIME.search(candidate.entry.text):
            factor *= _TIME_FACTOR
        if place in self.rules:
            factor *= _RULE_FACTOR
        elif self._favours_user and is_user and _PREFERENCE.search(candidate.entry.text):
            factor *= _PREFERENCE_FACTOR
        return factor


def _add_similarities(scores: dict[Place, _Score], candidates: Candidates, similarities: Mapping[str, float]) -> None:
    """Both scaled to 0..1 and added: better than adding ranks."""
    most = max((score.value for score in scores.values()), default=0.0) or 1.0
    low, high = min(similarities.values()), max(similarities.values())
    for score in scores.values():
        score.value /= most
    for candidate in candidates.found:
        similarity = similarities.get(candidate.entry.id)
        if similarity is None:
            continue
        value = _VECTOR_WEIGHT * (similarity - low) / ((high - low) or 1.0)
        there = scores.setdefault(candidate.place, _Score(candidate, 0.0, 0))
        if there.candidate.entry.id == candidate.entry.id:
            there.value += value


def _sums(scores: Mapping[Place, _Score], is_chat: bool) -> dict[Place, float]:
    """Adds to every place the scores that its neighbours give it."""
    sums: dict[Place, float] = defaultdict(float)
    for (conversation, depth), score in scores.items():
        # To a chatbot nearly every message of the user is a question.
        asks = not is_chat and score.candidate.entry.text.rstrip().endswith("?")
        for offset, share in (_QUESTION_SHARES if asks else _SHARES).items():
            sums[conversation, depth + offset] += score.value * share
    return {place: value for place, value in sums.items() if place[1] >= 0}


def _near(place: Place) -> list[Place]:
    return [(place[0], place[1] + offset) for offset in _OFFSETS]


def _around(scores: Mapping[Place, _Score], place: Place) -> int:
    """The words that are said at a place and right around it."""
    conversation, depth = place
    matched = 0
    for offset in _OFFSETS:
        score = scores.get((conversation, depth + offset))
        if score is not None:
            matched |= score.matched
    return matched


def _nearest(near: Sequence[_Score | None]) -> tuple[Candidate, int]:
    """Which of the places around gave the most, and how far that is from here."""
    given = ((score.value * _SHARES[-offset], -offset, score) for score, offset in zip(near, _OFFSETS, strict=True) if score)
    _, offset, score = max(given, key=lambda one: one[:2])
    return score.candidate, offset


def _date_words(created: float) -> tuple[str, ...]:
    """The day as a question may name it: 8, may, 2023."""
    return _day_words(int(created // _DAY)) if is_time(created) else ()


@lru_cache(maxsize=10_000)
def _day_words(days: int) -> tuple[str, ...]:
    day = datetime.fromtimestamp(days * _DAY, UTC)
    return str(day.day), _MONTHS[day.month - 1], str(day.year)
