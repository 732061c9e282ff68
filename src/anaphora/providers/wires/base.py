"""The Wire protocol: a provider's dialect as pure code, testable from recorded bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from anaphora.errors import StreamInterrupted
from anaphora.providers.base import Request
from anaphora.providers.wires.failures import Answerer, unreadable
from anaphora.values.codec import Json
from anaphora.values.events import ProviderEvent

# More tokens than any call has: a larger count is a mistake of the service.
MOST_TOKENS = 10**9
# The largest events without and with a picture, in bytes.
MOST_TEXT_EVENT = 1 << 20
MOST_PICTURE_EVENT = 32 << 20
# Sent before a greeting of the assistant, for services whose conversations must begin with the user.
ASSISTANT_FIRST = "(The assistant speaks first.)"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request to POST: the path below the base URL, extra headers, the body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class CatalogRequest:
    """A small JSON request: a path below the base URL (or a whole URL), and a body for a POST."""

    path: str
    body: Json | None = None


class WireDecoder(Protocol):
    """A reader of one answer. It raises ProviderError for an error inside the answer."""

    def feed(self, data: str, /) -> Sequence[ProviderEvent]:
        """Reads one event's data (or one line, or a whole JSON body) and gives its events. ``Ended`` waits for ``end``."""
        ...

    def end(self) -> Sequence[ProviderEvent]:
        """Gives the held events, then ``Ended``. Raises StreamInterrupted if the answer is not complete."""
        ...


class Wire(Protocol):
    """A dialect. ``framing``: its answers are server-sent events, or lines of JSON.

    ``most_event_bytes``: the largest event, with a picture where the dialect carries pictures. ``embeddings``: the path for
    embeddings. ``sets_window``: every request sets the context window, so the server is asked for it even if the catalog knows
    the model's own.
    """

    framing: Literal["events", "lines"]
    most_event_bytes: int
    embeddings: str
    sets_window: bool

    def headers(self, key: str) -> Mapping[str, str]:
        """Gives the headers of every request, with the key."""
        ...

    def encode(self, request: Request, /) -> WireRequest:
        """Gives the request as this dialect writes it."""
        ...

    def decoder(self) -> WireDecoder:
        """Gives a reader for one answer."""
        ...

    def models(self) -> CatalogRequest:
        """Gives the request for the list of models."""
        ...

    def offered(self, answer: Json) -> Mapping[str, int | None]:
        """Reads the models' names and context windows in tokens (None if not said). Raises KeyError or TypeError."""
        ...

    def about(self, model: str, base_url: str) -> Sequence[CatalogRequest]:
        """Gives the requests that tell a model's context window, best first."""
        ...

    def window(self, model: str, answer: Json) -> int | None:
        """Reads the context window from the answer to one of these requests, in tokens; None if it is not there."""
        ...


def named_models(items: Any, *, name: str, window: Sequence[str] = ()) -> dict[str, int | None]:
    """Reads names and windows from a list of objects; of the keys in ``window`` the first that is there counts."""
    found: dict[str, int | None] = {}
    for item in items:
        sizes = (item.get(key) for key in window)
        found[str(item[name])] = next((size for size in sizes if type(size) is int and size > 0), None)
    return found


def token_count(value: Any) -> int | None:
    """Gives a count of tokens; None for a value that is none, or that no call can have."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def name_text(value: Any) -> str:
    """Gives an id or a name as text: some services write numbers. Any other value is empty."""
    return value if isinstance(value, str) else str(value) if type(value) is int else ""


@dataclass(slots=True)
class Counts:
    """The token counts of one answer. The largest report counts: a later one never takes back tokens that were used."""

    values: dict[str, int] = field(default_factory=dict)

    def read(self, usage: Any, **names: str) -> None:
        """Takes the counts under the given names; ignores other values."""
        if isinstance(usage, Mapping):
            for ours, theirs in names.items():
                value = token_count(usage.get(theirs))
                if value is not None:
                    self.values[ours] = max(value, self.values.get(ours, 0))

    def __getitem__(self, name: str) -> int:
        return self.values.get(name, 0)


def json_chunk(who: Answerer, data: str, *, began: bool) -> Json:
    """Parses the object in a piece. Raises StreamInterrupted if the answer ``began`` before, else UnreadableAnswer."""
    value = json_value(who, data, began=began)
    if not isinstance(value, dict):
        raise unreadable(who, "", data.encode("utf-8", "replace"))
    return value


def json_value(who: Answerer, data: str, *, began: bool) -> Any:
    """Parses any JSON value in a piece. Raises as ``json_chunk`` does."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        if began:
            raise StreamInterrupted(
                f"{who.provider}: the answer was cut in the middle of a piece ({data[:80]!r}). Try again.", provider=who.provider
            ) from None
        raise unreadable(who, "", data.encode("utf-8", "replace")) from None


def broken_off(who: Answerer) -> StreamInterrupted:
    """Gives the error for an answer without an end."""
    return StreamInterrupted(f"{who.provider}: the answer broke off before its end. Try again.", provider=who.provider)
