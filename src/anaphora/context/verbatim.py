"""The verbatim part of a branch: where its window begins, its messages as they may be sent, and their size.

Messages do not change, and the beginning of a window stays. So what was found for one turn is gone on with at the next, and only
what is new is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from anaphora.context.repair import Repaired, repair
from anaphora.context.window import Limit, WindowCut, find_cut
from anaphora.values.tokens import Measure, measure_of
from anaphora.values.transcript import START, Entry, Extent


@dataclass(frozen=True, slots=True)
class Verbatim:
    """The window of the end of a branch: what it holds of the branch (``held``), and the ``tokens`` of its repaired messages."""

    branch: Sequence[Entry]
    limits: tuple[Limit, ...]
    cut: WindowCut
    repaired: Repaired
    held: Extent
    tokens: int
    measure: Measure

    @classmethod
    def of(cls, branch: Sequence[Entry], limits: Sequence[Limit]) -> Self:
        """The window of a branch."""
        return cls.at(branch, limits, find_cut(branch, limits))

    @classmethod
    def at(cls, branch: Sequence[Entry], limits: Sequence[Limit], cut: WindowCut) -> Self:
        """The window that begins at a given place."""
        shown = branch[cut.index :]
        repaired = repair(shown)
        tokens = sum(piece.tokens for piece in repaired.pieces)
        held = Extent(len(shown), sum(entry.starts_turn for entry in shown), sum(entry.tokens for entry in shown))
        return cls(branch, tuple(limits), cut, repaired, held, tokens, measure_of(piece.message for piece in repaired.pieces))

    @property
    def first(self) -> Entry:
        """The message that the window begins with."""
        return self.branch[self.cut.index]

    @property
    def shown(self) -> Sequence[Entry]:
        """The messages of the window as they are stored."""
        return self.branch[self.cut.index :]

    def grown(self, branch: Sequence[Entry], limits: Sequence[Limit]) -> Verbatim:
        """The window of a branch: this one with what is new, if the branch goes on from here and its beginning stays."""
        known = len(self.branch)
        goes_on = len(branch) >= known and branch[0] is self.branch[0] and branch[known - 1] is self.branch[-1]
        if not goes_on or not self.cut.stays or tuple(limits) != self.limits:
            return Verbatim.of(branch, limits)
        new = branch[known:]
        held = sum((entry.extent for entry in new), self.held)
        if any(getattr(held, limit.unit) > limit.most for limit in limits):
            return Verbatim.of(branch, limits)
        repaired = repair(new, self.repaired)
        # The last piece may have been joined with what is new.
        since = max(len(self.repaired.pieces) - 1, 0)
        gone, come = self.repaired.pieces[since:], repaired.pieces[since:]
        tokens = self.tokens + sum(piece.tokens for piece in come) - sum(piece.tokens for piece in gone)
        measure = self.measure + measure_of(piece.message for piece in come) - measure_of(piece.message for piece in gone)
        return Verbatim(branch, self.limits, self.cut, repaired, held, tokens, measure)


def nothing_verbatim(limits: Sequence[Limit]) -> Verbatim:
    """The window of an empty branch."""
    return Verbatim((), tuple(limits), WindowCut(0, stays=False), Repaired(), START, 0, Measure())
