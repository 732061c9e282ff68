"""Terms: the forms of words that the index has and a question looks for.

A word stands for all its forms by its stem, in the language of its text. Where no blanks stand between words, every character is
a term, and a question looks for two (in Thai and its neighbours three) in a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby

from anaphora.search.folding import folded
from anaphora.search.languages import UNSPACED_STOPS, is_stop_word, language_of, languages_of, stem_of
from anaphora.search.words import WORD, is_unspaced, words

# A word of a question as the index may have it: terms in a row.
Form = tuple[str, ...]
_UNSPACED_STOP = re.compile("|".join(map(re.escape, UNSPACED_STOPS)))
_THAI_TO_KHMER = ("\u0e00", "\u17ff")
_HIRAGANA = re.compile("[\u3041-\u309f]{1,2}")


def terms(text: str) -> list[str]:
    """The terms of a text, in their order."""
    said = words(text)
    language = language_of(said)
    return [stem_of(word, language) for word in said]


def cue_words(question: str) -> tuple[str, ...]:
    """The words of a question that tell something, each once, folded. Empty if there are none."""
    said = words(question)
    languages = languages_of(said)[:1] if len(said) > 2 else languages_of(said)
    found: list[str] = []
    for unspaced, run in groupby(said, is_unspaced):
        if unspaced:
            found += _grams("".join(run))
        else:
            found += (word for word in run if not is_stop_word(word, (*languages, "english")))
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=1_000)
def question_languages(question: str) -> tuple[str, ...]:
    """The Latin languages that a question may be in."""
    return languages_of(words(question))


@lru_cache(maxsize=20_000)
def forms(word: str, languages: Sequence[str]) -> tuple[Form, ...]:
    """The terms that a word of a question may have in a text, in any of these languages."""
    if is_unspaced(word):
        return (tuple(word),)
    return tuple((stem,) for stem in dict.fromkeys(stem_of(word, language) for language in languages))


def _grams(run: str) -> Iterator[str]:
    """Gives the overlapping pieces of text without blanks, between its stop words."""
    for part in _UNSPACED_STOP.split(run):
        size = 3 if part and _THAI_TO_KHMER[0] <= part[0] <= _THAI_TO_KHMER[1] else 2
        if part and not _HIRAGANA.fullmatch(part):
            yield from (part[start : start + size] for start in range(max(len(part) - size + 1, 1)))


class WordFinder:
    """Finds the words of a question in texts, in any of their forms."""

    def __init__(self, wanted: Sequence[str], languages: Sequence[str]) -> None:
        self.words = tuple(wanted)
        self._languages = languages
        self._grams = [word for word in wanted if is_unspaced(word)]
        spaced = [word for word in wanted if not is_unspaced(word)]
        self._of_form = {form: word for word in reversed(spaced) for (form,) in forms(word, languages)}
        # A Latin stem begins as its word does: only words that may have one of these are looked at.
        starts = sorted({form[:2] for form in self._of_form if form[:2].isascii()})
        self._latin = re.compile(f"(?<![a-z0-9])(?:{'|'.join(map(re.escape, starts)) or '$.'})[a-z0-9]*")
        self._known: dict[str, str] = {}

    def found(self, text: str) -> list[str]:
        """The words of the question that a text has, each as often as it is there."""
        return [word for _, word in self.places(text)]

    def places(self, text: str) -> list[tuple[int, str]]:
        """The words of the question that a text has, and where, in order."""
        plain = folded(text)
        if text.isascii():
            said = ((match.start(), self.word(match[0])) for match in self._latin.finditer(plain))
            return [(place, word) for place, word in said if word]
        found = [(match.start(), word) for match in WORD.finditer(plain) if (word := self.word(match[0]))]
        found += ((match.start(), gram) for gram in self._grams for match in re.finditer(re.escape(gram), plain))
        return sorted(found) if self._grams else found

    def word(self, said: str) -> str:
        """The word of the question that a folded word is a form of; empty if it is of none."""
        known = self._known.get(said)
        if known is None:
            stems = (stem_of(said, language) for language in self._languages)
            known = self._known[said] = next((self._of_form[stem] for stem in stems if stem in self._of_form), "")
        return known


@lru_cache(maxsize=64)
def finder(question: str) -> WordFinder:
    """A finder of the telling words of a question."""
    return WordFinder(cue_words(question), question_languages(question))
