"""The Store protocol: few verbs, each one transaction, the owner first in every one.

A store keeps trees of messages. It assigns identity, order and time; it decides nothing about what a model sees.
``tests/stores/conformance.py`` is what every store must pass.
"""

from __future__ import annotations

import secrets
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from anaphora.calls import Call, Spent
from anaphora.derived import BlockSummary, Candidate, Candidates, Cue, Fact, Learned, Unembedded, VectorRow
from anaphora.errors import ConfigError, ConversationBusy, InvalidMessage
from anaphora.message import Message, Status, Usage, valid_text
from anaphora.search.words import excerpt, searchable
from anaphora.tokens import Estimate
from anaphora.transcript import UNMEASURED, UNNAMED, ConversationInfo, Entry, Extent, Hit, Size


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose conversation, and which. It exists from the first time anything is written in it.

    ``is_named``: the program named the owner. Without a name, nobody knows whether two conversations are one person's, so none
    is told what was said in another.
    """

    owner: str
    conversation: str
    is_named: bool = field(default=True, compare=False)

    @property
    def facts_of(self) -> str:
        """The conversation that new facts belong to: this one, if nobody knows whose it is."""
        return "" if self.is_named else self.conversation

    def shows(self, fact: Fact) -> bool:
        """Tells whether a fact of the owner may be shown here: those of all conversations only where the owner is named."""
        return fact.conversation == self.conversation or (self.is_named and not fact.conversation)


_MOST_WORDS = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to append below ``parent``. The same ``key`` a second time gives the first one's entry and appends nothing."""

    parent: str | None
    message: Message
    status: Status = "complete"
    size: Size = UNMEASURED
    usage: Usage | None = None
    model: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """New words or a final status for a pending message; with ``head`` the conversation goes on from it, all at once.

    ``call`` is what it took, and is recorded with it.
    """

    message: Message
    status: Status
    size: Size = UNMEASURED
    usage: Usage | None = None
    model: str = ""
    head: bool = False
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: words, all of which a message must have; those in quotes in a row. In one conversation or in all."""

    text: str
    limit: int = 20
    conversation: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to a conversation until it expires; ``holder`` is a random word."""

    scope: Scope
    holder: str


def new_conversation_id() -> str:
    """An id for a conversation that nobody named."""
    return f"{UNNAMED}{secrets.token_hex(8)}"


def new_entry(draft: Draft, before: Extent, *, order: int) -> Entry:
    """The entry that a draft becomes: with an id of its own, and the time. ``before`` is the length of the branch it joins."""
    return Entry(
        id=f"msg_{secrets.token_hex(12)}",
        parent=draft.parent,
        order=order,
        message=draft.message,
        status=draft.status,
        size=draft.size,
        created=time.time(),
        usage=draft.usage,
        model=draft.model,
        key=draft.key,
        before=before,
    )


def changed(entry: Entry, change: Change) -> Entry:
    """A pending message with its next words or its end."""
    return replace(
        entry,
        message=change.message,
        status=change.status,
        size=change.size,
        usage=change.usage,
        model=change.model or entry.model,
    )


def restored(entry: Entry, before: Extent, *, order: int) -> Entry:
    """A message as it is put back: in its place among those that are there. Nobody writes at it any more."""
    status: Status = "interrupted" if entry.status == "pending" else entry.status
    return replace(entry, status=status, order=order, before=before)


def hit(conversation: ConversationInfo, entry: Entry, query: Query) -> Hit:
    """A message that a query found."""
    return Hit(conversation.id, conversation.title, entry, *excerpt(searchable(entry.message), query.text))


def checked_query(text: str, limit: int, conversation: str | None = None) -> Query:
    """What to look for. Raises InvalidMessage if that is nothing, ConfigError for a limit below 1."""
    if limit < 1:
        raise ConfigError(f"limit must be a whole number from 1, not {limit!r}.")
    if not str(text).strip():
        raise InvalidMessage("there is nothing to look for: give a word.")
    if len(text.split()) > _MOST_WORDS:
        raise InvalidMessage(f"that are more than {_MOST_WORDS} words: look for a few of them.")
    return Query(valid_text(text, "the search"), limit, conversation)


def checked_name(name: object, what: str) -> str:
    """The name of an owner or a conversation. Raises ConfigError if it is no text, blank, or has control characters."""
    if not isinstance(name, str):
        raise ConfigError(f"{what} must be a text, not {name!r}.")
    if not name.strip() or any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise ConfigError(f"{what} must have a visible character and no control characters, not {name!r}.")
    return name


def busy(scope: Scope) -> ConversationBusy:
    """The error for a conversation that somebody else writes to."""
    return ConversationBusy(
        f"the conversation {scope.conversation!r} is busy: it is being answered elsewhere. Try again when that has ended."
    )


