"""Runs as a store takes and gives them: turns of a server, each with an id and a durable event log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anaphora.values.message import Status

# Readers may have seen so many events that were never stored: the log of a dead process goes on beyond them.
GAP = 10_000
# A process is believed to live for so many seconds after it was last heard of.
HELD_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that begins. ``request`` is what its response repeats, as JSON can hold it.

    ``fingerprint`` is a hash of the whole request, ``key`` the client's own name for it, ``holder`` the process that runs it,
    ``created`` its start in seconds since 1970.
    """

    id: str
    holder: str
    request: Mapping[str, Any]
    created: float
    fingerprint: str = ""
    key: str | None = None

    @property
    def seed(self) -> str:
        """The part of its id that its messages' ids have too."""
        return seed_of(self.id)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is stored. Its status is that of its turn: ``pending`` while it runs.

    ``message`` is the message that it answers, ``base`` the one that it goes on from. ``result`` holds its usage, finish reason,
    report and error, as JSON. ``allowed`` are the answers to its questions, by the id of the tool call.
    """

    id: str
    conversation: str
    message: str | None
    base: str | None
    status: Status
    created: float
    ended: float | None
    holder: str
    expires: float
    stop: bool
    allowed: Mapping[str, bool] = field(hash=False)
    request: Mapping[str, Any] = field(hash=False)
    result: Mapping[str, Any] = field(hash=False)
    fingerprint: str = ""
    key: str | None = None
    chain: str | None = None

    @property
    def seed(self) -> str:
        """The part of its id that its messages' ids have too."""
        return seed_of(self.id)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run: its status, what its response tells of it, and the hash of its branch if lists are recognised."""

    status: Status
    result: Mapping[str, Any]
    chain: str | None = None


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of one run in a row: the number of the first, and each as JSON text."""

    owner: str
    run: str
    number: int
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """A wish for a run of this process: to stop, or answers to its questions."""

    owner: str
    run: str
    stop: bool
    allowed: Mapping[str, bool] = field(hash=False)


def seed_of(run_id: str) -> str:
    """Gives the part of a run's id that its messages' ids have too."""
    return run_id.partition("_")[2]


def input_id(seed: str, place: int) -> str:
    """Gives the id of a message that a run was given; ``place`` counts from 0."""
    return f"msg_{seed}a{place:02x}"


def output_id(seed: str, place: int) -> str:
    """Gives the id of a message that a run says; ``place`` counts from 0."""
    return f"msg_{seed}b{place:02x}"
