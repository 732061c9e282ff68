"""A search in what was said: the question, and the messages that may answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from anaphora.values.transcript import Entry

# Messages that have less than this share of what the best one has of a question's words are not looked at.
WORTH_READING = 0.05


@dataclass(frozen=True, slots=True)
class Cue:
    """A search in the past: messages that have any of these words.

    Of ``conversation``, those on the branch that ends with ``message`` which have fewer than ``before`` messages before them;
    with ``elsewhere`` also those of the owner's other conversations. The ``messages`` with these ids are found whatever
    their words. ``languages`` are those that the words may be in. ``asked`` is the question itself (its id), if it is stored
    already: it has all of its words, and is not counted.
    """

    words: tuple[str, ...]
    conversation: str
    message: str | None
    before: int
    elsewhere: bool = True
    limit: int = 150
    messages: tuple[str, ...] = ()
    asked: str | None = None
    languages: tuple[str, ...] = ("english",)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that may matter, and where it is."""

    conversation: str
    title: str
    entry: Entry

    @property
    def place(self) -> tuple[str, int]:
        """Its conversation, and how many messages of its branch lie before it."""
        return self.conversation, self.entry.before.messages


@dataclass(frozen=True, slots=True)
class Candidates:
    """The result of a search: the messages, and of ``messages`` in the store how many have each word."""

    found: Sequence[Candidate] = ()
    messages: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
