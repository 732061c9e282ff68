"""The values that a store takes and gives, and the rules that make them."""

from __future__ import annotations

import secrets
import time
import unicodedata
from dataclasses import dataclass, replace

from anaphora.errors import ConfigError, ConversationBusy, InvalidMessage
from anaphora.values.message import Message, Status, Usage, valid_text
from anaphora.values.scope import Scope
from anaphora.values.transcript import UNMEASURED, UNNAMED, ConversationInfo, Entry, Extent, Hit, Size
from anaphora.values.usage import Call

_MOST_WORDS = 100


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to a conversation until it expires; ``holder`` is a random word."""

    scope: Scope
    holder: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to append below ``parent``, or below the head if ``at_head``.

    A ``key`` that is known gives the entry of the first message with it, and appends nothing. ``title`` is given to a
    conversation that has none. With ``head`` the conversation continues from the message, ``call`` is recorded with it, and
    the lease ``release`` is given back: all in one transaction. ``id`` is its own id, a new one if it is empty. The messages
    ``above`` it, in their order, are appended first.
    """

    parent: str | None
    message: Message
    status: Status = "complete"
    size: Size = UNMEASURED
    usage: Usage | None = None
    model: str = ""
    key: str | None = None
    at_head: bool = False
    title: str = ""
    head: bool = False
    call: Call | None = None
    release: Lease | None = None
    id: str = ""
    above: tuple[Draft, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """New words or a final status for a pending message. ``head``, ``call`` and ``release`` as in a Draft.

    ``since`` is what of the message was stored last: a store may write only what was added. With ``resumes`` a message that
    another writer took for interrupted may be completed by its own writer.
    """

    message: Message
    status: Status
    size: Size = UNMEASURED
    usage: Usage | None = None
    model: str = ""
    head: bool = False
    call: Call | None = None
    release: Lease | None = None
    since: Message | None = None
    resumes: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """The lease of a turn, and its first message if there is one."""

    lease: Lease
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A search: all its words must be in a message; quoted words in a row. In one conversation or in all."""

    text: str
    limit: int = 20
    conversation: str | None = None


def new_conversation_id() -> str:
    """An id for a conversation that nobody named."""
    return f"{UNNAMED}{secrets.token_hex(8)}"


def new_entry(draft: Draft, before: Extent, *, order: int) -> Entry:
    """The entry that a draft becomes: with an id of its own, and the time. ``before`` is the length of the branch it joins."""
    return Entry(
        id=draft.id or f"msg_{secrets.token_hex(12)}",
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
    from anaphora.search.words import excerpt, searchable

    return Hit(conversation.id, conversation.title, entry, *excerpt(searchable(entry.message), query.text))


def checked_limit(limit: object) -> int:
    """A number of things to give. Raises ConfigError for anything else."""
    if type(limit) is not int or limit < 1:
        raise ConfigError(f"limit must be a whole number from 1, not {limit!r}.")
    return limit


def checked_query(text: object, limit: int, conversation: str | None = None) -> Query:
    """Makes a query. Raises InvalidMessage if there are no words, ConfigError for a limit below 1."""
    checked_limit(limit)
    if not isinstance(text, str) or not text.strip():
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
