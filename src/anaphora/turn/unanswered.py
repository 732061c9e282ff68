"""Finds user messages without a complete answer.

They hang below the head, because the head does not move when an answer fails.
"""

from __future__ import annotations

from anaphora.stores.base import Store
from anaphora.values.scope import Scope
from anaphora.values.transcript import START, Entry

_GIVEN = frozenset({"complete", "stopped"})


async def unanswered(store: Store, scope: Scope) -> Entry | None:
    """Gives the newest user message below the head without a whole answer: its call failed, was cut, or crashed.

    None for a message that a guard refused, and for one whose answer is still pending.
    """
    message = await _newest_below_head(store, scope)
    if message is None:
        return None
    below = await answers_below(store, scope, message.id)
    is_settled = any(entry.status in {"refused", "pending"} or is_answer(entry) for entry in below)
    return None if is_settled else message


async def is_pending(store: Store, scope: Scope) -> bool:
    """True if an answer below the head is being written, or was when its writer died."""
    message = await _newest_below_head(store, scope)
    below = [] if message is None else await answers_below(store, scope, message.id)
    return any(entry.status == "pending" for entry in below)


async def message_to_answer(store: Store, scope: Scope) -> Entry | None:
    """Gives the user message that a retry answers: one below the head without an answer, else the last of the branch."""
    return await unanswered(store, scope) or await _refused(store, scope) or await last_user_message(store, scope)


async def last_user_message(store: Store, scope: Scope) -> Entry | None:
    """Gives the newest user message of the current branch."""
    branch = await store.branch(scope, (await store.info(scope)).head, reach=START)
    return next((entry for entry in reversed(branch) if entry.role == "user"), None)


async def answers_below(store: Store, scope: Scope, message_id: str) -> list[Entry]:
    """Gives all messages that answer a user message, in the order in which they came."""
    found: list[Entry] = []
    for child in await store.children(scope, message_id):
        if child.role != "user":
            found += [child, *await answers_below(store, scope, child.id)]
    return sorted(found, key=lambda entry: entry.order)


def is_answer(entry: Entry) -> bool:
    """True for a message that ends a turn well: words, or results of tools that the user stopped."""
    if entry.role == "tool":
        return entry.status == "stopped"
    return entry.status in _GIVEN and bool(entry.message.parts) and not entry.message.tool_calls


async def _newest_below_head(store: Store, scope: Scope) -> Entry | None:
    children = await store.children(scope, (await store.info(scope)).head)
    return next((entry for entry in reversed(children) if entry.role == "user"), None)


async def _refused(store: Store, scope: Scope) -> Entry | None:
    """Gives the newest user message below the head if a guard refused it or its answer."""
    message = await _newest_below_head(store, scope)
    below = [] if message is None else await answers_below(store, scope, message.id)
    return message if below and below[-1].status == "refused" else None