class Store(Protocol):
    """Where conversations live, and what is derived from them. Raises only StoreError."""

    async def acquire(self, scope: Scope, /, *, seconds: float) -> Lease:
        """Become the one writer for ``seconds``. What a dead writer left ``pending`` turns ``interrupted`` now.

        Raises ConversationBusy while somebody else's lease runs.
        """
        ...

    async def renew(self, lease: Lease, /, *, seconds: float) -> None:
        """Hold on for ``seconds`` from now. Raises ConversationBusy if the lease was lost."""
        ...

    async def release(self, lease: Lease, /) -> None:
        """Let others write. A lease that was lost is let go silently."""
        ...

    async def append(self, scope: Scope, draft: Draft, /) -> Entry:
        """Add a message to the tree. Raises NotFound if the parent does not exist."""
        ...

    async def change(self, scope: Scope, message_id: str, change: Change, /) -> Entry:
        """Give a pending message its next words or its end. A message that has ended is never changed: StoreError."""
        ...

    async def measure(self, scope: Scope, message_id: str, size: Size, /) -> None:
        """Set the size of a message, as its model counts it. Raises NotFound."""
        ...

    async def move_head(self, scope: Scope, message_id: str | None, /) -> None:
        """Go on from this message, or from the very start. Raises NotFound."""
        ...

    async def branch(self, scope: Scope, message_id: str | None, /, *, reach: Extent | None = None) -> Sequence[Entry]:
        """The path from the root to a message, root first; empty for None. Raises NotFound.

        With ``reach`` only its end: back to the user's message with which it exceeds that in any measure.
        """
        ...

    async def children(self, scope: Scope, message_id: str | None, /) -> Sequence[Entry]:
        """What was appended below a message (or at the root), in order."""
        ...

    async def leaves(self, scope: Scope, /) -> Sequence[Entry]:
        """The last message of every branch, in order."""
        ...

    async def forget(self, scope: Scope, message_id: str, /) -> None:
        """Blank a message for good: its place in the tree stays, its words are nowhere any more. Raises NotFound.

        The same message in conversations that were forked from this one is blanked too, and all that was derived from it
        goes: summaries that cover it, its vectors, its part in the evidence of facts, and those that have no other.
        """
        ...

    async def delete(self, scope: Scope, /) -> None:
        """Remove a conversation with all its messages. Raises NotFound, and ConversationBusy while somebody writes."""
        ...

    async def transcript(self, scope: Scope, /) -> Sequence[Entry]:
        """Every message of the tree, in order."""
        ...

    async def restore(self, owner: str, info: ConversationInfo, entries: Sequence[Entry], /) -> int:
        """Put back a transcript, or add what is missing of it; gives how many messages were new. Parents come before children.

        A message with an id that is there already is left alone. The conversation goes on from ``info.head`` if it
        is new, or went on from a message before that. Raises ConversationBusy, and NotFound for a parent that is nowhere.
        """
        ...

    async def search(self, owner: str, query: Query, /) -> Sequence[Hit]:
        """The owner's messages that have all that the query asks for, newest first, on whichever branch."""
        ...

    async def info(self, scope: Scope, /) -> ConversationInfo:
        """What is known of the conversation."""
        ...

    async def describe(self, scope: Scope, /, *, title: str | None = None, system: str | None = None) -> None:
        """Set the title or the system prompt; None leaves it as it is."""
        ...

    async def conversations(self, owner: str, /) -> Sequence[ConversationInfo]:
        """The owner's conversations that have messages, most recently changed first."""
        ...

    async def candidates(self, owner: str, cue: Cue, /) -> Candidates:
        """The messages that have the rarest and most of a cue's words, or are named in it, as far as it reaches."""
        ...

    async def neighbours(self, owner: str, cue: Cue, anchors: Sequence[Candidate], /, *, steps: int) -> Sequence[Candidate]:
        """The messages up to so many steps before and after these on their branches, as far as the cue reaches."""
        ...

    async def summaries(self, scope: Scope, message_id: str | None, /) -> Sequence[BlockSummary]:
        """The summaries on the branch that ends with a message, in order."""
        ...

    async def keep_summary(self, scope: Scope, summary: BlockSummary, /, *, window: int, forgotten: int) -> bool:
        """Store a summary; False if anything was forgotten since the conversation's info had ``forgotten``.

        What it covers is let go of where the window, which begins after ``window`` messages, shows it already, and no other
        branch may need it.
        """
        ...

    async def facts(self, owner: str, /) -> Sequence[Fact]:
        """All facts of an owner, those superseded too, oldest first."""
        ...

    async def learn(
        self, owner: str, facts: Sequence[Learned], /, *, scope: Scope | None = None, order: int = 0
    ) -> Sequence[Fact]:
        """Keep facts, and note that a conversation has been learned from up to the message of that order.

        Gives what was kept. A fact whose evidence has been forgotten meanwhile is not; nor is evidence for one that is gone, was
        superseded, or never rested on any.
        """
        ...

    async def reword(self, owner: str, fact_id: str, text: str, /) -> None:
        """Give a fact other words, told by hand; the old ones are nowhere any more. Raises NotFound."""
        ...

    async def delete_fact(self, owner: str, fact_id: str, /) -> None:
        """Remove a fact and everything it superseded. Raises NotFound."""
        ...

    async def unembedded(self, owner: str, model: str, /, *, after: int, limit: int) -> Sequence[Unembedded]:
        """The newest messages that have no vectors of this model, of those with a number above ``after``."""
        ...

    async def keep_vectors(self, owner: str, model: str, rows: Sequence[VectorRow], /) -> None:
        """Store vectors of messages that still have words."""
        ...

    async def vectors(self, owner: str, model: str, /, *, after: int) -> Sequence[VectorRow]:
        """The vectors of this model with a place above ``after``, in order of their places."""
        ...

    async def record(self, owner: str, call: Call, /) -> None:
        """Note a call, and add it to its conversation's usage."""
        ...

    async def spent(self, owner: str, /, *, conversation: str | None = None, since: float = 0.0) -> Sequence[Spent]:
        """The calls since that time (seconds since 1970), taken together by day, model and purpose, in that order."""
        ...

    async def estimate(self, owner: str, model: str, /) -> Estimate | None:
        """How the tokens of a model were last estimated; None if they never were."""
        ...

    async def keep_estimate(self, owner: str, model: str, estimate: Estimate, /) -> None:
        """Keep what was learned of a model's tokens."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections."""
        ...
