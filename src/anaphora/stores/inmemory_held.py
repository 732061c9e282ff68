"""What the in-memory store holds: conversations, the words and facts of owners."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from anaphora.context.relevance import weight_of
from anaphora.derived import WORTH_READING, BlockSummary, Cue, Evidence, Fact, Learned
from anaphora.errors import NotFound
from anaphora.fulltext import searchable, stem, words
from anaphora.message import Usage
from anaphora.transcript import Entry


class WordIndex:
    """Which messages of an owner have a word, in any of its forms. Messages are known by conversation and id."""

    def __init__(self) -> None:
        self._places: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._stems: dict[tuple[str, str], frozenset[str]] = {}

    def __contains__(self, place: tuple[str, str]) -> bool:
        return place in self._stems

    def __len__(self) -> int:
        return len(self._stems)

    def add(self, conversation: str, entry: Entry) -> None:
        """Take in an ended message."""
        place = (conversation, entry.id)
        self._stems[place] = frozenset(map(stem, words(searchable(entry.message))))
        for word in self._stems[place]:
            self._places[word].add(place)

    def drop(self, conversation: str, message_id: str) -> None:
        """Forget a message."""
        place = (conversation, message_id)
        for word in self._stems.pop(place, ()):
            self._places[word].discard(place)

    def count(self, word: str, cue: Cue) -> int:
        """How many messages have a word, without the question."""
        places = self._places.get(stem(word), set())
        return len(places) - ((cue.conversation, cue.asked or "") in places)

    def best(self, cue: Cue) -> list[tuple[str, str]]:
        """The places that have the words, those with the rarest and most of them first."""
        scores: dict[tuple[str, str], float] = defaultdict(float)
        for word in {stem(word) for word in cue.words}:
            places = self._places.get(word, set())
            for place in places:
                scores[place] += weight_of(len(places), len(self))
        scores.pop((cue.conversation, cue.asked or ""), None)
        least = WORTH_READING * max(scores.values(), default=0.0)
        return sorted((place for place, score in scores.items() if score >= least), key=lambda place: -scores[place])


class Facts:
    """The facts of one owner."""

    def __init__(self) -> None:
        self._facts: dict[str, Fact] = {}

    def all(self) -> list[Fact]:
        """Oldest first."""
        return sorted(self._facts.values(), key=lambda fact: (fact.created, fact.id))

    def keep(self, learned: Learned, proofs: Sequence[Evidence]) -> bool:
        """Store a fact with what of its evidence is still there; False if nothing of it is, or there is nothing to add to."""
        fact = learned.fact
        known = self._facts.get(fact.id)
        if fact.evidence and not proofs:
            return False
        if not learned.known:
            self._facts[fact.id] = replace(fact, evidence=tuple(proofs))
        elif known is None or not known.holds or not known.evidence:
            return False
        else:
            added = tuple(proof for proof in proofs if all(proof.message != old.message for old in known.evidence))
            self._facts[fact.id] = replace(known, evidence=known.evidence + added)
        old = self._facts.get(learned.supersedes or "")
        if old is not None and old.superseded is None:
            self._facts[old.id] = replace(old, superseded=fact.created, successor=fact.id)
        return True

    def reword(self, fact_id: str, text: str) -> None:
        """Give a fact other words. Raises NotFound."""
        if fact_id not in self._facts:
            raise NotFound(f"no fact {fact_id!r}.")
        self._facts[fact_id] = replace(self._facts[fact_id], text=text, origin="told")

    def delete(self, fact_id: str) -> None:
        """With everything it superseded. Raises NotFound."""
        if fact_id not in self._facts:
            raise NotFound(f"no fact {fact_id!r}.")
        gone = [fact_id]
        while gone:
            successor = gone.pop()
            del self._facts[successor]
            gone += [fact.id for fact in self._facts.values() if fact.successor == successor]

    def drop_evidence(self, *, message: str | None = None, conversation: str | None = None) -> None:
        """Facts that have no other evidence go; what they superseded holds again, or until what superseded them."""
        for fact in list(self._facts.values()):
            left = tuple(one for one in fact.evidence if message != one.message and conversation != one.conversation)
            if left != fact.evidence:
                self._facts[fact.id] = replace(fact, evidence=left)
                if not left:
                    self._drop(self._facts[fact.id])

    def _drop(self, dropped: Fact) -> None:
        del self._facts[dropped.id]
        for fact in list(self._facts.values()):
            if fact.successor == dropped.id:
                self._facts[fact.id] = replace(fact, superseded=dropped.superseded, successor=dropped.successor)


class Path:
    """The ids of the messages on the branch last asked for. A branch that has grown since is not walked anew."""

    def __init__(self) -> None:
        self._tip: str | None = None
        self._ids: set[str] = set()

    def to(self, message_id: str | None, entries: Mapping[str, Entry]) -> set[str]:
        """The branch that ends with a message; empty if there is no such message."""
        new: list[str] = []
        step = message_id if message_id in entries else None
        while step is not None and step != self._tip:
            new.append(step)
            step = entries[step].parent
        if step is None:
            self._ids = set()
        self._ids.update(new)
        self._tip = message_id
        return self._ids


@dataclass(slots=True)
class HeldConversation:
    """A conversation with its tree and what is derived from it."""

    created: float
    updated: float
    title: str = ""
    system: str | None = None
    head: str | None = None
    usage: Usage | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    children: dict[str | None, list[str]] = field(default_factory=dict)
    holder: str | None = None
    expires: float = 0.0
    learned: int = 0
    forgotten: int = 0
    summaries: list[BlockSummary] = field(default_factory=list)
    path: Path = field(default_factory=Path)
