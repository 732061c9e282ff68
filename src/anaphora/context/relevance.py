"""Ranks messages of the past by how much they matter to a question: BM25 with what a conversation adds to it.

Long messages count as their best piece; a message shares its score with its neighbours, because an answer like "Yes, in May!"
is found through the question before it; messages around which, and conversations in which, more of the question's words are
found count more; and so do the user's own messages, unless the question is about what the assistant said. What each of these
brings is measured by bench/recall.py.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from heapq import nlargest
from math import log

from anaphora.derived import Candidate, Candidates
from anaphora.fulltext import searchable, stem, units, words
from anaphora.transcript import is_time

# BM25's constants as SQLite has them.
_SATURATION, _LENGTH = 1.2, 0.75
PIECE_WORDS, PIECE_OVERLAP = 80, 20
# What a message gives to the ones around it, and keeps.
NEIGHBOURS = 2
_OFFSETS = tuple(range(-NEIGHBOURS, NEIGHBOURS + 1))
_SHARES = (0.3, 0.5, 1.0, 0.5, 0.3)
_USER_FACTOR = 2.0
_SPEAKER_FACTOR = 1.3
_VECTOR_WEIGHT = 0.7
_DAY = 86_400
_MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
_LEAST_COLLECTION = 40
# Nobody asks for more places.
_RANKED = 100
# "Caroline: Hey!", as bridges to chats of several people write it.
_SPEAKER = re.compile(r"\A(?:\[[^\]\n]{0,60}\] ?)?([^\W\d_][\w .'’-]{0,39}): ")
_ABOUT_ASSISTANT = re.compile(
    r"\b(?:you (?:\w+ ){0,2}(?:said|say|told|tell|recommend|suggest|mention|gave|give|explain|list|wrote|write|propos|show)"
    r"|your (?:\w+ )?(?:answer|suggestion|recommendation|advice|list|explanation|example|recipe|plan|reply))",
    re.IGNORECASE,
)
_STOP_WORDS = frozenset(
    """a about above after again against all am an and any are aren as at be because been before being below between both but by
    can couldn d did didn do does doesn doing don down during each few for from further had hadn has hasn have haven having he her
    here hers herself him himself his how i if in into is isn it its itself just ll m me might more most mustn my myself no nor
    not now o of off on once only or other our ours ourselves out over own re s same shan she should shouldn so some such t than
    that the their theirs them themselves then there these they this those through to too under until up ve very was wasn we were
    weren what when where which while who whom why will with won would wouldn y you your yours yourself could tell please
    know forgot
    """.split()  # noqa: SIM905 -- a list of 150 words in quotes would fill a page
)


Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A place in a conversation (its id, how many messages come before) and its score.

    ``coverage`` is the share of what the question's words tell that is said here and right around.
    ``anchor`` is the candidate that stands here or gave the most, ``offset`` how far from that this place is.
    """

    place: Place
    score: float
    coverage: float
    anchor: Candidate
    offset: int


@dataclass(slots=True)
class _Score:
    """``matched`` is a set of words: one bit each."""

    candidate: Candidate
    value: float
    matched: int


def cue_words(question: str) -> tuple[str, ...]:
    """The words to look for: each once, without those that say nothing. Empty if there are none."""
    return tuple(dict.fromkeys(word for word in words(question) if word not in _STOP_WORDS))


def pieces(text: str) -> Iterator[str]:
    """A long text in overlapping pieces; a short one as it is."""
    said = units(text)
    if len(said) <= PIECE_WORDS:
        yield text
        return
    for start in range(0, len(said) - PIECE_OVERLAP, PIECE_WORDS - PIECE_OVERLAP):
        yield "".join(said[start : start + PIECE_WORDS]).strip()


def speaker_of(candidate: Candidate) -> str:
    """Who says it: the name before its first colon, else its role."""
    named = _SPEAKER.match(candidate.entry.text)
    return named[1] if named else candidate.entry.role


def rank(question: str, candidates: Candidates, similarities: Mapping[str, float] | None = None) -> list[Ranked]:
    """Every place that matters, best first. ``similarities`` of messages (by id) to the question, from vectors, add to the words.

    All scores are 0 or more. With similarities they are scaled, so that the best by words alone would have 1.
    """
    terms = _Terms(weigh(question, candidates))
    scores = _word_scores(question, candidates, terms)
    if similarities:
        _add_similarities(scores, candidates, similarities)
    in_conversation: dict[str, int] = defaultdict(int)
    for (conversation, _), score in scores.items():
        in_conversation[conversation] |= score.matched
    ranked = []
    sums = _sums(scores)
    for place in nlargest(_RANKED, sums, key=lambda one: (sums[one], one)):
        value, (conversation, depth) = sums[place], place
        near = [scores.get((conversation, depth + offset)) for offset in _OFFSETS]
        matched = 0
        for one in near:
            matched |= one.matched if one is not None else 0
        around, whole = terms.share(matched), terms.share(in_conversation[conversation])
        here = scores.get(place)
        anchor, offset = (here.candidate, 0) if here else _nearest(near)
        ranked.append(Ranked(place, value * (1 + around) * (1 + whole), around, anchor, offset))
    # Rounded, so that the order in which scores were added decides nothing.
    return sorted(ranked, key=lambda one: (-round(one.score, 9), one.place))


