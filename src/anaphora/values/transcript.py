"""A stored message and where it stands in its conversation's tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anaphora.values.message import Message, Role, Status, Usage


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a message in tokens, and the tokenizer that counted them; an empty ``counter`` is an estimate."""

    tokens: int = 0
    counter: str = ""


@dataclass(frozen=True, slots=True)
class Extent:
    """A length of a branch: messages, turns (messages of the user), tokens."""

    messages: int = 0
    turns: int = 0
    tokens: int = 0

    def __add__(self, other: Extent) -> Extent:
        return Extent(self.messages + other.messages, self.turns + other.turns, self.tokens + other.tokens)

    def exceeds(self, other: Extent) -> bool:
        """True if it is more than the other in any measure."""
        return self.messages > other.messages or self.turns > other.turns or self.tokens > other.tokens


UNMEASURED = Size()
START = Extent()
TITLE_LENGTH = 60
_YEAR_10000 = 253_402_214_400
# What the id of a conversation begins with that nobody named.
UNNAMED = "conv_"


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as the store keeps it.

    ``order`` is an integer per conversation and the only order there is; ``created`` (seconds since 1970) is for people.
    ``size`` is measured once, when the message is appended or ends, and again if a model with another tokenizer takes over.
    ``before`` is how much of its branch lies before it, as it was measured when the message was appended: a ruler that
    never changes, by which a window finds its cut without reading the branch from its start.
    """

    id: str
    parent: str | None
    order: int
    message: Message
    status: Status
    size: Size
    created: float
    usage: Usage | None = None
    model: str = ""
    key: str | None = None
    before: Extent = START

    @property
    def extent(self) -> Extent:
        """The length that it adds to its branch."""
        return Extent(1, int(self.starts_turn), self.size.tokens)

    @property
    def starts_turn(self) -> bool:
        """True if a window may begin with it."""
        return self.message.role == "user"

    @property
    def tokens(self) -> int:
        """Its size in tokens."""
        return self.size.tokens

    @property
    def role(self) -> Role:
        """The role of its speaker."""
        return self.message.role

    @property
    def text(self) -> str:
        """The words of the message."""
        return self.message.text


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole conversation: what is known of it, and every message of its tree, parents before children."""

    info: ConversationInfo
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that a search found: where it is, the part of it around what was looked for, and where that stands there."""

    conversation: str
    title: str
    entry: Entry
    excerpt: str
    marks: tuple[tuple[int, int], ...] = ()


def is_time(value: float) -> bool:
    """True if seconds since 1970 can be shown as a date up to the year 9999."""
    return 0 <= value < _YEAR_10000


def first_title(conversation: str, text: str) -> str:
    """Gives the first title of a conversation that begins with this text: its name, else the first words."""
    return shortened(text if conversation.startswith(UNNAMED) else conversation)


def shortened(text: str) -> str:
    """The text on one line, cut to 60 characters."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_LENGTH else f"{line[: TITLE_LENGTH - 1].rstrip()}…"


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """A store's knowledge of a conversation beside its messages. ``system`` None means the bot's own system prompt.

    ``usage`` is that of all its calls, also of answers that are on no branch any more. ``learned`` is the order of the message
    up to which facts have been learned from it, ``forgotten`` how many messages of it have been. ``model`` is the conversation's
    own; empty means the bot's. ``settings`` are the options that it was answered with last in this program, keys never.
    """

    id: str
    title: str
    head: str | None
    system: str | None
    created: float
    updated: float
    messages: int
    usage: Usage = field(default_factory=Usage)
    learned: int = 0
    forgotten: int = 0
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
