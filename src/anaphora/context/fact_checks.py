"""Checks of what a model says it found: whose fact it is, whether a "not" was lost, what says the same, what contradicts what.

A model that finds facts is not believed. These are rules of words: what they cannot tell they refuse, since a fact that is missing
does less harm than one that is wrong.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from anaphora.search.folding import folded
from anaphora.search.terms import terms
from anaphora.search.words import words
from anaphora.values.memory import Fact

# Facts that differ in nothing else say the same.
_FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "i",
        "am",
        "is",
        "are",
        "was",
        "user",
        "users",
        "my",
        "me",
        "mine",
        "their",
        "there",
        "s",
        "it",
        "that",
        "very",
        "really",
        "also",
        "just",
        "have",
        "has",
        "got",
    ]
)
_SAME = {
    "named": "called", "name": "called", "names": "called", "call": "called", "resides": "lives", "reside": "lives", "living": "lives",
    "live": "lives", "owns": "has", "own": "has", "loves": "likes", "love": "likes", "enjoys": "likes", "enjoy": "likes", "like": "likes",
    "job": "works", "work": "works", "working": "works", "employed": "works", "kid": "child", "kids": "child", "children": "child",
    "favourite": "favorite", "bike": "bicycle", "doctor": "physician", "mom": "mother", "mum": "mother", "dad": "father",
}  # fmt: skip
_NOT = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|without|cannot|can't|don't|doesn't|didn't|isn't|aren't|wasn't|weren't|won't|wouldn't|haven't"
    r"|hasn't|hadn't|stopped|quit|nicht|kein\w*|nie|niemals|ohne|ne|pas|jamais|sans|aucune?|nunca|jamas|sin|nao|sem|non|mai|senza|niet|geen|нет|не|никогда"
    r"|без|لا|لم|لن|ليس|नहीं|tidak|bukan|degil|yok)\b|n't\b|不|没|ません|ない"
)
_CLAUSE = re.compile(r"[^.!?;,\n]+")
_JOINT = re.compile(r"\b(?:but|and|aber|und|pero|mais|et|ma|maar|en|но|и)\b")
# People and animals who do things of their own; what is said of them is theirs.
_OTHERS = (
    "friend|sister|brother|mother|father|mom|mum|dad|wife|husband|partner|girlfriend|boyfriend|son|daughter|child|kid|aunt|uncle|cousin|niece"
    "|nephew|grandmother|grandfather|grandma|grandpa|boss|colleague|coworker|neighbou?r|roommate|flatmate|teacher|doctor|dentist|landlord|dog|cat"
    "|horse|parrot|freundin|freund|schwester|bruder|mutter|vater|frau|mann|sohn|tochter|chef|nachbarin|nachbar|hund|katze|ami|amie|soeur|frere|mere|pere"
    "|femme|mari|fils|fille|chien|chat|amigo|amiga|hermana|hermano|madre|padre|esposa|marido|hijo|hija|perro|gato"
)
_OF_OTHERS = re.compile(
    rf"\b(?:my|our|his|her|their|mein\w*|unser\w*|mon|ma|mes|mi|mis|meu|minha|mio|mia) (?:\w+ ){{0,2}}?({_OTHERS})s?\b(?: ([^\W\d_]+))?"
)
_OWN_SUBJECT = re.compile(r"\A\W*(?:\w+ ){0,2}?(?:i|i'm|i've|i'd|we|ich|je|j|yo|eu|io|ik|я|मैं|saya|aku|ben)\b")
# One value each: a new one takes the place of the old.
_SLOTS = (
    ("lives in", re.compile(r"\b(?:lives?|living|resides?|moved) (?:now )?(?:in|to|near)\b")),
    (
        "called",
        re.compile(
            r"\A(?:the user |user |i am |i'm |is |my name is |name is |name: )?(?:is )?(?:called|named|name)\b|\bmy name is\b"
        ),
    ),
    ("works", re.compile(r"\bworks? (?:as|at|for|in)\b|\bjob is\b|\bemployed (?:as|at|by)\b")),
    ("age", re.compile(r"\b(?:is|am|i'm) \d+ years? old\b|\bage is\b")),
    ("birthday", re.compile(r"\bbirthday is\b|\bborn on\b")),
    ("answers in", re.compile(r"\b(?:answer|reply|respond|speak|write)\w* (?:me )?(?:only |always )?in \w+")),
)
_FAVOURITE = re.compile(r"\bfavou?rite (\w+)")
# What matters for years, and what may do harm when it is not known, before the rest.
_KINDS = (
    re.compile(
        r"allerg|intoleran|vegan|vegetarian|celiac|coeliac|diabet|asthma|epilep|gluten|lactose|medicat|pregnan|blind|deaf|disabilit|wheelchair|disease"
        r"|illness|kosher|halal|kidney|heart|vegetar|unvertraglich|schwanger|enceinte|embarazad|allergi"
    ),
    re.compile(r"\b(?:always|never|answer|reply|respond|call me|address|prefers? to be|immer|toujours|siempre|sempre)\b"),
    re.compile(r"\b(?:called|named|name)\b"),
    re.compile(rf"\b(?:{_OTHERS}|married|children|family)s?\b"),
)


def keeps_negation(fact: str, quote: str, said: str) -> bool:
    """Tells whether a fact denies what its quote denies, and affirms what it affirms, in the clause where it stands."""
    return bool(_NOT.search(folded(fact))) == bool(_NOT.search(_clauses(quote, said)))


def is_users(fact: str, quote: str, said: str) -> bool:
    """Tells whether a fact names whom its quote is about, where that is not the user: "My friend Anna lives in Paris"."""
    clause = _clauses(quote, said)
    other = _OF_OTHERS.search(clause)
    if other is None:
        return True
    subject = clause[: other.start()]
    if _OWN_SUBJECT.search(subject):
        return True
    told = folded(fact)
    # The word after "my friend" may be a name; a verb is written small.
    names = [
        name for name in other.groups() if name and (name == other[1] or re.search(rf"\b{re.escape(name.capitalize())}\b", said))
    ]
    return any(re.search(rf"\b{re.escape(name)}", told) for name in names)


def same_fact(text: str, facts: Sequence[Fact]) -> Fact | None:
    """The fact that says the same already, in these or nearly these words, if one does."""
    new = _plain(text)
    return next((fact for fact in facts if fact.holds and _plain(fact.text) == new), None)


def contradicted(text: str, facts: Sequence[Fact]) -> Fact | None:
    """The newest fact that cannot hold beside a new one: it says the opposite, or another value of what has but one."""
    denies, plain, slot = bool(_NOT.search(folded(text))), _affirmed(text), _slot(text)
    for fact in reversed([one for one in facts if one.holds]):
        opposite = bool(_NOT.search(folded(fact.text))) != denies and _affirmed(fact.text) == plain
        if opposite or (slot and _slot(fact.text) == slot and _plain(fact.text) != _plain(text)):
            return fact
    return None


def importance(fact: Fact) -> int:
    """The rank of a fact's kind: health, rules, names and family before others; the smaller the more important."""
    text = folded(fact.text)
    return next((rank for rank, kind in enumerate(_KINDS) if kind.search(text)), len(_KINDS))


