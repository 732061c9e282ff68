"""Windows: policies that say where the verbatim part of a conversation begins.

The cut moves in blocks: it stays where it is until a limit is passed and then jumps so that ``keep`` remains, because
every move makes the provider read the kept part again. It is a pure function of the branch, walked once from its
start, so it needs no stored state and is right on every branch. Two watermarks are known from kern-ai (PR #296) and
nanobot (PR #4568).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from anaphora.errors import ConfigError

# Right after a move this share of the room is left. Each move reads that share again, so a window that fills n times costs
# about n * share / (1 - share) of itself: one third at a quarter, the whole at a half (bench/prefill.py).
KEEP_SHARE = 0.25


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


def block_cut(branch: Sequence[Sized], weights: Iterable[int], limit: int, keep: int) -> int:
    """Walk the branch; when more than ``limit`` is held, drop whole turns from the front until at most ``keep`` is left.

    The newest turn is never dropped.
    """
    cut = held = turn = 0
    kept: list[int] = []
    for index, weight in enumerate(weights):
        kept.append(weight)
        held += weight
        if branch[index].starts_turn:
            turn = index
        if held <= limit:
            continue
        while cut < turn and (held > keep or not branch[cut].starts_turn):
            held -= kept[cut]
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
        return block_cut(branch, (item.tokens for item in branch), limit, int(limit * self.keep))


@dataclass(frozen=True, slots=True)
class LastTokens:
    """At most ``limit`` tokens; after a move ``keep`` tokens (by default half). ``keep=limit`` slides turn by turn."""

    limit: int
    keep: int | None = None

    def __post_init__(self) -> None:
        _check_limit(self, self.limit, self.keep)

    def cut(self, branch: Sequence[Sized], room: int, /) -> int:  # noqa: D102
        keep = _half(self.limit) if self.keep is None else self.keep
        cut = block_cut(branch, (item.tokens for item in branch), self.limit, keep)
        return max(cut, FitContext().cut(branch, room))


@dataclass(frozen=True, slots=True)
class LastMessages:
    """At most ``limit`` messages; after a move ``keep`` of them (by default half). ``keep=limit`` is the classic sliding window.

    A window begins with a user's message, so it may hold one less.
    """

    limit: int
    keep: int | None = None

    def __post_init__(self) -> None:
        _check_limit(self, self.limit, self.keep)

    def cut(self, branch: Sequence[Sized], room: int, /) -> int:  # noqa: D102
        keep = _half(self.limit) if self.keep is None else self.keep
        cut = block_cut(branch, (1 for _ in branch), self.limit, keep)
        return max(cut, FitContext().cut(branch, room))


@dataclass(frozen=True, slots=True)
class LastTurns:
    """At most ``limit`` turns, the new one included; after a move ``keep`` of them (by default half)."""

    limit: int
    keep: int | None = None

    def __post_init__(self) -> None:
        _check_limit(self, self.limit, self.keep)

    def cut(self, branch: Sequence[Sized], room: int, /) -> int:  # noqa: D102
        keep = _half(self.limit) if self.keep is None else self.keep
        cut = block_cut(branch, (int(item.starts_turn) for item in branch), self.limit, keep)
        return max(cut, FitContext().cut(branch, room))


def _half(limit: int) -> int:
    return max(limit // 2, 1)


def _check_limit(window: object, limit: int, keep: int | None) -> None:
    _check(window, limit >= 1, "limit must be at least 1")
    _check(window, keep is None or 1 <= keep <= limit, "keep must be between 1 and limit")


def _check(window: object, condition: bool, rule: str) -> None:
    if not condition:
        raise ConfigError(f"{window!r}: {rule}.")
