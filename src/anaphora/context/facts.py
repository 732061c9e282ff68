"""Facts: which of what is known of the user goes into a context, and how new facts are found in what they say.

A model finds them, but is not believed: every fact must come with a quotation that stands, letter by letter, in the user's own
words. What tools gave, what is quoted and what was recalled is never shown to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from anaphora.context.fact_checks import importance, is_users, keeps_negation
from anaphora.context.own_words import unquoted_words
from anaphora.context.prompts import prompt
from anaphora.context.quoting import day_of, fenced, quoted, quoted_line
from anaphora.errors import InvalidMessage
from anaphora.search.need import need_of
from anaphora.search.terms import cue_words, finder, terms
from anaphora.values.memory import Evidence, Fact
from anaphora.values.message import Message, Options, text_message, valid_text
from anaphora.values.transcript import Entry

LONGEST_FACT = 300
_BYTES_PER_TOKEN = 3
_LEAST_QUOTE = 3
_MOST_FACTS = 10
_MOST_KNOWN = 60
_ANSWER_TOKENS = 1_000
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_JSON = re.compile(r"\{.*\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """A fact that a model found, checked: its words stand in the message of ``evidence``. ``replaces`` is a known fact's id."""

    text: str
    evidence: Evidence
    replaces: str | None


def checked_fact(text: str) -> str:
    """A fact as somebody tells it. Raises InvalidMessage if it is empty or too long to be one."""
    if not isinstance(text, str):
        raise InvalidMessage(f"a fact must be text, not {type(text).__name__}.")
    line = " ".join(_CONTROLS.sub("", valid_text(text, "the fact")).split())
    if not line:
        raise InvalidMessage("there is nothing to remember: say what.")
    if len(line) > LONGEST_FACT:
        raise InvalidMessage(f"a fact is one sentence of at most {LONGEST_FACT} characters; this has {len(line)}.")
    return line


def lasting(facts: Sequence[Fact], *, began: float, room: int) -> list[Fact]:
    """Gives the facts that were known at the window's first message. They stay until the window moves, so they stand first.

    If that is more than ``room`` tokens, the most important kinds first (health, rules, names, family), then the newest.
    """
    held = [fact for fact in facts if fact.created <= began and (fact.superseded is None or fact.superseded > began)]
    return _fitting(held, room)


def recent(facts: Sequence[Fact], *, began: float, window: frozenset[str], room: int) -> list[Fact]:
    """Gives the facts learned since then from messages outside the window (given by ids), within ``room`` tokens."""
    new = [fact for fact in facts if fact.holds and fact.created > began]
    return _fitting([fact for fact in new if not any(proof.message in window for proof in fact.evidence)], room)


def matching(facts: Sequence[Fact], question: str, *, shown: Sequence[Fact], room: int) -> list[Fact]:
    """Facts that hold, are not ``shown`` and have words of the question, those with the most of them, within ``room`` tokens."""
    asked = finder(question)
    known = {fact.id for fact in shown}
    found = [(len(set(asked.found(fact.text))), fact) for fact in facts if fact.holds and fact.id not in known]
    best = sorted(((count, fact) for count, fact in found if count), key=lambda one: one[0])
    return _newest([fact for _, fact in best], room)


def answering_facts(facts: Sequence[Fact], question: str) -> list[Fact]:
    """For a tiny model: the one fact that has most of a question's words, where the question is about the user."""
    need, asked = need_of(question, follows=False), finder(question)
    if need.kind not in {"personal", "appeal"} or not asked.words:
        return []
    found = [(len({*asked.found(fact.text)}), fact) for fact in facts if fact.holds]
    most, best = max(found, key=lambda one: one[0], default=(0, None))
    return [best] if best is not None and 2 * most >= len(asked.words) else []


def evidence_of(facts: Sequence[Fact], question: str) -> frozenset[str]:
    """The messages (their ids) from which facts were learned that have most of a question's words."""
    asked = finder(question)
    about = (
        fact for fact in facts if fact.holds and fact.evidence and 2 * len({*asked.found(fact.text)}) >= len(asked.words) > 0
    )
    return frozenset(proof.message for fact in about for proof in fact.evidence)


def fact_line(fact: Fact) -> str:
    """A fact as the model sees it."""
    return f"- {quoted_line(fact.text)} ({day_of(fact.created)})"


