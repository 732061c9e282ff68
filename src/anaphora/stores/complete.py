"""Completes a store that keeps transcripts alone: the rest lives in this process's memory."""

from __future__ import annotations

from typing import Any, cast

from anaphora.errors import ConfigError
from anaphora.stores.base import Ledger, Memories, Store, Transcripts


def completed(store: object) -> Store:
    """Gives the store itself if it is whole, else one that keeps facts and the ledger in memory.

    Raises ConfigError for an object that cannot keep transcripts.
    """
    if not isinstance(store, Transcripts):
        raise ConfigError(f"the store must be a path, a URL or an object with the verbs of Transcripts, not {store!r}.")
    if isinstance(store, Memories) and isinstance(store, Ledger):
        return cast("Store", store)
    return cast("Store", _Completed(store))


def has_memories(store: object) -> bool:
    """True if the store keeps what is derived from transcripts."""
    return isinstance(store, Memories)


class _Completed:
    """Hands the verbs that a store lacks to a store in memory."""

    def __init__(self, store: Transcripts) -> None:
        from anaphora.stores.inmemory import InMemoryStore

        self._store = store
        self._rest = InMemoryStore()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name, None) or getattr(self._rest, name)
