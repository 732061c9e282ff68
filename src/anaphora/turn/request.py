"""The task of a turn, and the parts that it works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anaphora.errors import AnaphoraError
from anaphora.memory.state import MemoryState
from anaphora.stores.run_records import NewRun
from anaphora.turn.bot import Bot
from anaphora.turn.events import EventLog
from anaphora.values.message import Image, Message, Options, ToolResult
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry

if TYPE_CHECKING:
    from anaphora.schema.shape import Shape


@dataclass(frozen=True, slots=True)
class Say:
    """A new message below the head, or ``below`` another message ("" is the very start).

    The messages ``above`` it are stored first.

    A message with a ``key`` is said once, however often it is requested.
    """

    text: str
    images: tuple[Image, ...] = ()
    key: str | None = None
    above: tuple[Message, ...] = ()
    below: str | None = None


@dataclass(frozen=True, slots=True)
class GiveResults:
    """The results of ``outside`` tools that the last answer calls, for the answer to go on with."""

    results: tuple[ToolResult, ...]
    above: tuple[Message, ...] = ()
    below: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A new message instead of an earlier one, on a branch of its own."""

    message: Entry
    text: str


@dataclass(frozen=True, slots=True)
class AnswerAgain:
    """Another answer to the last message, also to one whose answer failed."""


@dataclass(frozen=True, slots=True)
class Continue:
    """The rest of an answer that was cut."""


Task = Say | GiveResults | Edit | AnswerAgain | Continue


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """One task with the options of its answer.

    With a ``shape`` the answer must be of it. ``is_streamed``: words are shown as they come, so an answer that broke after its
    first word is not tried again. ``wait``: the seconds to wait for another writer. ``run``: the run of a server that it is.
    """

    task: Task
    options: Options = field(default_factory=Options)
    shape: Shape | None = None
    is_streamed: bool = True
    wait: float = 0.0
    run: NewRun | None = None

    @property
    def seed(self) -> str:
        """The part that the ids of all its messages have in common; empty if each has one of its own."""
        return "" if self.run is None else self.run.seed


class Stopping:
    """The wish to end a turn early: the user's, or a fault's."""

    def __init__(self) -> None:
        self._requested = False
        self._fault: AnaphoraError | None = None

    @property
    def requested(self) -> bool:
        """True once the turn is to end."""
        return self._requested

    @property
    def fault(self) -> AnaphoraError | None:
        """The fault that ends the turn; None if it is the user's wish."""
        return self._fault

    def request(self, fault: AnaphoraError | None = None) -> None:
        """Asks for the end. The first reason counts."""
        if not self._requested:
            self._requested, self._fault = True, fault


@dataclass(frozen=True, slots=True)
class TurnParts:
    """The parts that one turn works with; ``begun`` is its start by the monotonic clock, in seconds.

    ``settings`` are to be stored with the conversation; None leaves those that are. Where the turn fails before a word came,
    ``settings_before`` are stored again.
    """

    bot: Bot
    scope: Scope
    request: TurnRequest
    state: MemoryState
    events: EventLog
    begun: float
    stopping: Stopping = field(default_factory=Stopping)
    settings: Mapping[str, Any] | None = None
    settings_before: Mapping[str, Any] = field(default_factory=dict)
