"""The times of a turn: the flush interval, the lease, and the pauses of background work."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of a turn, in seconds.

    ``flush``: an answer is written down so often while it comes. ``lease``: so long a lease runs. ``poll``: a busy conversation
    is tried again so often. ``quiet`` and ``title``: background work and the request for a title wait so long after an answer,
    so that a quick follow-up does not find a model busy that does one thing at a time.
    """

    flush: float = 0.5
    lease: float = 30.0
    poll: float = 0.05
    quiet: float = 0.5
    title: float = 2.0
