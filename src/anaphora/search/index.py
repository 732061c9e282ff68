"""An index of words in this process, for what no full-text index knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from heapq import nlargest
from math import log
from typing import Generic, TypeVar

from anaphora.search.terms import forms, terms
from anaphora.search.words import is_unspaced

Key = TypeVar("Key", bound=Hashable)


def weight_of(count: int, everything: int) -> float:
    """Gives the weight of a word that ``count`` of all messages have (BM25's inverse document frequency)."""
    return log(1 + (max(everything - count, 0) + 0.5) / (count + 0.5))


class WordIndex(Generic[Key]):
    """Tells which texts have a word, in any of its forms. Texts are known by keys of the caller's."""

    def __init__(self) -> None:
        self._places: dict[str, set[Key]] = defaultdict(set)
        self._texts: dict[Key, str] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, key: Key, text: str) -> None:
        """Take in a text."""
        said = terms(text)
        # Characters of scripts without blanks are looked for in a row.
        self._texts[key] = "".join(said) if any(map(is_unspaced, said)) else ""
        for term in said:
            self._places[term].add(key)

    def having(self, word: str, languages: Sequence[str]) -> set[Key]:
        """The keys of the texts that have a word of a question."""
        found: set[Key] = set()
        for form in forms(word, languages):
            places = set.intersection(*(self._places.get(term, set()) for term in form))
            found |= {key for key in places if len(form) == 1 or "".join(form) in self._texts[key]}
        return found

    def scores(self, wanted: Sequence[str], languages: Sequence[str], everything: int) -> dict[Key, float]:
        """The texts that have any of the words, and how much the words tell that each has."""
        scores: dict[Key, float] = defaultdict(float)
        for word in wanted:
            places = self.having(word, languages)
            for key in places:
                scores[key] += weight_of(len(places), everything)
        return scores


def worth_reading(scores: dict[int, float], share: float, most: int) -> list[int]:
    """The numbers whose score is at least this share of the best, at most so many, best first; of equals the greater number."""
    least = share * max(scores.values(), default=0.0)
    best = nlargest(most, ((score, number) for number, score in scores.items() if score >= least))
    return [number for _, number in best]
