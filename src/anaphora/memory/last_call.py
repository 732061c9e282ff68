"""The last call of a conversation: what it sent, so that a report can say what the next one repeats and why a cache missed."""

from __future__ import annotations

from anaphora.context.cache import Sent, cache_loss
from anaphora.context.plan import Context


class LastCall:
    """The messages that the provider was sent last, when, and how many of their tokens came from its cache."""

    def __init__(self) -> None:
        self._sent: Sent | None = None
        self._at = 0.0
        self._cached = 0
        self._warned: frozenset[str] = frozenset()

    def compared(self, context: Context) -> Context:
        """Gives the context with a report that says how much of the last call it repeats."""
        return context.after(self._sent)

    def replace(self, sent: Sent) -> Sent | None:
        """Remembers the messages of a new call. Gives those of the call before."""
        before, self._sent = self._sent, sent
        return before

    def ended(self, before: Sent | None, *, at: float, cached: int) -> str:
        """Notes that the new call, made ``at`` that time (seconds), read so many tokens from a cache.

        Gives the reason why they are much fewer than at the call before; empty if they are not.
        """
        pause, was = at - self._at, self._cached
        self._at, self._cached = at, cached
        if before is None or self._sent is None:
            return ""
        return cache_loss(before, self._sent, cached, was=was, pause=pause)

    def is_news(self, warning: str) -> bool:
        """True the first time that a warning is given in this conversation."""
        is_news = warning not in self._warned
        self._warned |= {warning}
        return is_news

    def forget(self) -> None:
        """Drops the messages: one of them was forgotten."""
        self._sent = None
