"""One turn: the user's message made durable, a context planned, the answer streamed and kept, exactly one final status.

It runs in a task of its own, so neither a slow reader nor a closed connection decides what becomes of the answer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from anaphora.context.plan import Budget, Context, Memory, Prompt, plan
from anaphora.context.window import reach
from anaphora.errors import ContextTooLong, ConversationBusy, PromptTooLong, ProviderError, StoreError, StreamInterrupted
from anaphora.events import AnswerDraft, Ended, Finished, Planned, Retrying
from anaphora.message import Message, Options, Status, text_message
from anaphora.model import Model
from anaphora.providers.retry import Retries, next_delay
from anaphora.reply import Mailbox
from anaphora.stores.base import Change, Draft, Lease, Scope, Store
from anaphora.tasks import Post, alongside, spawn
from anaphora.transcript import START, Entry, Extent, Size, first_title

_LEASE_SECONDS = 30.0
_FLUSH_SECONDS = 0.5
_BUSY_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Ask:
    """What the turn is about: new words below the head, or (``again``) a user message that is already there.

    ``instead`` of a message: the new words become its sibling, on a branch of their own.

    ``buffered``: nothing is shown before the end, so a stream that broke may be tried again. ``wait``: seconds to
    wait for another writer.
    """

    text: str = ""
    again: Entry | None = None
    instead: Entry | None = None
    options: Options = field(default_factory=Options)
    buffered: bool = False
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What all turns of a bot share. ``system`` None means the model's default prompt."""

    model: Model
    store: Store
    memory: Memory
    retries: Retries
    system: str | None = None

    async def system_prompt(self, scope: Scope) -> Prompt:
        """The conversation's own system prompt, else the bot's, else the model's, with its size."""
        own = (await self.store.info(scope)).system
        return await self.model.system_prompt(self.system if own is None else own)

    async def context(self, scope: Scope, message_id: str | None, budget: Budget) -> Context:
        """What the model sees of the branch that ends at a message. Only as much is read as may go in.

        Raises ContextTooLong.
        """
        system = await self.system_prompt(scope)
        most = reach(self.memory.window.limits(budget.prompt - system.tokens))
        branch = await self._end_of_branch(scope, message_id, most)
        return plan(branch, system=system, memory=self.memory, budget=budget)

    async def _end_of_branch(self, scope: Scope, message_id: str | None, most: Extent) -> Sequence[Entry]:
        """The messages up to this one, back to where they exceed ``most``.

        What another model's tokenizer counted is counted anew, if this one's can.
        """
        counter = await self.model.counter()
        far = most
        while True:
            branch = await self.store.branch(scope, message_id, reach=far)
            if counter:
                branch = [entry if entry.size.counter == counter else await self.measured(scope, entry) for entry in branch]
            if not branch or branch[0].parent is None or sum((entry.extent for entry in branch), START).exceeds(most):
                return branch
            # By this model's count it is less.
            far += far + Extent(1, 1, 1)

    async def measured(self, scope: Scope, entry: Entry) -> Entry:
        """The same message with the size this model counts."""
        size = await self.model.size(entry.message)
        if size == entry.size:
            return entry
        await self.store.measure(scope, entry.id, size)
        return replace(entry, size=size)


