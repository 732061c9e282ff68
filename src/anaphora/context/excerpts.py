"""Quotes documents: small ones whole, before the window; of larger ones the pieces that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from anaphora.context.quoting import quoted, quoted_line
from anaphora.search.candidates import Candidate, Candidates
from anaphora.search.index import weight_of
from anaphora.search.ranking import collection, rank, weigh
from anaphora.search.terms import WordFinder, finder
from anaphora.search.words import searchable, words
from anaphora.values.message import Message, Text
from anaphora.values.report import Excerpt

# Pieces that are alike in meaning, by their ids, and those that stand out.
Alike = tuple[Mapping[str, float], frozenset[str]]
NOTHING_ALIKE: Alike = ({}, frozenset())
# Of the budget, for all documents of a conversation together.
DOCUMENT_SHARE = 0.3
_MOST = 12
_NEAR_THE_BEST = 0.3
# Of what the question's words tell, so much must be in the best piece: otherwise it asks for something else.
_FLOOR = 0.2
_TELLING = 0.7
# What the place and the line around a piece take, in tokens.
AROUND = 16


def piece_message(place: str, text: str) -> Message:
    """A piece as a store keeps it. Where it stands is looked for too: a heading says what it is about."""
    return Message("user", (Text(place), Text(text)))


def piece_of(message: Message) -> tuple[str, str]:
    """Where a piece stands, and its text."""
    place, text = (*(part.text for part in message.parts if isinstance(part, Text)), "", "")[:2]
    return place, text


def matching_excerpts(question: str, candidates: Candidates, *, room: int, alike: Alike = NOTHING_ALIKE) -> list[Excerpt]:
    """The pieces that matter to a question within ``room`` tokens, in the order of their documents."""
    similar, standing_out = alike
    ranked = rank(question, candidates, similar)
    coverage = max((one.coverage for one in ranked[:_MOST]), default=0.0)
    if not ranked or not (standing_out or _is_about(question, candidates, coverage)):
        return []
    asked = finder(question)
    chosen: dict[tuple[str, int], Candidate] = {}
    left = room
    for one in ranked:
        cost = one.anchor.entry.tokens + AROUND
        if one.offset or one.anchor.place in chosen or cost > left:
            continue
        if one.score < _NEAR_THE_BEST * ranked[0].score or len(chosen) == _MOST:
            break
        chosen[one.anchor.place] = one.anchor
        left -= cost
    return [_excerpt(chosen[place], asked) for place in sorted(chosen, key=lambda place: (chosen[place].title, place[1]))]


def first_excerpts(candidates: Sequence[Candidate], *, room: int) -> list[Excerpt]:
    """The beginning of documents, where nothing else is asked for."""
    found: list[Excerpt] = []
    for candidate in candidates:
        room -= candidate.entry.tokens + AROUND
        if room < 0:
            break
        place, text = piece_of(candidate.entry.message)
        found.append(Excerpt(candidate.title, place, text, "it is the beginning", candidate.entry.tokens))
    return found


def whole_text(documents: Sequence[Excerpt]) -> str:
    """Whole documents, as they stand before the window."""
    return "\n\n".join(_fenced(one.document, one.text) for one in documents)


def excerpts_text(excerpts: Sequence[Excerpt]) -> str:
    """Pieces, as they stand in the tail."""
    return "\n\n".join(_fenced(f"{one.document}: {one.place}", one.text) for one in excerpts)


def _fenced(name: str, text: str) -> str:
    """A document's text between marks that nothing in it can end."""
    return f'<document name="{quoted_line(name).replace(chr(34), chr(39))}">\n{quoted(text)}\n</document>'


def _is_about(question: str, candidates: Candidates, coverage: float) -> bool:
    total = sum(weigh(question, candidates).values())
    least = _TELLING * weight_of(1, collection(candidates))
    return coverage >= _FLOOR and coverage * total >= least


def _excerpt(candidate: Candidate, asked: WordFinder) -> Excerpt:
    place, text = piece_of(candidate.entry.message)
    said = dict.fromkeys(word for word in words(searchable(candidate.entry.message)) if asked.word(word))
    reason = f"it says {', '.join(said)}" if said else "it means nearly the same"
    return Excerpt(candidate.title, place, text, reason, candidate.entry.tokens)
