"""The Provider protocol: one request in, events out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from anaphora.errors import ConfigError
from anaphora.providers.models.card import Counter, ModelCard
from anaphora.tools.base import Tool
from anaphora.values.codec import Json
from anaphora.values.events import ProviderEvent
from anaphora.values.message import Message, Options
from anaphora.values.usage import Purpose


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model. A call for any purpose but ``answer`` runs in the background.

    ``stable``: the number of leading messages with which the next prompt begins as well; None means all of them. ``room``: the
    tokens that the context window leaves for the answer; None is unknown. ``schema``: the JSON schema of the answer.
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

    ``context_window``: in tokens. ``count``: an exact counter. ``system``: the default system prompt. ``small``: the model cannot
    be trusted with summaries or facts. ``one_at_a_time``: its calls wait for one another. ``card``: its abilities and prices.
    ``most_tools`` and ``longest_description`` (characters): its limits for tools.
    """

    context_window: int | None = None
    count: Counter | None = None
    system: str = ""
    small: bool = False
    one_at_a_time: bool = False
    card: ModelCard = field(default_factory=ModelCard)
    most_tools: int | None = None
    longest_description: int | None = None


class Provider(Protocol):
    """A source of answers. It raises only ProviderError and ConfigError."""

    @property
    def name(self) -> str:
        """The word before the colon in ``provider:model``."""
        ...

    async def prepare(self, model: str, /) -> ModelInfo:
        """Connects, loads the model if needed, and gives the facts about it. Only the first call does the work."""
        ...

    def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        """Yields the deltas of one answer, then exactly one Ended."""
        ...

    async def aclose(self) -> None:
        """Closes the connections."""
        ...


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The two parts of ``provider:model``; ``model`` may be empty."""

    provider: str
    model: str = ""

    def __str__(self) -> str:
        return f"{self.provider}:{self.model}" if self.model else self.provider


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Time limits in seconds: for a connection, for the first byte, between two pieces, for the whole answer."""

    connect: float = 10.0
    first_byte: float = 120.0
    between_chunks: float = 60.0
    total: float = 1_800.0

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        for name in ("connect", "first_byte", "between_chunks", "total"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigError(f"deadlines: {name} must be a number of seconds above 0, not {value!r}.")


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """The options for opening a provider; None takes the catalog's value.

    ``cards``: the user's own cards, by full name. ``headers`` go with every call. ``http_client``: the user's httpx2.AsyncClient,
    which the user closes.
    """

    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    deadlines: Deadlines | None = None
    context_window: int | None = None
    cards: Mapping[str, ModelCard] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    http_client: Any = None
