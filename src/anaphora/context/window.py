"""Windows: policies that say where the verbatim part of a conversation begins.

The cut moves in blocks: it stays where it is until a limit is passed and then jumps so that about ``keep`` remains, because
every move makes the provider read the kept part again. Two watermarks are known from kern-ai (PR #296) and nanobot
(PR #4568).

It needs no stored state and not the whole branch. Every message knows how much lies before it; blocks are ``block_size``
long on that ruler, and a window begins only where a block does: at the first such place from which everything fits. So the
cut is a pure function of the branch's end, moves only forward, and is right on every branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from anaphora.errors import ConfigError
from anaphora.values.transcript import Entry, Extent

# Right after a move this share of the room is left. Each move reads that share again, so a window that fills n times costs
# about n * share / (1 - share) of itself: a quarter at a fifth, the whole at a half (bench/prefill.py).
KEEP_SHARE = 0.2
_UNLIMITED = 1 << 40
# A turn without tools, and the message that follows it.
LEAST_MESSAGES = 3

Unit = Literal["messages", "turns", "tokens"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A window holds at most ``most`` of a unit; when that is passed it is cut back to about ``keep``."""

    unit: Unit
    most: int
    keep: int

    @property
    def block_size(self) -> int:
        """The length of a block, by which the window moves: with one more than ``most`` it moves to about ``keep``."""
        return max(self.most - self.keep, 0) + 1

    def block(self, entry: Entry) -> int:
        """The number of the block in which a message ends."""
        return self.block_at(getattr(entry.before + entry.extent, self.unit))

    def block_at(self, place: int) -> int:
        """The number of the block that has this place on the ruler, counted from 1."""
        return (place - 1) // self.block_size


class Window(Protocol):
    """Where the verbatim part begins."""

    def limits(self, room: int, /) -> tuple[Limit, ...]:
        """Gives the limits of the window where ``room`` tokens fit; no limit is the whole history.

        All are kept. Where it begins is told by the blocks of the first, or of the next where the first has none that fits.
        """
        ...


def reach(limits: Sequence[Limit]) -> Extent:
    """How far back a branch must be read to find the cut: to where this is exceeded in any measure."""
    most: dict[Unit, int] = {"messages": _UNLIMITED, "turns": _UNLIMITED, "tokens": _UNLIMITED}
    for limit in limits:
        most[limit.unit] = min(max(limit.most, 0), most[limit.unit])
    return Extent(**most)


@dataclass(frozen=True, slots=True)
class WindowCut:
    """The index of a window's first message.

    While it ``stays``, it is where a block begins, or everything fits: a branch that grows within the limits keeps it.
    """

    index: int
    stays: bool


def cut(branch: Sequence[Entry], limits: Sequence[Limit]) -> int:
    """The index of the first message that goes in; it starts a turn, or is 0 where everything fits."""
    return find_cut(branch, limits).index


def find_cut(branch: Sequence[Entry], limits: Sequence[Limit]) -> WindowCut:
    """Where a window begins.

    ``branch`` may be the end of a branch that reaches beyond ``reach(limits)``. The newest turn is never dropped, nor is the one
    before it where it fits, wherever blocks begin: that is what the next question follows.
    """
    turns = [index for index, entry in enumerate(branch) if entry.starts_turn]
    fits = max((_fits(branch, limit) for limit in limits), default=0)
    if fits == 0 or not turns:
        return WindowCut(0, stays=True)
    first = next((place for place, index in enumerate(turns) if index >= fits), len(turns) - 1)
    latest = max(turns[first], turns[-2] if len(turns) > 1 else 0)
    for limit in limits:
        before = limit.block(branch[turns[first - 1]]) if first else -1
        found = next((index for index in turns[first:] if limit.block(branch[index]) > before), None)
        if found is not None:
            return WindowCut(min(found, latest), stays=found <= latest and limit is limits[0])
    # Where no block begins between there and the end, the window begins as early as it can.
    return WindowCut(turns[first], stays=False)