class Turn:
    """A turn in its own task. ``done`` is set when everything about it is stored and the conversation is free again."""

    def __init__(self, setup: Setup, scope: Scope, ask: Ask, mailbox: Mailbox, after: Turn | None = None) -> None:
        self.done = anyio.Event()
        self.stopping = False
        self._setup = setup
        self._scope = scope
        self._ask = ask
        self._mailbox = mailbox
        self._after = after
        self._cancel = anyio.CancelScope()
        self._draft = AnswerDraft()
        self._begun = time.monotonic()
        self._first: float | None = None
        self._ended: Ended | None = None
        self._pending: Entry | None = None
        self._post: Post = spawn(self._run)

    def stop(self) -> None:
        """End the turn soon, keeping what came. From any thread."""
        self.stopping = True
        self._post(self._cancel.cancel)

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            with self._cancel:
                await self._locked()
        except Exception as caught:  # noqa: BLE001 -- handed to the reader, whoever raised it
            error = caught
        finally:
            if error is None and self._mailbox.answer is None:
                self._report_nothing()
            self.done.set()
            self._mailbox.close(error)

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
        store, model = self._setup.store, self._setup.model
        with anyio.CancelScope(shield=True):
            user = self._ask.again or await self._append_user()
        user = await self._setup.measured(self._scope, user)
        context, budget = await self._plan(user)
        pending = await store.append(self._scope, Draft(user.id, self._draft.message(), status="pending", model=str(model)))
        self._pending = pending
        outcome: Exception | None = None
        stopped = True
        try:
            await self._attempts(user, context, budget)
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
        message = text_message("user", self._ask.text)
        store = self._setup.store
        info = await store.info(self._scope)
        size = Size(self._setup.model.estimate.count(message))
        parent = info.head if self._ask.instead is None else self._ask.instead.parent
        user = await store.append(self._scope, Draft(parent, message, size=size))
        if not info.title:
            await store.describe(self._scope, title=first_title(self._ask.text))
        return user

    async def _plan(self, user: Entry) -> tuple[Context, Budget]:
        budget = await self._setup.model.budget(self._ask.options.max_tokens)
        context = await self._setup.context(self._scope, user.id, budget)
        self._mailbox.put(Planned(context.report))
        return context, budget

    async def _attempts(self, user: Entry, context: Context, budget: Budget) -> None:
        """Ask until an answer is whole. Raises the error that ended hope."""
        attempt = 0
        trimmed = False
        while True:
            try:
                await self._attempt(context)
            except PromptTooLong as error:
                if trimmed or self._shown():
                    raise
                self._setup.model.learn_window(error)
                context, trimmed = await self._shorter(user, context, budget, error), True
            except ProviderError as error:
                delay = None if self._shown() else next_delay(error, attempt, self._setup.retries, jitter=random.random())
                if delay is None:
                    raise
                attempt += 1
                self._mailbox.put(Retrying(error, delay))
                await anyio.sleep(delay)
            else:
                self._setup.model.learn(context.messages, self._ended.usage if self._ended else None)
                return
            # A retry never joins two different answers.
            self._draft = AnswerDraft()

    async def _attempt(self, context: Context) -> None:
        model, draft, mailbox = self._setup.model, self._draft, self._mailbox
        show = not self._ask.buffered
        self._ended = None
        async with aclosing(model.provider.stream(model.request(context.messages, self._ask.options))) as events:
            async for event in events:
                if isinstance(event, Ended):
                    self._ended = event
                    continue
                if self._first is None:
                    self._first = time.monotonic()
                draft.add(event)
                if show:
                    mailbox.put(event)
        if self._ended is None:
            name = model.provider.name
            raise StreamInterrupted(f"{name}: the answer stopped without saying why. Try again.", provider=name)

    def _shown(self) -> bool:
        return bool(self._draft) and not self._ask.buffered

    async def _shorter(self, user: Entry, context: Context, budget: Budget, error: PromptTooLong) -> Context:
        """The same branch in a smaller view, by the provider's numbers; by half if it gave none.

        Raises the error if it cannot be smaller.
        """
        sent = context.report.tokens
        target = sent // 2
        if error.prompt_tokens and error.context_window:
            target = int(sent * min((error.context_window - budget.answer) / error.prompt_tokens, 0.9))
        smaller = replace(budget, context_window=max(target, 0) + budget.answer + budget.margin)
        try:
            result = await self._setup.context(self._scope, user.id, smaller)
        except ContextTooLong:
            raise error from None
        self._mailbox.put(Planned(result.report))
        return result

    async def _keep(self, lease: Lease) -> None:
        """While the turn runs: hold the lease, and write down what there is of the answer."""
        written: Message | None = None
        renewed = time.monotonic()
        while True:
            await anyio.sleep(_FLUSH_SECONDS)
            with anyio.CancelScope(shield=True):
                try:
                    message = self._draft.message()
                    if self._pending is not None and message != written:
                        await self._setup.store.change(self._scope, self._pending.id, Change(message, "pending"))
                        written = message
                    if time.monotonic() - renewed > _LEASE_SECONDS / 3:
                        await self._setup.store.renew(lease, seconds=_LEASE_SECONDS)
                        renewed = time.monotonic()
                except StoreError:
                    # The end of the turn writes once more and tells.
                    continue

    async def _finish(self, pending: Entry, error: Exception | None, *, stopped: bool) -> None:
        message = self._draft.message()
        status = _final_status(error, stopped=stopped, any_words=bool(message.parts))
        ended = self._ended if status == "complete" else None
        usage = ended.usage if ended else None
        change = Change(
            message,
            status,
            size=await self._setup.model.size(message),
            usage=usage,
            head=status == "complete" or (status == "stopped" and bool(message.parts)),
        )
        try:
            await self._setup.store.change(self._scope, pending.id, change)
        finally:
            now = time.monotonic()
            self._mailbox.put(
                Finished(
                    message,
                    status,
                    usage=usage,
                    finish=ended.finish if ended else None,
                    model=(ended.model if ended else "") or str(self._setup.model),
                    seconds=now - self._begun,
                    first_seconds=None if self._first is None else self._first - self._begun,
                    details=ended.details if ended else {},
                )
            )

    def _report_nothing(self) -> None:
        """Stopped before an answer was even asked for."""
        self._mailbox.put(Finished(Message("assistant", ()), "stopped", seconds=time.monotonic() - self._begun))


def _final_status(error: Exception | None, *, stopped: bool, any_words: bool) -> Status:
    if stopped:
        return "stopped"
    if error is None:
        return "complete"
    return "interrupted" if any_words else "failed"
