"""Runs of this process: begins them, stores their events, follows wishes of others, and ends all at a shutdown."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

import anyio
import anyio.abc

from anaphora.errors import ConversationBusy, StoreError
from anaphora.server.error_bodies import described, server_stopping
from anaphora.server.event_log import Numbered, RunClosed, RunEvent, decoded, encoded, events_of_messages
from anaphora.server.live_run import LiveRun, RunPlan, ServerStopping
from anaphora.stores.base import ServerStore
from anaphora.stores.run_records import EventBatch, Run, RunEnd, Wish, output_id
from anaphora.stores.sql.leases import new_holder
from anaphora.values.event_codec import event_from_json
from anaphora.values.scope import Scope
from anaphora.values.transcript import START, Entry

LOG = logging.getLogger("anaphora.server")
# Events are stored so often, in seconds; who follows them elsewhere looks so often, if nobody tells of new ones.
_FLUSH, _POLL = 0.05, 1.0
# Others' wishes are looked for so often, and the process says so often that it lives, in seconds.
_WISHES, _ALIVE, _SWEEP = 0.5, 5.0, 15.0
# Logs are kept so long after the end; then a replay is made of the messages.
_LOG_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class _Ended:
    """The end of a run that is to be stored."""

    owner: str
    run: str
    end: RunEnd
    batches: tuple[EventBatch, ...]


class RunKeeper:
    """All runs of this process, and the way to those of others."""

    def __init__(self, store: ServerStore) -> None:
        self.store = store
        self.holder = new_holder()
        self._live: dict[tuple[str, str], LiveRun] = {}
        self._dirty = anyio.Event()
        self._urgent = anyio.Event()
        self._is_draining = False
        self._is_busy: Callable[[], bool] = lambda: False
        self._unstored: list[_Ended] = []

    @property
    def live(self) -> int:
        """The number of runs that are under way here."""
        return len(self._live)

    @property
    def is_draining(self) -> bool:
        """True once no new runs are taken."""
        return self._is_draining

    async def serve(self, tasks: anyio.abc.TaskGroup, is_busy: Callable[[], bool] = lambda: False) -> None:
        """Begins the work in the background. ``is_busy``: this process holds places of tokens, also without runs."""
        self._is_busy = is_busy
        tasks.start_soon(self._write_events)
        tasks.start_soon(self._look_for_wishes)
        tasks.start_soon(self._sweep)

    async def begin(self, plan: RunPlan) -> LiveRun:
        """Begins a run, and waits until its message is stored.

        Raises ConversationBusy, and whatever else keeps it from beginning.
        """
        self.check_open()
        run = LiveRun(plan)
        with anyio.CancelScope(shield=True):
            await run.turn.opened.wait()
        if run.log.closed and run.log.error is not None and not run.log.read():
            raise run.log.error
        self._live[run.owner, run.id] = run
        self._watch(run)
        return run

    def check_open(self) -> None:
        """Raises ApiError while the server is being stopped."""
        if self._is_draining:
            raise server_stopping()

    def answers_in(self, scope: Scope) -> bool:
        """True while a run of this process gives an answer in a conversation."""
        return any(run.plan.conversation.scope == scope for run in self._live.values())

    def find(self, owner: str, run_id: str) -> LiveRun | None:
        """Gives a run that is under way here."""
        return self._live.get((owner, run_id))

    async def follow(self, owner: str, run_id: str, after: int = -1) -> AsyncGenerator[list[Numbered], None]:
        """Yields the events with a number above ``after`` as they come, up to the last one. Raises NotFound."""
        live = self.find(owner, run_id)
        events = self._follow_live(live, after) if live is not None else self._follow_stored(owner, run_id, after)
        async with aclosing(events):
            async for batch in events:
                yield batch

    async def _follow_live(self, run: LiveRun, after: int) -> AsyncGenerator[list[Numbered], None]:
        log, place = run.log, after + 1
        while True:
            events = log.read(place)
            if events:
                yield list(enumerate(events, place))
                place += len(events)
            elif log.closed:
                await run.kept.wait()
                yield [(max(place, len(log.read())), run.closed())]
                return
            else:
                bell = anyio.Event()
                log.wait(bell.set)
                # Looked at once more: an event may have come before the log knew that somebody waits.
                if not run.has_news(place):
                    await bell.wait()

    async def _follow_stored(self, owner: str, run_id: str, after: int) -> AsyncGenerator[list[Numbered], None]:
        looked = 0.0
        run = await self.store.living_run(owner, run_id)
        while True:
            rows = await self.store.events(owner, run_id, after=after)
            batch = list(decoded(rows, after))
            if batch:
                after = batch[-1][0]
                yield batch
                if isinstance(batch[-1][1], RunClosed):
                    return
                continue
            if run.status != "pending":
                if not rows:
                    yield list(enumerate(await self.rebuilt(run, owner)))
                return
            if time.monotonic() - looked > 1.0:
                looked, run = time.monotonic(), await self.store.living_run(owner, run_id)
                continue
            await self.store.wait_for_events(owner, run_id, seconds=_POLL)
            run = await self.store.run(owner, run_id)

    async def stored_events(self, owner: str, run_id: str) -> list[Numbered]:
        """Gives the events of a run that are stored by now."""
        return list(decoded(await self.store.events(owner, run_id, after=-1), -1))

    async def rebuilt(self, run: Run, owner: str) -> list[RunEvent]:
        """Gives the events of a run whose log is gone, made of its messages."""
        entries = await self.messages(run, owner)
        events: list[RunEvent] = [*events_of_messages([entry.message for entry in entries])]
        for name in ("planned", "finished"):
            with suppress(ValueError):
                if name in run.result:
                    events.append(event_from_json(run.result[name]))
        return [*events, RunClosed(run.status, run.result.get("error"))]

    async def messages(self, run: Run, owner: str) -> list[Entry]:
        """Gives the messages that a run has said, in their order."""
        scope, found, place = Scope(owner, run.conversation), list[Entry](), 0
        while True:
            with suppress(StoreError):
                found.append((await self.store.branch(scope, output_id(run.seed, place), reach=START))[-1])
                place += 1
                continue
            return found

    async def stop(self, owner: str, run_id: str) -> None:
        """Stops a run, wherever it is under way. Raises NotFound."""
        await self.store.stop_run(owner, run_id)
        live = self.find(owner, run_id)
        if live is not None:
            live.turn.stop()

    async def allow(self, owner: str, run_id: str, call: str, *, allow: bool) -> None:
        """Answers the question of a run, wherever it is under way. Raises NotFound."""
        await self.store.allow_call(owner, run_id, call, allow=allow)
        live = self.find(owner, run_id)
        if live is not None:
            live.questions.answer(call, allow=allow)

    async def drain(self, seconds: float) -> None:
        """Takes no new runs, waits for those that are under way, and interrupts them after so many seconds."""
        self._is_draining = True
        with anyio.move_on_after(seconds):
            for run in list(self._live.values()):
                await run.kept.wait()
        for run in list(self._live.values()):
            run.turn.stop(ServerStopping("the server was stopped before the answer was whole. What had come of it is kept."))
        with anyio.move_on_after(5.0):
            for run in list(self._live.values()):
                await run.kept.wait()

    def _watch(self, run: LiveRun) -> None:
        def woken() -> None:
            self._dirty.set()
            if run.log.closed:
                self._urgent.set()
            else:
                run.log.wait(woken)

        run.log.wait(woken)
        if run.log.read() or run.log.closed:
            woken()

    async def _write_events(self) -> None:
        while True:
            await self._dirty.wait()
            with anyio.move_on_after(_FLUSH):
                await self._urgent.wait()
            self._dirty, self._urgent = anyio.Event(), anyio.Event()
            await self._write_once()

    async def _write_once(self) -> None:
        runs = list(self._live.values())
        closed = [run for run in runs if run.log.closed]
        batches = [(run, batch) for run in runs if not run.log.closed and (batch := run.batch()) is not None]
        for run in closed:
            await self._end(run)
        try:
            if batches:
                await self.store.add_events([batch for _, batch in batches])
                for run, batch in batches:
                    run.has_stored(batch)
        except StoreError:
            self._dirty.set()
            await anyio.sleep(_FLUSH)
        if any(run.is_behind for run, _ in batches):
            self._dirty.set()

    async def _end(self, run: LiveRun) -> None:
        """Stores the end of a run, and lets its readers have it. An end that cannot be stored is stored later."""
        batches: list[EventBatch] = []
        while (batch := run.batch()) is not None:
            batches.append(batch)
            run.has_stored(batch)
        last = EventBatch(run.owner, run.id, len(run.log.read()), (encoded(run.closed()),))
        ended = _Ended(run.owner, run.id, run.end(), (*batches, last))
        self._live.pop((run.owner, run.id), None)
        if not await self._store_end(ended):
            self._unstored.append(ended)
        run.kept.set()
        if run.plan.on_end is not None:
            try:
                await run.plan.on_end(run.log.answer)
            except Exception as error:  # noqa: BLE001 -- one run's end must not stop all others
                LOG.warning("the end of a run could not be noted", extra={"error": described(error)})

    async def _store_end(self, ended: _Ended) -> bool:
        try:
            await self.store.end_run(ended.owner, ended.run, ended.end, ended.batches)
        except StoreError:
            return False
        return True

    async def _look_for_wishes(self) -> None:
        alive = 0.0
        while True:
            await anyio.sleep(_WISHES)
            self._unstored = [one for one in self._unstored if not await self._store_end(one)]
            with suppress(StoreError):
                if time.monotonic() - alive > _ALIVE and (self._live or self._unstored or self._is_busy()):
                    wishes = await self.store.hold_runs(self.holder)
                    alive = time.monotonic()
                else:
                    wishes = await self.store.wishes(self.holder) if self._live else []
                for wish in wishes:
                    self._follow_wish(wish)

    def _follow_wish(self, wish: Wish) -> None:
        run = self.find(wish.owner, wish.run)
        if run is None:
            return
        for call, allow in wish.allowed.items():
            run.questions.answer(call, allow=bool(allow))
        if wish.stop:
            run.turn.stop()

    async def _sweep(self) -> None:
        dropped = 0.0
        while True:
            with suppress(StoreError, ConversationBusy):
                await self.store.end_dead_runs()
                if time.monotonic() - dropped > _LOG_SECONDS / 24:
                    dropped = time.monotonic()
                    await self.store.drop_events(before=time.time() - _LOG_SECONDS)
            await anyio.sleep(_SWEEP)
