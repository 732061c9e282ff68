"""One turn, as a task of its own: neither a slow reader nor a closed connection decides what becomes of the answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio

from anaphora.concurrency import Post, alongside, is_cancelled, spawn
from anaphora.errors import AnaphoraError, ConfigError, ConversationBusy, MessageEnded, ProviderError, StoreError
from anaphora.stores.base import Indexed
from anaphora.stores.records import Lease, busy
from anaphora.turn.events import EventLog
from anaphora.turn.incoming import Incoming, Opened, open_turn, receive
from anaphora.turn.loop import Outcome, answer
from anaphora.turn.record import Record
from anaphora.turn.request import TurnParts
from anaphora.values.answer import Answer
from anaphora.values.events import Finished, Refused, TextDelta
from anaphora.values.message import Message


@contextmanager
def _ignoring_failures() -> Iterator[None]:
    """Drops errors of background work, also those of user code that are no Exception."""
    try:
        yield
    except BaseException:
        if is_cancelled():
            raise


# Gives the parts of a turn as the conversation and the turn choose them.
Opening = Callable[[TurnParts], Awaitable[TurnParts]]


class Turn:
    """A turn from the user's words to the stored answer.

    ``opening`` gives the parts as the conversation and this turn choose them. ``opened`` is set when the lease is taken and the
    user's message is stored, or when that failed; ``done`` when everything is stored and the conversation is free again;
    ``ended`` when no background work is left.
    """

    def __init__(self, parts: TurnParts, opening: Opening, *, before: Turn | None = None) -> None:
        self.done = anyio.Event()
        self.ended = anyio.Event()
        self.opened = anyio.Event()
        self._parts = parts
        self._opening = opening
        self._before = before
        self._cancel = anyio.CancelScope()
        self._background = anyio.CancelScope()
        self._title = anyio.CancelScope()
        self._lost: ConversationBusy | None = None
        self._outcome: Outcome | None = None
        self._post: Post | None = None

    @property
    def events(self) -> EventLog:
        """The events of the turn."""
        return self._parts.events

    @property
    def stopping(self) -> bool:
        """True once the turn was told to stop."""
        return self._parts.stopping.requested

    def start(self) -> Turn:
        """Begins the work in the running event loop."""
        self._post = spawn(self._run)
        return self

    def stop(self, fault: AnaphoraError | None = None) -> None:
        """Ends the turn soon, and keeps what came. With a ``fault`` it is interrupted, not stopped. From any thread."""
        self._parts.stopping.request(fault)
        self._cancel_soon(self._cancel)

    def stop_background(self) -> None:
        """Ends the background work. From any thread."""
        self._cancel_soon(self._background)

    async def make_way(self) -> None:
        """Ends the background work that would delay the next answer."""
        self._title.cancel()
        outcome = self._outcome
        model = outcome.prepared.model if outcome else self._parts.bot.model
        with suppress(ConfigError, ProviderError):
            if not self.ended.is_set() and (await model.prepare()).one_at_a_time:
                self._background.cancel()

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            with self._cancel:
                await self._wait_for_turn_before()
                self._parts = await self._opening(self._parts)
                await self._answer()
        except BaseException as caught:
            if is_cancelled():
                raise
            # Handed to the reader, whatever it is.
            error = caught
        finally:
            error = error or self._lost or self._parts.stopping.fault
            if error is None and self.events.answer is None:
                seconds = time.monotonic() - self._parts.begun
                self.events.put(Finished(Answer(Message("assistant", ()), "stopped", seconds=seconds)))
            self.done.set()
            self.opened.set()
            self.events.close(error)
            try:
                await self._work_in_background()
            finally:
                self._outcome = None
                self.ended.set()

    async def _answer(self) -> None:
        """The story of a turn: lease and message, answer, release."""
        opened = await open_turn(self._parts)
        self.opened.set()
        lease = opened.begun.lease
        if self._parts.settings is not None:
            await self._parts.bot.store.describe(self._parts.scope, settings=self._parts.settings)
        record = Record(self._parts.bot.store, lease, self._parts.request.seed)
        try:
            await alongside(partial(self._keep, lease, record), partial(self._answer_message, opened, record))
        except Exception:
            await self._take_back_settings(record)
            raise
        finally:
            if not record.released:
                with anyio.CancelScope(shield=True):
                    await self._parts.bot.store.release(lease)

    async def _take_back_settings(self, record: Record) -> None:
        """Options with which nothing came do not stay with a conversation that others have answered."""
        parts = self._parts
        if parts.settings is not None and parts.settings_before and record.first_at is None:
            with suppress(StoreError):
                await parts.bot.store.describe(parts.scope, settings=parts.settings_before)

    async def _answer_message(self, opened: Opened, record: Record) -> None:
        incoming = await receive(self._parts, opened)
        if isinstance(incoming, Incoming):
            self._outcome = await answer(self._parts, incoming, record)
        else:
            self._tell(incoming)

    def _tell(self, given: Answer[Any]) -> None:
        """Tells an answer that no model was asked for."""
        if given.status == "refused":
            self.events.put(Refused(given.text))
        elif given.text and self._parts.request.is_streamed:
            self.events.put(TextDelta(given.text))
        self.events.put(Finished(replace(given, seconds=time.monotonic() - self._parts.begun)))

    async def _keep(self, lease: Lease, record: Record) -> None:
        """Writes down what there is of the answer and holds the lease, as long as the turn runs."""
        timing, store = self._parts.bot.timing, self._parts.bot.store
        renewed = time.monotonic()
        while True:
            await anyio.sleep(timing.flush)
            with anyio.CancelScope(shield=True):
                try:
                    await record.flush()
                    if not record.released and time.monotonic() - renewed > timing.lease / 3:
                        await store.renew(lease, seconds=timing.lease)
                        renewed = time.monotonic()
                except (ConversationBusy, MessageEnded) as error:
                    if record.released or (isinstance(error, MessageEnded) and not record.is_open):
                        # The turn's own end was stored first.
                        continue
                    # Another writer took over, as after a night in a laptop bag. What came is kept, and no more is asked for.
                    self._lost = busy(self._parts.scope)
                    self._cancel.cancel()
                    return
                except StoreError:
                    # The end of the turn writes once more and tells.
                    continue

    async def _wait_for_turn_before(self) -> None:
        """Turns of one conversation go in the order in which they began. A turn that was left early is waited for."""
        before, self._before = self._before, None
        if before is None:
            return
        await before.make_way()
        wait = self._parts.request.wait
        if before.done.is_set():
            return
        if not before.stopping and not wait:
            raise ConversationBusy(
                "the answer before is still being written: read it to its end, close its reply, or pass wait=SECONDS."
            )
        with anyio.move_on_after(None if before.stopping else wait):
            await before.done.wait()

    async def _work_in_background(self) -> None:
        """Does what is due after an answer and may delay nobody: summaries, facts, vectors, a title."""
        parts, outcome, given = self._parts, self._outcome, self.events.answer
        if outcome is None or given is None or given.status not in {"complete", "stopped"}:
            return
        bot, prepared = parts.bot, outcome.prepared
        # Whatever fails here, the answer is given and stored.
        with self._background, _ignoring_failures():
            if (await prepared.model.prepare()).one_at_a_time:
                await anyio.sleep(bot.timing.quiet)
            # The next turn searches only where there is a past beyond its window.
            has_past = parts.scope.is_named or prepared.context.report.left is not None
            if has_past and isinstance(bot.store, Indexed):
                await bot.store.index()
            view = bot.view(parts.scope, prepared.model)
            await parts.state.background.run(view, bot.billing, outcome.last.id, prepared.budget)
            if bot.titles and given.status == "complete":
                from anaphora.memory.titles import retitle

                with self._title:
                    said = (*prepared.context.messages, given.message)
                    await retitle(bot.billing, prepared.model, parts.scope, said, quiet=bot.timing.title)

    def _cancel_soon(self, scope: anyio.CancelScope) -> None:
        if self._post is None:
            scope.cancel()
        else:
            self._post(scope.cancel)