def following(branch: Sequence[Entry], limits: Sequence[Limit], first: int) -> int | None:
    """Before how many messages of the branch the window that begins at index ``first`` will begin after its next move.

    None if that is not known yet. It may be the length of the branch: with the next message the user writes.
    """
    if not limits:
        return None
    limit = limits[0]
    block = limit.block(branch[first])
    for entry in branch[first + 1 :]:
        if entry.starts_turn and limit.block(entry) > block:
            return entry.before.messages
    end = branch[-1].before + branch[-1].extent
    return end.messages if limit.block_at(getattr(end, limit.unit) + 1) > block else None


def _fits(branch: Sequence[Entry], limit: Limit) -> int:
    """The index from which on a limit is kept."""
    held = 0
    for index in range(len(branch) - 1, -1, -1):
        held += getattr(branch[index].extent, limit.unit)
        if held > limit.most:
            return index + 1
    return 0


@dataclass(frozen=True, slots=True)
class FullHistory:
    """Everything, always. A conversation that no longer fits raises ContextTooLong instead of losing its beginning."""

    def limits(self, room: int, /) -> tuple[Limit, ...]:  # noqa: ARG002, D102 -- the protocol's signature and text
        return ()


@dataclass(frozen=True, slots=True)
class FitContext:
    """As much as fits into the model's context, or into ``limit`` tokens if that is less.

    When it is full, the cut jumps so that about ``keep`` (a share of the room, more than 0 and at most 1) remains.
    """

    limit: int | None = None
    keep: float = KEEP_SHARE

    def __post_init__(self) -> None:
        is_size = self.limit is None or (type(self.limit) is int and self.limit > 0)
        _check(self, is_size, "limit must be a positive number of tokens")
        _check(self, type(self.keep) in {int, float} and 0 < self.keep <= 1, "keep must be a share above 0 and up to 1")

    def limits(self, room: int, /) -> tuple[Limit, ...]:  # noqa: D102
        most = room if self.limit is None else min(room, self.limit)
        return (Limit("tokens", most, int(most * self.keep)),)


@dataclass(frozen=True, slots=True)
class _Counting:
    """A window over so many of a unit: ``limit`` at most, and about ``keep`` after a move (by default half).

    With ``slide`` it is the classic sliding window: it moves with every turn, so no prompt cache ever hits.
    """

    unit: ClassVar[Unit]

    limit: int
    keep: int | None = None
    slide: bool = False

    def __post_init__(self) -> None:
        _check(self, type(self.limit) is int and self.limit >= 1, "limit must be a whole number from 1")
        is_kept = self.keep is None or (type(self.keep) is int and 1 <= self.keep <= self.limit)
        _check(self, is_kept, "keep must be a whole number between 1 and limit")
        _check(self, self.keep is None or not self.slide, "slide keeps everything up to limit: leave keep out")

    def limits(self, room: int, /) -> tuple[Limit, ...]:
        return self._limit(), Limit("tokens", room, int(room * KEEP_SHARE))

    def _limit(self) -> Limit:
        return Limit(self.unit, self.limit, self._kept(self.limit // 2))

    def _kept(self, usual: int) -> int:
        if self.slide:
            return self.limit
        return max(usual, 1) if self.keep is None else self.keep


class LastTokens(_Counting):
    """At most ``limit`` tokens; after a move about ``keep`` (by default half). ``slide=True`` moves turn by turn."""

    __slots__ = ()
    unit = "tokens"


class LastMessages(_Counting):
    """At most ``limit`` messages, the newest included; after a move about ``keep`` (by default half).

    A window begins with a user's message, so it may hold one less. 1 and 2 hold less than a turn and the newest message, so the
    model does not see the question before: take 3 or more for a chat.
    """

    __slots__ = ()
    unit = "messages"

    def _limit(self) -> Limit:
        return Limit(self.unit, self.limit, self._kept(max(self.limit // 2, min(self.limit, LEAST_MESSAGES))))


class LastTurns(_Counting):
    """At most ``limit`` earlier turns beside the newest message; after a move about ``keep`` of them (by default half)."""

    __slots__ = ()
    unit = "turns"

    def _limit(self) -> Limit:
        return Limit(self.unit, self.limit + 1, self._kept(self.limit // 2) + 1)


def _check(window: object, condition: bool, rule: str) -> None:
    if not condition:
        raise ConfigError(f"{window!r}: {rule}.")
