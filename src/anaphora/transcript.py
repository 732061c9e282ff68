"""A stored message and where it stands in its conversation's tree."""

from __future__ import annotations

from dataclasses import dataclass, field

from anaphora.message import Message, Role, Status, Usage


@dataclass(frozen=True, slots=True)
class Size:
    """How long a message is, in tokens, and whose tokenizer counted them; an empty ``counter`` is an estimate."""

    tokens: int = 0
    counter: str = ""


_TITLE_LENGTH = 60
UNMEASURED = Size()


@dataclass(frozen=True, slots=True)
class Entry:
    """A message as the store keeps it.

    ``order`` is an integer per conversation and the only order there is; ``created`` (seconds since 1970) is for people.
    ``size`` is measured once, when the message is appended or ends, and again if a model with another tokenizer takes over.
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

    @property
    def tokens(self) -> int:
        """Its size in tokens."""
        return self.size.tokens

    @property
    def role(self) -> Role:
        """Who speaks."""
        return self.message.role

    @property
    def text(self) -> str:
        """What is said."""
        return self.message.text


def first_title(text: str) -> str:
    """What a conversation that begins with this message is called until somebody knows better: at most 60 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_LENGTH else f"{line[: _TITLE_LENGTH - 1].rstrip()}…"


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """What a store knows of a conversation beside its messages. ``system`` None means: the bot's own system prompt.

    ``usage`` is that of all its calls, also of answers that are on no branch any more.
    """

    id: str
    title: str
    head: str | None
    system: str | None
    created: float
    updated: float
    messages: int
    usage: Usage = field(default_factory=Usage)
