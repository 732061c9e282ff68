"""Recall: which passages of the past go along with a question, and how they are quoted.

Most messages ask nothing of the past (search/need.py) and carry nothing. What goes in ends where scores fall off, fills no more
room than there is, and stands in the order of time, with dates and speakers. A small model is given only what answers the very
question: anything else leads it astray.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from anaphora.context.quoting import day_of, quoted_block, quoted_line
from anaphora.search.candidates import Candidate, Candidates
from anaphora.search.index import weight_of
from anaphora.search.need import is_general, names_in
from anaphora.search.ranking import Place, Ranked, collection, is_about_assistant, speaker_of, weigh
from anaphora.search.rules import is_conditional, is_rule
from anaphora.search.terms import WordFinder, cue_words, finder
from anaphora.search.words import searchable, words
from anaphora.values.report import Need, Passage

# Fewer tokens cannot hold a passage.
_LEAST_PASSAGE = 12
# So many places are looked at for passages, best first.
MOST_PLACES = 20
# What is worse than this share of the best is not worth its tokens.
_NEAR_THE_BEST = 0.25
# What was found must tell nearly as much as a word that is in a single message.
_TELLING = 0.7
# Who asks for what was said, or about themselves, is content with less.
_APPEAL_FACTOR = 0.5
# What anybody may ask must have been spoken of in nearly these words, and in so many of them.
_GENERAL_FLOOR, _GENERAL_WORDS = 0.7, 3
# A passage has at most so many words; one that is not longer is quoted whole.
_PASSAGE_WORDS = 100
_UNIT = re.compile(r"[^\n.!?。！？]+[.!?。！？]*[\"')\]]*[ \t]*\n*|[.!?。！？\n]+[ \t\n]*")
_QUESTION = re.compile(r"[^.!?？。！\n]+[?？؟]")
_CODE_FENCE = "```"
# A statement that answers says at least this share of what the question's words tell.
_ANSWERING = 0.45
_SUBJECT_I = re.compile(r"\b(?:I|i|we|We)\b")
# "my dog", "my favourite colour": the thing itself must be named, or the answer would be another thing's.
_OF_OWN_THINGS = re.compile(
    r"\b(?:my|our) ((?:(?:favou?rite|best|new|old|own|first|last|big|little|older|younger) )*[^\W\d_]+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision about one message: the need, the ``places`` worth quoting, and how many places were ranked."""

    need: Need = field(default_factory=lambda: Need("none", "recall is off"))
    places: Sequence[Ranked] = ()
    ranked: int = 0


@dataclass(frozen=True, slots=True)
class Quoted:
    """The passages that go in, in the order of time; so many places were ``left`` out for want of room."""

    passages: tuple[Passage, ...] = ()
    left: int = 0


def worth_recalling(
    ranked: Sequence[Ranked], need: Need, candidates: Candidates, *, floor: float, alike: frozenset[str] = frozenset()
) -> Choice:
    """The best places, if what is found there is enough to be about the question.

    ``alike`` are messages (their ids) that mean nearly the same, so that they are about it whatever their words.
    """
    if not need.exists or not ranked:
        return Choice(need if not need.exists else Need("none", "nothing was found"), ranked=len(ranked))
    about = _About(need, ranked, candidates)
    judged = about.judge(floor, has_alike=any(one.anchor.entry.id in alike for one in ranked))
    rules = [one for one in ranked if _holds(one, about)]
    if not judged.exists:
        return (
            Choice(Need("topic", "a standing instruction holds", need.question), rules, len(ranked))
            if rules
            else Choice(judged, ranked=len(ranked))
        )
    best = [one for one in ranked if one in rules or about.is_enough(one, judged, floor) or _is_alike(one, alike)]
    near = [one for one in best if one in rules or one.score >= _NEAR_THE_BEST * best[0].score]
    near = near if is_about_assistant(need.question) else _without_echoes(near, finder(need.question))
    if not near:
        return Choice(Need("none", "what was found is not about it"), ranked=len(ranked))
    return Choice(judged, near[:MOST_PLACES], len(ranked))


