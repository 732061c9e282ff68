"""Writes the messages of one turn into the store as they come: a crash loses the words of one flush interval (Timing.flush)."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count

import anyio

from anaphora.errors import MessageEnded
from anaphora.stores.base import Store
from anaphora.stores.records import Change, Draft, Lease
from anaphora.stores.run_records import output_id
from anaphora.turn.prepare import Prepared
from anaphora.values.draft import AnswerDraft
from anaphora.values.events import Delta, TextDelta
from anaphora.values.message import Message, Status, Text, Usage
from anaphora.values.transcript import Entry, Size
from anaphora.values.usage import Call


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a message. ``is_last``: the turn ends with it. ``moves_head``: the next turn continues from it."""

    message: Message
    status: Status
    size: Size
    usage: Usage | None = None
    call: Call | None = None
    is_last: bool = False
    moves_head: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of a message in the tree, and its id if that is known before."""

    parent: str | None
    id: str = ""


class Record:
    """The message that is being written, one at a time. It is stored when it is first flushed or when it ends."""

    def __init__(self, store: Store, lease: Lease, seed: str = "") -> None:
        self._store = store
        self._lease = lease
        self._prepared: Prepared | None = None
        self._seed = seed
        self._places = count()
        self._place: _Place | None = None
        self._entry: Entry | None = None
        self._written: Message | None = None
        self._draft = AnswerDraft()
        self._results: Message | None = None
        self._first_at: float | None = None
        self._released = False
        # A flush that is under way must be known to the end of the same message.
        self._writing = anyio.Lock()

    @property
    def prepared(self) -> Prepared | None:
        """The model that is asked now, with its context."""
        return self._prepared

    @property
    def first_at(self) -> float | None:
        """The time of the first word of the turn, in seconds of the monotonic clock."""
        return self._first_at

    @property
    def released(self) -> bool:
        """True when the lease was given back with the last message."""
        return self._released

    @property
    def message(self) -> Message:
        """The message so far."""
        return self._results or self._draft.message()

    @property
    def is_open(self) -> bool:
        """True while a message is being written."""
        return self._place is not None

    @property
    def id(self) -> str:
        """The id of the message, if it is known before it is stored."""
        return "" if self._place is None else self._place.id

    @property
    def has_words(self) -> bool:
        """True if the model has said or thought anything."""
        return bool(self._draft)

    def begin_answer(self, parent: Entry, prepared: Prepared) -> None:
        """Begins an answer to ``parent``."""
        self._begin(parent)
        self._prepared = prepared

    def begin_results(self, answer: Entry) -> None:
        """Begins the results of the tools that an answer calls."""
        self._begin(answer)
        self._results = Message("tool", ())

    def add(self, event: Delta) -> None:
        """Adds words of the answer."""
        if self._first_at is None:
            self._first_at = time.monotonic()
        self._draft.add(event)

    def drop(self, prepared: Prepared) -> Message:
        """Begins the answer anew, perhaps by another model. Gives what there was of it."""
        lost, self._draft, self._prepared = self._draft, AnswerDraft(), prepared
        return lost.message()

    def drop_calls(self) -> None:
        """Keeps only the text of an answer whose tool calls are not run."""
        said, self._draft = self._draft, AnswerDraft()
        for part in said.message().parts:
            if isinstance(part, Text) and part.text:
                self._draft.add(TextDelta(part.text))

    def set_results(self, message: Message) -> None:
        """Replaces the results of the tools so far."""
        self._results = message

    async def flush(self) -> None:
        """Stores the message as it is now. Raises StoreError; MessageEnded if another writer has ended it."""
        async with self._writing:
            await self._flush()

    async def _flush(self) -> None:
        message = self.message
        if self._place is None or message == self._written or not message.parts:
            return
        # An estimate: a crash may make this the last state of the message.
        model = self._prepared.model if self._prepared else None
        size = Size(model.estimate.count(message)) if model else Size()
        if self._entry is None:
            named = str(model or "") if message.role == "assistant" else ""
            draft = Draft(self._place.parent, message, "pending", size, model=named, id=self._place.id)
            self._entry = await self._store.append(self._lease.scope, draft)
        else:
            await self._store.change(self._lease.scope, self._entry.id, Change(message, "pending", size, since=self._written))
        self._written = message

    async def end(self, ending: Ending) -> Entry:
        """Stores the end of the message, and gives the lease back with the last one. Raises StoreError."""
        async with self._writing:
            draft, entry = self._final_draft(ending), self._entry
            self._place, self._entry, self._results = None, None, None
            self._released = ending.is_last
            try:
                if entry is None:
                    return await self._store.append(self._lease.scope, draft)
                return await self._change(entry, draft)
            except BaseException:
                self._released = False
                raise

    def _final_draft(self, ending: Ending) -> Draft:
        model = str(self._prepared.model) if self._prepared and ending.message.role == "assistant" else ""
        place = self._place or _Place(None)
        return Draft(
            place.parent,
            ending.message,
            ending.status,
            ending.size,
            ending.usage,
            model,
            head=ending.moves_head,
            call=ending.call,
            release=self._lease if ending.is_last else None,
            id=place.id,
        )

    async def _change(self, entry: Entry, draft: Draft) -> Entry:
        change = Change(
            draft.message,
            draft.status,
            draft.size,
            draft.usage,
            model=draft.model,
            head=draft.head,
            call=draft.call,
            release=draft.release,
        )
        try:
            return await self._store.change(self._lease.scope, entry.id, change)
        except MessageEnded:
            # Another writer took over and ended this message.
            with suppress(MessageEnded):
                return await self._store.change(
                    self._lease.scope, entry.id, replace(change, head=False, call=None, release=None, resumes=True)
                )
            # It has other words now; the whole of this one is kept beside it.
            return await self._store.append(self._lease.scope, replace(draft, id="", head=False, call=None, release=None))

    def _begin(self, parent: Entry) -> None:
        place = next(self._places)
        self._place = _Place(parent.id, output_id(self._seed, place) if self._seed else "")
        self._entry, self._written = None, None
        self._draft, self._results = AnswerDraft(), None
