"""One turn: the user's message made durable, a context planned, the answer streamed and kept, exactly one final status.

It runs in a task of its own, so neither a slow reader nor a closed connection decides what becomes of the answer.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import anyio

from anaphora.answering import Answering, estimated_usage
from anaphora.calls import Call
from anaphora.errors import ConfigError, ConversationBusy, InvalidMessage, MessageEnded, ProviderError, StoreError
from anaphora.events import Finished, TextDelta
from anaphora.message import Image, Message, Options, Status, Text, Usage
from anaphora.reply import Mailbox
from anaphora.setup import Setup
from anaphora.stores.base import Change, Draft, Lease, Scope, busy
from anaphora.tasks import Post, alongside, spawn
from anaphora.title import retitle
from anaphora.transcript import Entry, Size, first_title
from anaphora.upkeep import Upkeep

_LEASE_SECONDS = 30.0
_FLUSH_SECONDS = 0.5
_BUSY_POLL_SECONDS = 0.05
# Whoever says the next thing sooner is not to meet the model busy with anything else.
_QUIET_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Ask:
    """What the turn is about: new words below the head, or (``again``) a user message that is already there.

    ``instead`` of a message: the new words become its sibling, on a branch of their own; ``below`` one: they follow it,
    wherever the head is. ``key``: said once, however often
    it is asked.

    ``buffered``: nothing is shown before the end, so a stream that broke may be tried again. ``wait``: seconds to
    wait for another writer.
    """

    text: str = ""
    images: tuple[Image, ...] = ()
    again: Entry | None = None
    instead: Entry | None = None
    below: Entry | None = None
    key: str | None = None
    options: Options = field(default_factory=Options)
    buffered: bool = False
    wait: float = 0.0


class Turn:
    """A turn in its own task. ``done`` is set when everything about it is stored and the conversation is free again.

    What is due afterwards is done in the background: ``ended`` is set when nothing of it runs any more.
    """

    def __init__(self, setup: Setup, scope: Scope, ask: Ask, mailbox: Mailbox, upkeep: Upkeep, after: Turn | None = None) -> None:
        self.done = anyio.Event()
        self.ended = anyio.Event()
        self.stopping = False
        self._setup = setup
        self._scope = scope
        self._ask = ask
        self._mailbox = mailbox
        self._upkeep = upkeep
        self._after = after
        self._cancel = anyio.CancelScope()
        self._background = anyio.CancelScope()
        self._title = anyio.CancelScope()
        self._answered: Entry | None = None
        self._answering = Answering(setup, scope, ask.options, mailbox, upkeep, show=not ask.buffered)
        self._begun = time.monotonic()
        self._pending: Entry | None = None
        self._lost: ConversationBusy | None = None
        self._post: Post = spawn(self._run)

    def stop(self) -> None:
        """End the turn soon, keeping what came. From any thread."""
        self.stopping = True
        self._post(self._cancel.cancel)

    def stop_background(self) -> None:
        """Let go of what is done after the answer. From any thread."""
        self._post(self._background.cancel)

    async def make_way(self) -> None:
        """Let go of what is done after the answer as far as it would delay the next one."""
        self._title.cancel()
        with suppress(ConfigError, ProviderError):
            if not self.ended.is_set() and (await self._answering.setup.model.prepare()).one_at_a_time:
                self._background.cancel()

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            with self._cancel:
                await self._locked()
        except Exception as caught:  # noqa: BLE001 -- handed to the reader, whoever raised it
            error = caught
        finally:
            error = error or self._lost
            if error is None and self._mailbox.answer is None:
                self._report_nothing()
            self.done.set()
            self._mailbox.close(error)
            try:
                await self._afterwards()
            finally:
                self._answering.context = None
                self.ended.set()

    async def _afterwards(self) -> None:
        """What is due after an answer was given, and may delay nobody."""
        answer, setup = self._mailbox.answer, self._answering.setup
        context, budget = self._answering.context, self._answering.budget
        if context is None or budget is None or self._answered is None or answer is None:
            return
        # Whatever fails here, the answer is given and stored.
        with self._background, suppress(Exception):
            if (await setup.model.prepare()).one_at_a_time:
                await anyio.sleep(_QUIET_SECONDS)
            await self._upkeep.run(setup, self._scope, self._answered.id, budget)
            if setup.titles and answer.status == "complete":
                with self._title:
                    await retitle(setup.spending, setup.model, self._scope, (*context.messages, answer.message))

    async def _locked(self) -> None:
        store = self._setup.store
        await self._in_line()
        lease = await self._acquire()
        try:
            await alongside(partial(self._keep, lease), self._answer)
        finally:
            with anyio.CancelScope(shield=True):
                await store.release(lease)

    async def _in_line(self) -> None:
        """Turns of one conversation object go in the order they were begun; one that was left early is waited for."""
        before = self._after
        self._after = None
        if before is not None:
            await before.make_way()
        if before is None or before.done.is_set():
            return
        if not before.stopping and not self._ask.wait:
            raise ConversationBusy(
                "the answer before is still being written: read it to its end, close its reply, or pass wait=SECONDS."
            )
        with anyio.move_on_after(None if before.stopping else self._ask.wait):
            await before.done.wait()

    async def _acquire(self) -> Lease:
        end = time.monotonic() + self._ask.wait
        while True:
            try:
                return await self._setup.store.acquire(self._scope, seconds=_LEASE_SECONDS)
            except ConversationBusy:
                if time.monotonic() >= end:
                    raise
            await anyio.sleep(_BUSY_POLL_SECONDS)

    async def _answer(self) -> None:
        store, answering = self._setup.store, self._answering
        with anyio.CancelScope(shield=True):
            await self._setup.calibrate(self._scope.owner)
            user = self._ask.again or await self._append_user()
        if self._ask.key is not None and await self._already_answered(user):
            return
        context = await answering.plan(user)
        draft = Draft(user.id, Message("assistant", ()), status="pending", model=str(answering.setup.model))
        self._pending = pending = await store.append(self._scope, draft)
        outcome: Exception | None = None
        stopped = True
        try:
            await answering.run(user, context)
            stopped = False
        except Exception as error:
            # Also a provider that breaks its contract must not break the transcript.
            outcome, stopped = error, False
            raise
        finally:
            self._pending = None
            with anyio.CancelScope(shield=True):
                await self._finish(pending, outcome, stopped=stopped)

    async def _append_user(self) -> Entry:
        """The user's words, durable before anything else; connecting and counting exactly come after."""
        message = Message("user", (*self._ask.images, Text(self._ask.text)))
        store = self._setup.store
        info = await store.info(self._scope)
        size = Size(self._setup.model.estimate.count(message))
        parent = info.head
        if self._ask.instead is not None:
            parent = self._ask.instead.parent
        if self._ask.below is not None:
            parent = self._ask.below.id
        user = await store.append(self._scope, Draft(parent, message, size=size, key=self._ask.key))
        if user.message != message:
            raise InvalidMessage(f"the key {self._ask.key!r} belongs to another message: take a new one for each.")
        if not info.title:
            await store.describe(self._scope, title=first_title(self._scope.conversation, self._ask.text))
        return user

    async def _already_answered(self, user: Entry) -> bool:
        """Give the answer that is there, if this message was said and answered before."""
        answers = await self._setup.store.children(self._scope, user.id)
        answer = next((entry for entry in answers if entry.status in {"complete", "stopped"} and entry.message.parts), None)
        if answer is None:
            return False
        if answer.text and not self._ask.buffered:
            self._mailbox.put(TextDelta(answer.text))
        self._mailbox.put(Finished(answer.message, answer.status, usage=answer.usage, model=answer.model))
        return True

    async def _keep(self, lease: Lease) -> None:
        """While the turn runs: hold the lease, and write down what there is of the answer."""
        written: Message | None = None
        renewed = time.monotonic()
        while True:
            await anyio.sleep(_FLUSH_SECONDS)
            with anyio.CancelScope(shield=True):
                try:
                    message = self._answering.draft.message()
                    if self._pending is not None and message != written:
                        # Measured as well as can be at once: a crash may make this its last state.
                        size = Size(self._answering.setup.model.estimate.count(message))
                        await self._setup.store.change(self._scope, self._pending.id, Change(message, "pending", size))
                        written = message
                    if time.monotonic() - renewed > _LEASE_SECONDS / 3:
                        await self._setup.store.renew(lease, seconds=_LEASE_SECONDS)
                        renewed = time.monotonic()
                except (ConversationBusy, MessageEnded) as error:
                    if isinstance(error, MessageEnded) and self._pending is None:
                        # Its own end was stored first.
                        continue
                    # Another writer took over, as after a night in a laptop bag. What came is kept, and no more is asked for.
                    self._lost = busy(self._scope)
                    self._cancel.cancel()
                    return
                except StoreError:
                    # The end of the turn writes once more and tells.
                    continue

    async def _finish(self, pending: Entry, error: Exception | None, *, stopped: bool) -> None:
        answering = self._answering
        model, message = answering.setup.model, answering.draft.message()
        status = _final_status(error, stopped=stopped, any_words=bool(message.parts))
        ended = answering.ended if status == "complete" else None
        usage = await model.priced(ended.usage) if ended else None
        size = await model.size(message)
        change = Change(
            message,
            status,
            size=size,
            usage=usage,
            model=str(model),
            head=status == "complete" or (status == "stopped" and bool(message.parts)),
            call=await self._call(usage, message),
        )
        try:
            await self._store_end(pending, change)
            self._answered = pending if change.head else None
        finally:
            now, first = time.monotonic(), answering.first
            self._mailbox.put(
                Finished(
                    message,
                    status,
                    usage=usage,
                    finish=ended.finish if ended else None,
                    model=(ended.model if ended else "") or str(model),
                    seconds=now - self._begun,
                    first_seconds=None if first is None else first - self._begun,
                    details=ended.details if ended else {},
                    cache_loss=answering.cache_loss if ended else "",
                )
            )

    async def _call(self, usage: Usage | None, message: Message) -> Call | None:
        """What the answer took, as it is recorded. What was cut short is paid for too, so it is estimated."""
        answering = self._answering
        is_estimated = usage is None
        if usage is None and answering.draft and answering.context is not None:
            usage = estimated_usage(answering.setup.model, answering.context, message)
        return await self._setup.spending.call(self._scope, answering.setup.model, "answer", usage, estimated=is_estimated)

    async def _store_end(self, pending: Entry, change: Change) -> None:
        try:
            await self._setup.store.change(self._scope, pending.id, change)
        except MessageEnded:
            # Whoever took the conversation over has ended this answer; the whole of it is kept beside that.
            draft = Draft(pending.parent, change.message, change.status, change.size, change.usage, change.model)
            await self._setup.store.append(self._scope, draft)

    def _report_nothing(self) -> None:
        """Stopped before an answer was even asked for."""
        self._mailbox.put(Finished(Message("assistant", ()), "stopped", seconds=time.monotonic() - self._begun))


def _final_status(error: Exception | None, *, stopped: bool, any_words: bool) -> Status:
    if stopped:
        return "stopped"
    if error is None:
        return "complete"
    return "interrupted" if any_words else "failed"