class _About:
    """The words of a question that this owner ever used. A word that occurs nowhere does not count."""

    def __init__(self, need: Need, ranked: Sequence[Ranked], candidates: Candidates) -> None:
        self.need = need
        self._finder = finder(need.question)
        self._ranked = ranked
        self.known: frozenset[str] = frozenset().union(*(one.matched for one in ranked)) & {*self._finder.words}
        weights = weigh(need.question, candidates)
        self.weights = {word: weights[word] for word in self.known}
        self._total = sum(self.weights.values()) or 1.0
        self._least = _TELLING * weight_of(1, collection(candidates))

    def judge(self, floor: float, *, has_alike: bool) -> Need:
        """Decide for a question that says neither that it is about the user nor that it appeals to memory."""
        if self.need.kind != "topic":
            return self.need
        names = names_in(self.need.question)
        known = [name for name in names if self._is_known(name)]
        unknown = [name for name in names if name not in known]
        general = is_general(self.need.question)
        if known and not (general and not self._is_spoken_of(_GENERAL_FLOOR, 2)):
            return Need("topic", f"it names {known[0]}, which was spoken of", self.need.question)
        if unknown and not has_alike:
            return Need("none", f"{unknown[0]} was never spoken of")
        if general and not self._is_spoken_of(_GENERAL_FLOOR, _GENERAL_WORDS):
            return Need("none", "anybody may ask this")
        if has_alike or self._is_spoken_of(floor, min(len(self.known), 2)):
            return Need("topic", "it was spoken of", self.need.question)
        return Need("none", "it was not spoken of")

    def is_enough(self, one: Ranked, judged: Need, floor: float) -> bool:
        """Tells whether enough of the question is said around a place."""
        floor *= _APPEAL_FACTOR if judged.kind in {"appeal", "personal"} or judged.reason.startswith("it names") else 1.0
        share = self.share(one.matched)
        return share >= floor and (judged.kind != "topic" or share * self._total >= self._least)

    def names(self, text: str) -> bool:
        """Tells whether a text has a word of the question that tells something."""
        return any(self.weights.get(word, 0.0) >= _TELLING for word in self._finder.found(text))

    def share(self, matched: frozenset[str]) -> float:
        """The share of what the known words tell that these have."""
        return sum(self.weights.get(word, 0.0) for word in matched) / self._total

    def _is_known(self, name: str) -> bool:
        """Tells whether a name is written as one in what was found: a word with a capital that begins a sentence is none."""
        inside = re.compile(rf"\b{re.escape(name)}\b")
        first = re.compile(rf"(?:\A|[.!?]\s+){re.escape(name)}\b")
        for candidate in {one.anchor.entry.id: one.anchor for one in self._ranked}.values():
            text = candidate.entry.text
            if name in text and (inside.search(first.sub("", text)) or " " in name or speaker_of(candidate) == name):
                return True
        return False

    def _is_spoken_of(self, floor: float, least: int) -> bool:
        """Tells whether somebody stated something with enough of the question's words: a question asked before states nothing."""
        for one in self._ranked[:MOST_PLACES]:
            if self.share(one.matched) >= floor and len(_plain(one.matched & self.known)) >= max(least, 1):
                said = {*self._finder.found(_QUESTION.sub(" ", searchable(one.anchor.entry.message)))}
                if len(_plain(said)) >= min(least, 2) and self.share(one.matched) * self._total >= self._least:
                    return True
        return False


def _plain(said: Collection[str]) -> list[str]:
    """Words without numbers, which stand in anything."""
    return [word for word in said if not word.isdecimal()]


def _holds(one: Ranked, about: _About) -> bool:
    """Tells whether a standing instruction at a place holds for the question: one with a condition only for what it names."""
    message = one.anchor.entry.message
    if one.offset or not is_rule(message):
        return False
    return not is_conditional(message.text) or about.names(message.text)


def _is_alike(one: Ranked, alike: frozenset[str]) -> bool:
    return one.offset == 0 and one.anchor.entry.id in alike


def _without_echoes(places: Sequence[Ranked], asked: WordFinder) -> list[Ranked]:
    """The places without answers that only say again what the message before them says of the question."""
    said = {one.place: {*asked.found(searchable(one.anchor.entry.message))} for one in places if not one.offset}

    def is_echo(one: Ranked) -> bool:
        before = said.get((one.place[0], one.place[1] - 1))
        return before is not None and one.anchor.entry.role == "assistant" and not one.offset and said[one.place] <= before

    return [one for one in places if not is_echo(one)]


def passages(places: Sequence[Ranked], found: Sequence[Candidate], question: str, *, room: int) -> Quoted:
    """Quotes these places (best first) within ``room`` tokens.

    ``found`` are the messages that stand there, those beside them too.
    """
    by_place: dict[Place, Candidate] = {candidate.place: candidate for candidate in reversed(found)}
    asked = finder(question)
    chosen: dict[Place, tuple[Candidate, str, int]] = {}
    left, skipped = room, 0
    for one in places:
        candidate = by_place.get(one.place)
        text = best_part(searchable(candidate.entry.message), asked) if candidate else ""
        if candidate is None or not text:
            continue
        tokens = _tokens(candidate, text)
        if tokens > left:
            skipped += 1
            continue
        chosen[one.place] = (candidate, text, one.offset)
        left -= tokens
    in_time = sorted(chosen.values(), key=lambda one: (one[0].entry.created, one[0].entry.order))
    return Quoted(tuple(_passage(candidate, text, asked, offset) for candidate, text, offset in in_time), skipped)


