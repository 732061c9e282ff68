"""The Provider protocol: one request in, events out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from anaphora.providers.models.card import Counter, ModelCard
from anaphora.tools.base import Tool
from anaphora.values.codec import Json
from anaphora.values.events import ProviderEvent
from anaphora.values.message import Message, Options
from anaphora.values.usage import Purpose


@dataclass(frozen=True, slots=True)
class Request:
    """One call: which model, what it sees, what the user set, and what it is for. All but answers are asked in the background.

    So many messages are ``stable``: the next prompt of the conversation begins with them as well. None: all of them. ``room`` is
    what the context window leaves for the answer, in tokens; None is unknown. ``schema`` is the JSON schema of the answer.
    """

    model: str
    messages: tuple[Message, ...]
    options: Options = field(default_factory=Options)
    purpose: Purpose = "answer"
    stable: int | None = None
    room: int | None = None
    tools: tuple[Tool, ...] = ()
    schema: Json | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A provider's knowledge of a model; None is unknown.

    ``context_window`` in tokens; ``count`` an exact counter; ``system`` the prompt this model does best with, for who sets none.
    ``small``: it cannot be trusted with summaries or facts. ``one_at_a_time``: a second call would make the first wait.
    ``card`` says what it can and what it costs.
    """

    context_window: int | None = None
    count: Counter | None = None
    system: str = ""
    small: bool = False
    one_at_a_time: bool = False
    card: ModelCard = field(default_factory=ModelCard)


class Provider(Protocol):
    """Answers. Raises only ProviderError and ConfigError."""

    @property
    def name(self) -> str:
        """The word before the colon in ``provider:model``."""
        ...

    async def prepare(self, model: str, /) -> ModelInfo:
        """Connect, load what must be loaded, and tell what is known of the model. May be called often; the first call works."""
        ...

    def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        """Answer once: yield deltas, then exactly one Ended."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRef:
    """``provider:model`` taken apart; ``model`` may be empty."""

    provider: str
    model: str = ""

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}" if self.model else self.provider


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The times to wait, in seconds: for a connection, for the first byte, between two pieces, for the whole answer."""

    connect: float = 10.0
    first_byte: float = 120.0
    between_chunks: float = 60.0
    total: float = 1_800.0


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """The options with which a provider is opened; None takes the catalog's. ``cards`` are the user's own, by full name.

    ``headers`` go with every call. ``http_client`` is an httpx2.AsyncClient of the user's own, which the user closes.
    """

    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    deadlines: Deadlines | None = None
    context_window: int | None = None
    cards: Mapping[str, ModelCard] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    http_client: Any = None
