"""Values that are derived from transcripts and point back to them: summaries and facts.

All of it can be dropped and made anew, but for facts that somebody told or edited by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from anaphora.values.transcript import Size

# A fact was told by hand (``/remember``, ``bot.facts.add``), or learned from what the user said in a conversation.
Origin = Literal["told", "learned"]


@dataclass(frozen=True, slots=True)
class BlockSummary:
    """Text that stands for the messages of a branch from the one with ``start`` messages before it to ``message``.

    ``end`` is how many messages the branch has up to and with that one. The summary is shown where the window begins
    at ``since`` or later (also a number of messages before it): one that stands for several older ones takes their place
    only when the window moves.
    """

    message: str
    start: int
    end: int
    since: int
    text: str
    size: Size = field(default_factory=Size)
    model: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The message that a fact comes from, and the user's words in it that say so."""

    conversation: str
    message: str
    quote: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One remembered statement about the user or their work.

    ``created`` and ``superseded`` are in seconds since 1970; a superseded fact held between them, and ``successor`` is the
    fact that took its place. ``conversation`` is the only one in which it may be shown; empty is every one of its owner.
    """

    id: str
    text: str
    origin: Origin
    created: float
    evidence: tuple[Evidence, ...] = ()
    superseded: float | None = None
    successor: str | None = None
    conversation: str = ""

    @property
    def holds(self) -> bool:
        """True as long as nothing supersedes the fact."""
        return self.superseded is None


@dataclass(frozen=True, slots=True)
class Learned:
    """A new fact, and the id of the one whose place it takes; or, ``known``, more evidence for one that is there and holds."""

    fact: Fact
    supersedes: str | None = None
    known: bool = False


def covered(summaries: Sequence[BlockSummary], window: int) -> list[tuple[BlockSummary, BlockSummary]]:
    """Gives the summaries of a branch that another summary covers, which is shown where the window begins at ``window``."""
    shown = [one for one in summaries if one.since <= window]
    pairs = ((one, other) for one in shown for other in shown if other != one)
    return [(one, other) for one, other in pairs if other.start <= one.start and one.end <= other.end]