def learning_material(entries: Sequence[Entry], room: int = 1 << 30) -> list[Entry]:
    """The newest messages with own words of the user, in which facts may be found, within ``room`` tokens."""
    chosen: list[Entry] = []
    for entry in reversed(entries):
        said = unquoted_words(entry.message)
        room -= len(said.encode()) // _BYTES_PER_TOKEN + 4 if said else 0
        if room < 0:
            break
        if said:
            chosen.append(entry)
    return chosen[::-1]


def worth_showing(known: Sequence[Fact], room: int) -> list[Fact]:
    """The newest facts that hold, as an extractor is shown them, within ``room`` tokens."""
    return _newest([fact for fact in known if fact.holds][-_MOST_KNOWN:], room)


def facts_request(entries: Sequence[Entry], known: Sequence[Fact], *, longest: int) -> tuple[list[Message], Options]:
    """Makes the request for facts in these messages of the user, beside those that are known.

    Its answer may be so many tokens long.
    """
    held = [fact for fact in known if fact.holds]
    have = "\n".join(f"{fact.id}: {quoted_line(fact.text)}" for fact in held) or "(nothing yet)"
    said = "\n\n".join(f"[{number}] {quoted(unquoted_words(entry.message))}" for number, entry in enumerate(entries, 1))
    question = f"{fenced(have, 'known')}\n\n{fenced(said, 'conversation')}\n\nAnswer with the JSON object."
    return [text_message("system", prompt("facts")), text_message("user", question)], Options(
        max_tokens=min(longest, _ANSWER_TOKENS)
    )


def found_facts(answer: str, entries: Sequence[Entry], known: Sequence[Fact], conversation: str) -> list[Found]:
    """The facts in a model's answer that the user's own words prove. Raises ValueError if it is no answer of that shape."""
    match = _JSON.search(answer)
    try:
        value = json.loads(match[0]) if match else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("facts"), list):
        raise ValueError("the answer is not the JSON object that was asked for")
    held = {fact.id for fact in known if fact.holds}
    items = [item for item in value["facts"][:_MOST_FACTS] if isinstance(item, dict)]
    checked = (_checked(item, entries, held, conversation) for item in items)
    return [one for one in checked if one is not None]


def _checked(item: dict[str, object], entries: Sequence[Entry], held: set[str], conversation: str) -> Found | None:
    text, number, quote, replaces = (item.get(name) for name in ("fact", "message", "quote", "replaces"))
    if not (isinstance(text, str) and isinstance(quote, str) and isinstance(number, int) and 0 < number <= len(entries)):
        return None
    entry = entries[number - 1]
    line, plain = " ".join(text.split()), " ".join(quote.split())
    is_said = len(plain) >= _LEAST_QUOTE and plain.casefold() in " ".join(unquoted_words(entry.message).split()).casefold()
    is_about_it = bool(set(_telling(line)) & set(_telling(plain)))
    if not is_said or not is_about_it or len(line) > LONGEST_FACT:
        return None
    said = unquoted_words(entry.message)
    if not keeps_negation(line, plain, said) or not is_users(line, plain, said):
        return None
    known = replaces if isinstance(replaces, str) and replaces in held else None
    return Found(line, Evidence(conversation, entry.id, plain[:LONGEST_FACT]), known)


def aside_tokens(facts: Sequence[Fact]) -> int:
    """About what facts take in a context, in tokens."""
    return sum(len(fact_line(fact).encode()) // _BYTES_PER_TOKEN + 1 for fact in facts)


def _fitting(facts: Sequence[Fact], room: int) -> list[Fact]:
    """As many as fit, oldest first: the most important kinds before others, of one kind the newest."""
    chosen: list[Fact] = []
    for fact in sorted(facts, key=lambda one: (importance(one), -one.created)):
        size = aside_tokens([fact])
        if size <= room:
            room -= size
            chosen.append(fact)
    return sorted(chosen, key=lambda one: (one.created, one.id))


def _newest(facts: Sequence[Fact], room: int) -> list[Fact]:
    """As many of the last as fit, in their order."""
    chosen: list[Fact] = []
    for fact in reversed(facts):
        room -= aside_tokens([fact])
        if room < 0:
            break
        chosen.append(fact)
    return chosen[::-1]


def _telling(text: str) -> tuple[str, ...]:
    return tuple(terms(" ".join(cue_words(text))))
