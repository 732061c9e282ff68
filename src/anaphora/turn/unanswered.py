"""What of a conversation waits for an answer: found in the tree below its head, where an answer is that failed or was cut."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from anaphora.stores.base import Store
from anaphora.values.scope import Scope
from anaphora.values.transcript import START, Entry

_GIVEN = frozenset({"complete", "stopped"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The messages of one conversation that were asked. ``settle`` ends what a writer that died left pending, if it can."""

    store: Store
    scope: Scope
    settle: Callable[[], Awaitable[bool]]

    async def unanswered(self) -> Entry | None:
        """The newest message of the user below the head that got no whole answer: its call failed, or broke, or crashed.

        None also while it is being answered elsewhere, and for one that a guard refused.
        """
        asked = await self._newest()
        if asked is None:
            return None
        below = await self.below(asked.id)
        if any(entry.status == "pending" for entry in below):
            if not await self.settle():
                return None
            below = await self.below(asked.id)
        refused = any(entry.status == "refused" for entry in below)
        return None if refused or any(is_answer(entry) for entry in below) else asked

    async def last(self) -> Entry | None:
        """The user's message that a retry answers: one below the head that has no answer, else the branch's last."""
        return await self.unanswered() or await self._refused() or await self.last_on_branch()

    async def last_on_branch(self) -> Entry | None:
        """The newest message of the user above the head."""
        branch = await self.store.branch(self.scope, (await self.store.info(self.scope)).head, reach=START)
        return next((entry for entry in reversed(branch) if entry.role == "user"), None)

    async def below(self, message_id: str) -> list[Entry]:
        """All messages that answer one."""
        return await answers_below(self.store, self.scope, message_id)

    async def _newest(self) -> Entry | None:
        """The newest of the user's messages right below the head."""
        head = (await self.store.info(self.scope)).head
        children = await self.store.children(self.scope, head)
        return next((entry for entry in reversed(children) if entry.role == "user"), None)

    async def _refused(self) -> Entry | None:
        """The same, if a guard refused it or its answer."""
        asked = await self._newest()
        below = [] if asked is None else await self.below(asked.id)
        return asked if below and below[-1].status == "refused" else None


async def answers_below(store: Store, scope: Scope, message_id: str) -> list[Entry]:
    """All messages that answer one, in the order in which they came: up to the next that the user said."""
    found: list[Entry] = []
    for child in await store.children(scope, message_id):
        if child.role != "user":
            found += [child, *await answers_below(store, scope, child.id)]
    return sorted(found, key=lambda entry: entry.order)


def is_answer(entry: Entry) -> bool:
    """Whether a turn ends well with it: words, or results of tools that the user stopped."""
    if entry.role == "tool":
        return entry.status == "stopped"
    return entry.status in _GIVEN and bool(entry.message.parts) and not entry.message.tool_calls
