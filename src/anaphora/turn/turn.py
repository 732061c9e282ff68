"""One turn: the user's message made durable, a context planned, the answer streamed and kept, exactly one final status.

It runs in a task of its own, so neither a slow reader nor a closed connection decides what becomes of the answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from anaphora.concurrency import Post, alongside, spawn
from anaphora.errors import ConfigError, ConversationBusy, InvalidAnswer, InvalidMessage, MessageEnded, ProviderError, StoreError
from anaphora.guards.guard import Guard, Refusal, guarded
from anaphora.memory.background import Upkeep
from anaphora.memory.titles import retitle
from anaphora.schema.values import NotOfType
from anaphora.stores.records import Change, Draft, Lease, busy
from anaphora.turn.answering import Answering, Wish
from anaphora.turn.bot import Setup
from anaphora.turn.mailbox import Mailbox
from anaphora.turn.steps import Steps
from anaphora.turn.unanswered import answers_below, is_answer
from anaphora.values.events import Finished, Refused, TextDelta
from anaphora.values.message import Image, Message, Status, Text, text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry, Size, first_title

_LEASE_SECONDS = 30.0
_FLUSH_SECONDS = 0.5
_BUSY_POLL_SECONDS = 0.05
# Whoever says the next thing sooner is not to meet the model busy with anything else.
_QUIET_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Ask:
    """What the turn is about: new words below the head, or (``again``) a user message that is already there.

    That is gone on with ``at`` results of tools, if there are any.

    ``instead`` of a message: the new words become its sibling, on a branch of their own; ``below`` one: they follow it,
    wherever the head is. ``key``: said once, however often
    it is asked.

    ``buffered``: nothing is shown before the end, so a stream that broke may be tried again. ``wait``: seconds to
    wait for another writer. ``is_ours``: the words are the library's own, so no guard looks at them.
    """

    text: str = ""
    images: tuple[Image, ...] = ()
    again: Entry | None = None
    at: Entry | None = None
    instead: Entry | None = None
    below: Entry | None = None
    key: str | None = None
    wish: Wish = field(default_factory=Wish)
    buffered: bool = False
    wait: float = 0.0
    is_ours: bool = False


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
        self._answering = Answering(setup, scope, ask.wish, mailbox, upkeep, show=not ask.buffered)
        self._begun = time.monotonic()
        self._steps = Steps(self._answering, self._begun)
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
        last = self._steps.last
        if context is None or budget is None or last is None or answer is None or answer.status not in {"complete", "stopped"}:
            return
        # Whatever fails here, the answer is given and stored.
        with self._background, suppress(Exception):
            if (await setup.model.prepare()).one_at_a_time:
                await anyio.sleep(_QUIET_SECONDS)
            await self._upkeep.run(setup, self._scope, last.id, budget)
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
        with anyio.CancelScope(shield=True):
            await self._setup.calibrate(self._scope.owner)
        user = self._ask.again or await self._said()
        if user is None:
            return
        at = self._ask.at
        if self._ask.key is not None:
            below = await self._below(user)
            if self._already_answered(below):
                return
            # The same words a second time: tools that were run for them are not run again.
            at = next((entry for entry in reversed(below) if entry.role == "tool"), None)
        await self._steps.run(user, at)

    async def _said(self) -> Entry | None:
        """The user's message as the guards let it be said; None if they refuse it. Raises GuardFailed."""
        guards = () if self._ask.is_ours else self._setup.guards
        text, refusal = await guarded([one for one in guards if one.hides], "message", self._ask.text)
        others = [one for one in guards if not one.hides and "message" in one.on]
        with anyio.CancelScope(shield=True):
            user = await self._append_user(text, is_checked=not others and refusal is None)
        if user.status == "refused":
            # It was said under this key, and refused, before.
            answers = await self._below(user)
            self._refuse(answers[-1].text if answers else "")
            return None
        if user.status == "pending":
            return await self._checked(user, text, others, refusal)
        if self._ask.key is not None and others:
            # What is stored under the key is what guards made of it.
            text, refusal = await guarded(others, "message", text)
        self._check_key(user, text if refusal is None else user.text)
        return user

    def _check_key(self, user: Entry, text: str) -> None:
        if user.message.parts != (*self._ask.images, Text(text)):
            raise InvalidMessage(f"the key {self._ask.key!r} belongs to another message: take a new one for each.")

    async def _append_user(self, text: str, *, is_checked: bool) -> Entry:
        """The user's words, durable before anything else; connecting and counting exactly come after."""
        message = Message("user", (*self._ask.images, Text(text)))
        store = self._setup.store
        info = await store.info(self._scope)
        parent = info.head
        if self._ask.instead is not None:
            parent = self._ask.instead.parent
        if self._ask.below is not None:
            parent = self._ask.below.id
        status: Status = "complete" if is_checked else "pending"
        draft = Draft(parent, message, status, self._estimated(message), key=self._ask.key)
        user = await store.append(self._scope, draft)
        if user.status == "interrupted":
            # No guard has passed what is there under this key: it is said anew.
            user = await store.append(self._scope, replace(draft, key=None, status="pending"))
        if user.status == "complete" and not info.title:
            await self._name(text)
        return user

    async def _name(self, text: str) -> None:
        await self._setup.store.describe(self._scope, title=first_title(self._scope.conversation, text))

    async def _checked(self, user: Entry, text: str, guards: Sequence[Guard], refusal: Refusal | None) -> Entry | None:
        """A message that is on the disk, as the rest of the guards let it be said."""
        if refusal is None:
            text, refusal = await guarded(guards, "message", text)
        if refusal is None and not (text.strip() or self._ask.images):
            refusal = Refusal("There is nothing left of this message.")
        message = Message("user", (*self._ask.images, Text(text)))
        change = Change(message, "complete" if refusal is None else "refused", self._estimated(message))
        with anyio.CancelScope(shield=True):
            user = await self._setup.store.change(self._scope, user.id, change)
            if refusal is None:
                if not (await self._setup.store.info(self._scope)).title:
                    await self._name(text)
            else:
                told = text_message("assistant", refusal.text)
                await self._setup.store.append(self._scope, Draft(user.id, told, "refused", self._estimated(told)))
        if refusal is None:
            return user
        self._refuse(refusal.text)
        return None

    def _estimated(self, message: Message) -> Size:
        return Size(self._setup.model.estimate.count(message))

    def _refuse(self, text: str) -> None:
        self._mailbox.put(Refused(text))
        self._mailbox.put(Finished(text_message("assistant", text), "refused", seconds=time.monotonic() - self._begun))

    async def _below(self, user: Entry) -> list[Entry]:
        """What answers a message so far, in the order in which it came."""
        return await answers_below(self._setup.store, self._scope, user.id)

    def _already_answered(self, below: Sequence[Entry]) -> bool:
        """Give the answer that is there, if the message was said and answered before."""
        answer = next((entry for entry in below if is_answer(entry)), None)
        if answer is None:
            return False
        if answer.text and not self._ask.buffered:
            self._mailbox.put(TextDelta(answer.text))
        shape = self._ask.wish.shape
        try:
            value = shape.read(answer.text) if shape else None
        except NotOfType as error:
            raise InvalidAnswer(answer.text, str(error)) from None
        self._mailbox.put(Finished(answer.message, answer.status, usage=answer.usage, model=answer.model, value=value))
        return True

    async def _keep(self, lease: Lease) -> None:
        """While the turn runs: hold the lease, and write down what there is of the answer."""
        renewed = time.monotonic()
        while True:
            await anyio.sleep(_FLUSH_SECONDS)
            with anyio.CancelScope(shield=True):
                try:
                    await self._steps.keep()
                    if time.monotonic() - renewed > _LEASE_SECONDS / 3:
                        await self._setup.store.renew(lease, seconds=_LEASE_SECONDS)
                        renewed = time.monotonic()
                except (ConversationBusy, MessageEnded) as error:
                    if isinstance(error, MessageEnded) and not self._steps.is_pending:
                        # Its own end was stored first.
                        continue
                    # Another writer took over, as after a night in a laptop bag. What came is kept, and no more is asked for.
                    self._lost = busy(self._scope)
                    self._cancel.cancel()
                    return
                except StoreError:
                    # The end of the turn writes once more and tells.
                    continue

    def _report_nothing(self) -> None:
        """Stopped before an answer was even asked for."""
        self._mailbox.put(Finished(Message("assistant", ()), "stopped", seconds=time.monotonic() - self._begun))
