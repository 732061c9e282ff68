"""Windows: policies that say where the verbatim part of a conversation begins.

The cut moves in blocks: it stays where it is until a limit is passed and then jumps so that ``keep`` remains, because
every move makes the provider read the kept part again. It is a pure function of the branch, walked once from its
start, so it needs no stored state and is right on every branch. Two watermarks are known from kern-ai (PR #296) and
nanobot (PR #4568).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import gt
from typing import Protocol

from anaphora.errors import ConfigError

# Right after a move this share of the room is left. Each move reads that share again, so a window that fills n times costs
# about n * share / (1 - share) of itself: a quarter at a fifth, the whole at a half (bench/prefill.py).
KEEP_SHARE = 0.2


class Sized(Protocol):
    """What a window needs to know of a message."""

    @property
    def tokens(self) -> int:
        """Its size in tokens."""
        ...

    @property
    def starts_turn(self) -> bool:
        """Whether a window may begin with it."""
        ...


class Window(Protocol):
    """Where the verbatim part begins."""

    def cut(self, branch: Sequence[Sized], room: int, /) -> int:
        """The index of the first message that goes in; it starts a turn, or is 0. ``room`` is what fits, in tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Limit:
    """What a window may hold: the sum of ``weight`` over its messages; once more than ``most``, it is cut back to ``keep``."""

    weight: Callable[[Sized], int]
    most: int
    keep: int


def block_cut(branch: Sequence[Sized], *limits: Limit) -> int:
    """Walk the branch; when a limit is passed, drop whole turns from the front until what it keeps is left.

    The newest turn is never dropped.
    """
    held = [0] * len(limits)
    cut = turn = 0
    for index, item in enumerate(branch):
        if item.starts_turn:
            turn = index
        allowed = [limit.most for limit in limits]
        for place, limit in enumerate(limits):
            held[place] += limit.weight(item)
            if held[place] > limit.most:
                allowed[place] = limit.keep
        while cut < turn and (any(map(gt, held, allowed)) or not branch[cut].starts_turn):
            for place, limit in enumerate(limits):
                held[place] -= limit.weight(branch[cut])
            cut += 1
    return cut


@dataclass(frozen=True, slots=True)
class FullHistory:
    """Everything, always. A conversation that no longer fits raises ContextTooLong instead of losing its beginning."""

    def cut(self, branch: Sequence[Sized], room: int, /) -> int:  # noqa: ARG002, D102 -- the protocol's signature and text
        return 0


@dataclass(frozen=True, slots=True)
class FitContext:
    """As much as fits into the model's context, or into ``limit`` tokens if that is less.

    When it is full, the cut jumps so that ``keep`` (a share of the room, more than 0 and at most 1) remains.
    """

    limit: int | None = None
    keep: float = KEEP_SHARE

    def __post_init__(self) -> None:
        _check(self, self.limit is None or self.limit > 0, "limit must be a positive number of tokens")
        _check(self, 0 < self.keep <= 1, "keep must be a share above 0 and up to 1")

    def cut(self, branch: Sequence[Sized], room: int, /) -> int:  # noqa: D102
        limit = room if self.limit is None else min(room, self.limit)
        return block_cut(branch, _in_tokens(limit, int(limit * self.keep)))


@dataclass(frozen=True, slots=True)
class _Counting:
    """A window over so many of something: ``limit`` at most, and ``keep`` after a move (by default half)."""

    limit: int
    keep: int | None = None

    def __post_init__(self) -> None:
        _check(self, self.limit >= 1, "limit must be at least 1")
        _check(self, self.keep is None or 1 <= self.keep <= self.limit, "keep must be between 1 and limit")

    def cut(self, branch: Sequence[Sized], room: int, /) -> int:
        keep = max(self.limit // 2, 1) if self.keep is None else self.keep
        return block_cut(branch, Limit(self._weight, self.limit, keep), _in_tokens(room))

    @staticmethod
    def _weight(item: Sized, /) -> int:
        raise NotImplementedError


class LastTokens(_Counting):
    """At most ``limit`` tokens; after a move ``keep`` tokens (by default half). ``keep=limit`` slides turn by turn."""

    __slots__ = ()
    _weight = staticmethod(lambda item: item.tokens)


class LastMessages(_Counting):
    """At most ``limit`` messages; after a move ``keep`` of them (by default half). ``keep=limit`` is the classic sliding window.

    A window begins with a user's message, so it may hold one less.
    """

    __slots__ = ()
    _weight = staticmethod(lambda _: 1)


class LastTurns(_Counting):
    """At most ``limit`` turns, the new one included; after a move ``keep`` of them (by default half)."""

    __slots__ = ()
    _weight = staticmethod(lambda item: int(item.starts_turn))


def _tokens(item: Sized) -> int:
    return item.tokens


def _in_tokens(most: int, keep: int | None = None) -> Limit:
    return Limit(_tokens, most, int(most * KEEP_SHARE) if keep is None else keep)


def _check(window: object, condition: bool, rule: str) -> None:
    if not condition:
        raise ConfigError(f"{window!r}: {rule}.")
