"""Reads the end of a branch as a context needs it, and at the next turn only what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from anaphora.context.plan import verbatim
from anaphora.context.policy import Memory
from anaphora.context.verbatim import Verbatim
from anaphora.providers.model import Model
from anaphora.stores.base import Store
from anaphora.values.scope import Scope
from anaphora.values.transcript import START, Entry, Extent

_UNLIMITED = 1 << 40
# A branch that has grown to so many times what was read is read anew, so that what lies far before the window is let go of.
_GROWTH, _LEAST = 3, 32
# The newest turn and the one before it: between two calls of a conversation no more is new.
_NEWEST = Extent(_UNLIMITED, 1, _UNLIMITED)


@dataclass(frozen=True, slots=True)
class _Read:
    """The end of a branch as it was last read, and what it was read for; ``first`` messages of it were read at once."""

    branch: Sequence[Entry] = ()
    counter: str = ""
    most: Extent = START
    forgotten: int = 0
    first: int = 0


@dataclass(slots=True)
class BranchReader:
    """Of one conversation: remembers what was read and planned last. Messages do not change, but for being forgotten."""

    _last: _Read = field(default_factory=_Read)
    _window: Verbatim | None = None

    async def read(self, store: Store, model: Model, scope: Scope, message_id: str, most: Extent) -> Sequence[Entry]:
        """The messages up to this one, back to where they exceed ``most``."""
        counter = await model.counter()
        forgotten = (await store.info(scope)).forgotten
        last = self._last
        branch: Sequence[Entry] = ()
        is_long = len(last.branch) > _GROWTH * max(last.first, _LEAST)
        if last.branch and not is_long and (last.counter, last.most, last.forgotten) == (counter, most, forgotten):
            branch = _joined(last.branch, await store.branch(scope, message_id, reach=_NEWEST))
            start = len(last.branch) if branch else 0
            new = [await _counted(store, model, scope, entry, counter) for entry in branch[start:]]
            branch = [*branch[:start], *new]
        first = last.first
        if not branch:
            branch = await end_of_branch(store, model, scope, message_id, most)
            first = len(branch)
        self._last = _Read(branch, counter, most, forgotten, first)
        return branch

    def window(self, branch: Sequence[Entry], memory: Memory, room: int) -> Verbatim:
        """The verbatim part of the branch that was read."""
        self._window = window = verbatim(branch, memory, room, self._window if self._window and self._window.branch else None)
        return window

    def forget(self) -> None:
        """Let go of everything: something was forgotten."""
        self._last, self._window = _Read(), None


async def end_of_branch(store: Store, model: Model, scope: Scope, message_id: str | None, most: Extent) -> Sequence[Entry]:
    """The messages up to this one, back to where they exceed ``most``.

    What another model's tokenizer counted is counted anew, if this one's can.
    """
    counter = await model.counter()
    far = most
    while True:
        branch = await store.branch(scope, message_id, reach=far)
        branch = [await _counted(store, model, scope, entry, counter) for entry in branch] if counter else branch
        if not branch or branch[0].parent is None or exceeds(branch, most):
            return branch
        # By this model's count it is less.
        far += far + Extent(1, 1, 1)


def exceeds(branch: Sequence[Entry], most: Extent) -> bool:
    """Tells whether messages are more than ``most`` in any measure."""
    held = Extent(len(branch), sum(entry.starts_turn for entry in branch), sum(entry.tokens for entry in branch))
    return held.exceeds(most)


async def measured(store: Store, model: Model, scope: Scope, entry: Entry) -> Entry:
    """Gives the message with the size that this model counts."""
    size = await model.size(entry.message)
    if size == entry.size:
        return entry
    await store.measure(scope, entry.id, size)
    return replace(entry, size=size)


async def _counted(store: Store, model: Model, scope: Scope, entry: Entry, counter: str) -> Entry:
    return entry if not counter or entry.size.counter == counter else await measured(store, model, scope, entry)


def _joined(known: Sequence[Entry], newest: Sequence[Entry]) -> Sequence[Entry]:
    """Joins the known messages with the newest; empty if these do not follow, or something changed."""
    tip = known[-1]
    if newest and newest[0].parent == tip.id:
        return [*known, *newest]
    place = next((place for place, entry in enumerate(newest) if entry.id == tip.id), None)
    if place is None or newest[place] != tip:
        return ()
    return [*known, *newest[place + 1 :]]
