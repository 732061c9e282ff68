"""The Wire protocol: a provider's dialect as pure code, testable from recorded bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from anaphora.events import ProviderEvent
from anaphora.providers.base import Request


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What to POST: the path below the base URL, extra headers, the body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class WireDecoder(Protocol):
    """Reads one answer. Raises ProviderError for an error inside it."""

    def feed(self, data: str, /) -> Sequence[ProviderEvent]:
        """The data of one server-sent event (or a whole JSON body) in, events out. ``Ended`` is kept back for ``end``."""
        ...

    def end(self) -> Sequence[ProviderEvent]:
        """What was kept back, ``Ended`` last. Raises StreamInterrupted if the answer was not complete."""
        ...


class Wire(Protocol):
    """A dialect."""

    def encode(self, request: Request, /) -> WireRequest:
        """The request as this dialect writes it."""
        ...

    def decoder(self) -> WireDecoder:
        """A reader for one answer."""
        ...