def _clauses(quote: str, said: str) -> str:
    """The clauses of a text that a quotation touches, folded."""
    plain, wanted = folded(" ".join(said.split())), folded(" ".join(quote.split()))
    start = plain.find(wanted)
    if start < 0:
        return wanted
    parts = [(place + match.start(), part) for match in _CLAUSE.finditer(plain) for place, part in _split(match[0])]
    return " ".join(part for place, part in parts if place < start + len(wanted) and place + len(part) > start)


def _split(clause: str) -> list[tuple[int, str]]:
    cuts = [0, *(match.start() for match in _JOINT.finditer(clause)), len(clause)]
    return [(first, clause[first:last]) for first, last in itertools.pairwise(cuts)]


def _plain(text: str) -> tuple[str, ...]:
    """The telling words in their order, in any form: the order tells who moved from where to where."""
    said = (_SAME.get(word, word) for word in words(text))
    return tuple(terms(" ".join(word for word in said if word not in _FILLERS)))


def _affirmed(text: str) -> tuple[str, ...]:
    denied = re.compile(r"\b(?:do|does|did|no longer|any more|anymore)\b")
    return _plain(denied.sub(" ", _NOT.sub(" ", folded(text).replace("’", "'"))))


def _slot(text: str) -> str:
    """Gives the property that a fact states if it can have only one value; empty for others."""
    plain = folded(text)
    if _NOT.search(plain) or re.search(rf"\b(?:{_OTHERS})s?\b", plain):
        return ""
    favourite = _FAVOURITE.search(plain)
    if favourite:
        return f"favorite {favourite[1]}"
    return next((name for name, pattern in _SLOTS if pattern.search(plain)), "")