def best_part(text: str, asked: WordFinder, most: int = _PASSAGE_WORDS) -> str:
    """The sentences in a row that have the most of the words asked for, about so many words; the whole of a short text."""
    units = [(match.start(), match.end(), len(match[0].split()) or len(match[0]) // 2) for match in _UNIT.finditer(text)]
    if sum(size for *_, size in units) <= most:
        return text.strip()
    counts = [0] * len(units)
    place = 0
    for where, word in asked.places(text):
        while place + 1 < len(units) and units[place][1] <= where:
            place += 1
        counts[place] += 1 if word else 0
    first, last = _best_run([size for *_, size in units], counts, most)
    part = text[units[first][0] : units[last][1]].strip()
    if part.count(_CODE_FENCE) % 2:
        part = f"{part}\n{_CODE_FENCE}" if part.rfind(_CODE_FENCE) < len(part) - 3 else part[:-3].rstrip()
    return f"{'… ' * (first > 0)}{part}{' …' * (last < len(units) - 1)}"


def _best_run(sizes: Sequence[int], counts: Sequence[int], most: int) -> tuple[int, int]:
    """The first and last of neighbours that together have the highest count within ``most``; the earliest of equals."""
    best, chosen = -1, (0, 0)
    first, size, count = 0, 0, 0
    for last, (one, found) in enumerate(zip(sizes, counts, strict=True)):
        size, count = size + one, count + found
        while size > most and first < last:
            size, count = size - sizes[first], count - counts[first]
            first += 1
        if count > best:
            best, chosen = count, (first, last)
    first, last = chosen
    while first < last and not counts[first]:
        first += 1
    return _widened(sizes, first, last, most)


def _widened(sizes: Sequence[int], first: int, last: int, most: int) -> tuple[int, int]:
    """With what follows and what comes before, in turn, as far as there is room: it tells how it goes on, and of what."""
    left = most - sum(sizes[first : last + 1])
    while True:
        size = left
        if last + 1 < len(sizes) and sizes[last + 1] <= left:
            last += 1
            left -= sizes[last]
        if first > 0 and sizes[first - 1] <= left:
            first -= 1
            left -= sizes[first]
        if left == size:
            return first, last


def answering(places: Sequence[Ranked], question: str, candidates: Candidates) -> tuple[Candidate, str] | None:
    """The one sentence in which the user told what a question asks for by its very words, and its message; None without one.

    It must say most of what the question's words tell, and be about the user as the question is. Of several that say as much the
    newest: it is what holds now.
    """
    asked, weights = finder(question), weigh(question, candidates)
    told: list[tuple[float, float, int, Candidate, str]] = []
    for candidate in {one.anchor.entry.id: one.anchor for one in places if one.anchor.entry.role == "user"}.values():
        for sentence in _UNIT.findall(candidate.entry.text):
            share = answered_share(question, asked, weights, sentence)
            if share >= _ANSWERING:
                told.append((round(share, 6), candidate.entry.created, candidate.entry.order, candidate, sentence.strip()))
    if not told:
        return None
    *_, candidate, sentence = max(told, key=lambda one: one[:3])
    return candidate, sentence


def answered_share(question: str, asked: WordFinder, weights: Mapping[str, float], sentence: str) -> float:
    """How much of what a question's words tell a statement has; 0 if it asks, or is about somebody else than the question.

    The verb alone ("Where do I live?") says whom it is about only with its subject: "My aunt lives in Rome" answers nothing.
    """
    if _QUESTION.search(sentence):
        return 0.0
    said = {*asked.found(sentence)}
    owned = _OF_OWN_THINGS.search(question)
    if owned is None and _SUBJECT_I.search(question) and not _SUBJECT_I.search(sentence):
        return 0.0
    if owned is not None and any(word not in said for word in cue_words(owned[1])):
        return 0.0
    total = sum(weights.values()) or 1.0
    return sum(weights.get(word, 0.0) for word in said) / total


def sentence_passage(candidate: Candidate, sentence: str, question: str) -> Passage:
    """A sentence as a passage."""
    return _passage(candidate, sentence, finder(question), 0)


def passage_line(passage: Passage, *, titled: bool = False) -> str:
    """A passage as the model sees it; ``titled`` with its conversation's title."""
    where = f" ({quoted_line(passage.title)})" if titled and passage.title else ""
    return f"[{passage.date}]{where} {passage.speaker}: {quoted_block(passage.text)}"


def passage_lines(passages: Sequence[Passage]) -> str:
    """Passages as the model sees them. Those of one day from several conversations carry the conversation's title."""
    days: dict[str, set[str]] = {}
    for passage in passages:
        days.setdefault(passage.date, set()).add(passage.conversation)
    return "\n".join(passage_line(passage, titled=len(days[passage.date]) > 1) for passage in passages)


def _passage(candidate: Candidate, text: str, asked: WordFinder, offset: int) -> Passage:
    said = dict.fromkeys(word for word in words(text) if asked.word(word))
    reason = "it stands beside what was found" if offset else "it means nearly the same"
    if said:
        reason = f"it says {', '.join(said)}"
    elif is_rule(candidate.entry.message):
        reason = "it is a standing instruction"
    date = day_of(candidate.entry.created)
    return Passage(candidate.conversation, candidate.title, candidate.entry.id, date, candidate.entry.role, text, reason)


def _tokens(candidate: Candidate, text: str) -> int:
    """Gives the tokens of a passage with its date and speaker: its share of the message's size, rounded up."""
    whole = max(len(candidate.entry.text), 1)
    measured = candidate.entry.tokens * len(text) / whole if candidate.entry.tokens else len(text) / 3
    return int(measured) + _LEAST_PASSAGE