class _Terms:
    """The question's words as stems, a bit for each, and how much each of them tells."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = weights
        self.bits = {word: 1 << number for number, word in enumerate(weights)}
        # A stem begins as its word does: only words that may have one of these are looked at.
        self._starts = frozenset(word[:2] for word in weights)
        self._ascii = re.compile(f"(?<![a-z0-9])(?:{'|'.join(map(re.escape, sorted(self._starts))) or '$.'})[a-z0-9]*")
        self._total = sum(weights.values()) or 1.0
        self._shares: dict[int, float] = {0: 0.0}

    def found(self, text: str) -> list[str]:
        """The words of the question in a text, as stems, each as often as it is there."""
        said = self._ascii.findall(text.lower()) if text.isascii() else (word for word in words(text) if word[:2] in self._starts)
        return [found for word in said if (found := stem(word)) in self.weights]

    def share(self, matched: int) -> float:
        """What a set of words tells, of all there is to tell."""
        if matched not in self._shares:
            self._shares[matched] = sum(self.weights[word] for word, bit in self.bits.items() if bit & matched) / self._total
        return self._shares[matched]


def weigh(question: str, candidates: Candidates) -> dict[str, float]:
    """How much each word of the question (as a stem) tells: the rarer, the more."""
    everything = collection(candidates)
    dates = Counter(word for candidate in candidates.found for word in _date_words(candidate.entry.created))
    weights: dict[str, float] = {}
    for word in cue_words(question):
        count = candidates.counts.get(word, 0)
        if (day := dates[stem(word)]) > 0:
            # How many messages are of that month or day is not in the index: as many as of those found.
            count = max(count, round(everything * day / len(candidates.found)))
        # A word that is nowhere tells no more than one that is found once.
        weights[stem(word)] = weight_of(max(count, 1), everything)
    return weights


def collection(candidates: Candidates) -> int:
    """Of how many messages rarity is told. In a small store a word that is rare in the language may be in every other message."""
    return max(candidates.messages, _LEAST_COLLECTION)


def weight_of(count: int, everything: int) -> float:
    """How much a word tells that ``count`` of all messages have (BM25's inverse document frequency)."""
    return log(1 + (max(everything - count, 0) + 0.5) / (count + 0.5))


def _word_scores(question: str, candidates: Candidates, terms: _Terms) -> dict[Place, _Score]:
    """BM25 of every candidate's best piece, by place; of two at one place (on two branches) the better."""
    documents = [(candidate, list(pieces(searchable(candidate.entry.message)))) for candidate in candidates.found]
    sizes = [max(len(piece), 1) for _, parts in documents for piece in parts]
    average = sum(sizes) / len(sizes) if sizes else 1.0
    factor = _Factor(question, candidates.found)
    scores: dict[Place, _Score] = {}
    for candidate, parts in documents:
        dated = [word for word in _date_words(candidate.entry.created) if word in terms.weights]
        best, matched = 0.0, 0
        for part in parts:
            said = terms.found(part) + dated
            penalty = _SATURATION * (1 - _LENGTH + _LENGTH * len(part) / average)
            value, mask = 0.0, 0
            for word in set(said):
                count = said.count(word)
                value += terms.weights[word] * count * (_SATURATION + 1) / (count + penalty)
                mask |= terms.bits[word]
            if value > best:
                best, matched = value, mask
        best *= factor(candidate)
        if best > 0 and (candidate.place not in scores or scores[candidate.place].value < best):
            scores[candidate.place] = _Score(candidate, best, matched)
    return scores


class _Factor:
    """Who speaks counts: the user more than an assistant, and whom the question names."""

    def __init__(self, question: str, found: Sequence[Candidate]) -> None:
        self._speakers = {candidate.entry.id: speaker_of(candidate) for candidate in found}
        roles = {candidate.entry.role for candidate in found}
        self._user = _USER_FACTOR if "assistant" in roles and not _ABOUT_ASSISTANT.search(question) else 1.0
        asked = set(words(question))
        named = {name for name in set(self._speakers.values()) - roles if set(words(name)) <= asked}
        self._named = named.pop() if len(named) == 1 else None

    def __call__(self, candidate: Candidate) -> float:
        factor = self._user if candidate.entry.role == "user" else 1.0
        return factor * (_SPEAKER_FACTOR if self._speakers[candidate.entry.id] == self._named else 1.0)


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


def _sums(scores: Mapping[Place, _Score]) -> dict[Place, float]:
    """What every place has with what its neighbours give it."""
    sums: dict[Place, float] = defaultdict(float)
    for (conversation, depth), score in scores.items():
        for offset, share in zip(_OFFSETS, _SHARES, strict=True):
            sums[conversation, depth + offset] += score.value * share
    return {place: value for place, value in sums.items() if place[1] >= 0}


def _nearest(near: Sequence[_Score | None]) -> tuple[Candidate, int]:
    """Which of the places around gave the most, and how far that is from here."""
    given = ((score.value * share, -offset, score) for score, share, offset in zip(near, _SHARES, _OFFSETS, strict=True) if score)
    _, offset, score = max(given, key=lambda one: one[:2])
    return score.candidate, offset


def _date_words(created: float) -> tuple[str, ...]:
    """The day as a question may name it, as stems: 8, may, 2023."""
    return _day_words(int(created // _DAY)) if is_time(created) else ()


@lru_cache(maxsize=10_000)
def _day_words(days: int) -> tuple[str, ...]:
    day = datetime.fromtimestamp(days * _DAY, UTC)
    return str(day.day), stem(_MONTHS[day.month - 1]), str(day.year)
