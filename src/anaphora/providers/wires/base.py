"""The Wire protocol: a provider's dialect as pure code, testable from recorded bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from anaphora.errors import StreamInterrupted
from anaphora.providers.base import Request
from anaphora.providers.wires.failures import Answerer, unreadable
from anaphora.tools.base import Tool
from anaphora.values.codec import Json
from anaphora.values.events import ProviderEvent

# Sent before a greeting of the assistant, for services whose conversations begin with the user.
ASSISTANT_FIRST = "(The assistant speaks first.)"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request to POST: the path below the base URL, extra headers, the body."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class CatalogRequest:
    """A small JSON question: a path below the base URL (or a whole URL), and a body if it is POSTed."""

    path: str
    body: Json | None = None


class WireDecoder(Protocol):
    """Reads one answer. Raises ProviderError for an error inside it."""

    def feed(self, data: str, /) -> Sequence[ProviderEvent]:
        """One event's data (or one line, or a whole JSON body) in, events out. ``Ended`` is kept back for ``end``."""
        ...

    def end(self) -> Sequence[ProviderEvent]:
        """Gives the events that were held back, then ``Ended``. Raises StreamInterrupted if the answer was not complete."""
        ...


class Wire(Protocol):
    """A dialect. ``framing``: its answers are server-sent events, or lines of JSON.

    ``embeddings`` is the path for them. ``sets_window``: the context window is said with every request, so the server is asked
    for it although the catalog may know what the model was made for.
    """

    framing: Literal["events", "lines"]
    embeddings: str
    sets_window: bool

    def headers(self, key: str) -> Mapping[str, str]:
        """Gives the headers of every request, with the key."""
        ...

    def encode(self, request: Request, /) -> WireRequest:
        """The request as this dialect writes it."""
        ...

    def decoder(self) -> WireDecoder:
        """A reader for one answer."""
        ...

    def models(self) -> CatalogRequest:
        """Gives the request for the list of models."""
        ...

    def offered(self, answer: Json) -> Mapping[str, int | None]:
        """Their names and, where it is said, their context windows in tokens. Raises KeyError or TypeError."""
        ...

    def about(self, model: str, base_url: str) -> Sequence[CatalogRequest]:
        """Gives the requests that tell a model's context window where the catalog does not know it, best first."""
        ...

    def window(self, model: str, answer: Json) -> int | None:
        """The context window in the answer to one of these questions."""
        ...


def function_tool(tool: Tool, parameters: Json | None = None, **more: Any) -> Json:
    """A tool as OpenAI and Ollama write it."""
    function = {"name": tool.name, "description": tool.description, "parameters": parameters or tool.parameters, **more}
    return {"type": "function", "function": function}


def named_models(items: Any, *, name: str, window: Sequence[str] = ()) -> dict[str, int | None]:
    """Names and windows from a list of objects, each under the first of these keys that is there."""
    found: dict[str, int | None] = {}
    for item in items:
        sizes = (item.get(key) for key in window)
        found[str(item[name])] = next((size for size in sizes if type(size) is int and size > 0), None)
    return found


@dataclass(slots=True)
class Counts:
    """Token counts as they come in, each the newest that was reported."""

    values: dict[str, int] = field(default_factory=dict)

    def read(self, usage: Any, **names: str) -> None:
        """Take what is a positive number under the given names."""
        if isinstance(usage, Mapping):
            for ours, theirs in names.items():
                value = usage.get(theirs)
                if type(value) is int and value >= 0:
                    self.values[ours] = value

    def __getitem__(self, name: str) -> int:
        return self.values.get(name, 0)


def json_chunk(who: Answerer, data: str, *, began: bool) -> Json:
    """The object in a piece. Raises StreamInterrupted if the answer ``began`` before, else UnreadableAnswer."""
    value = json_value(who, data, began=began)
    if not isinstance(value, dict):
        raise unreadable(who, "", data.encode("utf-8", "replace"))
    return value


def json_value(who: Answerer, data: str, *, began: bool) -> Any:
    """Whatever JSON is in a piece. Raises as ``json_chunk`` does."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        if began:
            raise StreamInterrupted(
                f"{who.provider}: the answer was cut in the middle of a piece ({data[:80]!r}). Try again.", provider=who.provider
            ) from None
        raise unreadable(who, "", data.encode("utf-8", "replace")) from None


def broken_off(who: Answerer) -> StreamInterrupted:
    """The error for an answer whose end did not come."""
    return StreamInterrupted(f"{who.provider}: the answer broke off before its end. Try again.", provider=who.provider)


def arguments_object(text: str) -> Json:
    """The object that a model's text is; what is none is put into one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return value if isinstance(value, dict) else {"arguments": value}
