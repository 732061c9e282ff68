"""A conversation that is open in this process: the queue of its turns, its memory's state, and its own model and tools."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import anyio

from anaphora.chat.options import Tools
from anaphora.chat.resolve import Resolved, chosen_tools
from anaphora.chat.resumed import Resumed, resumed
from anaphora.chat.stored_settings import merged_settings
from anaphora.errors import ConversationBusy
from anaphora.memory.state import MemoryState
from anaphora.providers.base import Provider
from anaphora.providers.model import Model
from anaphora.stores.records import Draft
from anaphora.stores.run_records import NewRun
from anaphora.tools.base import Confirm, Tool
from anaphora.turn.bot import Bot
from anaphora.turn.events import EventLog
from anaphora.turn.request import Task, TurnParts, TurnRequest
from anaphora.turn.turn import Turn
from anaphora.values.message import Options, valid_text
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, first_title

if TYPE_CHECKING:
    from anaphora.schema.shape import Shape
    from anaphora.transfer.plain import PlainMessage

# So many conversations that nobody uses any more stay open, for those that come back.
_IDLE = 64


@dataclass(frozen=True, slots=True)
class Choices:
    """The model, system prompt and tools of one conversation or of one turn; None leaves the bot's.

    ``more_tools`` are offered beside those; ``confirm`` is asked before one acts in the world.
    """

    models: tuple[Model, ...] | None = None
    system: str | None = None
    tools: tuple[Tool, ...] | None = None
    more_tools: tuple[Tool, ...] = ()
    confirm: Confirm | None = None

    def over(self, bot: Bot) -> Bot:
        """Gives the bot with these choices in place of its own."""
        if self.models is not None:
            bot = replace(bot, models=self.models)
        if self.tools is not None:
            bot = replace(bot, toolbox=replace(bot.toolbox, tools=self.tools))
        if self.more_tools:
            bot = replace(bot, toolbox=replace(bot.toolbox, tools=(*bot.toolbox.tools, *self.more_tools)))
        if self.confirm is not None:
            bot = replace(bot, toolbox=replace(bot.toolbox, confirm=self.confirm))
        if self.system is not None:
            bot = replace(bot, system=self.system, overrides_system=True)
        return bot


class OpenConversation:
    """The parts of a conversation that live in this process. All handles of one conversation share it."""

    def __init__(self, resolved: Resolved, scope: Scope) -> None:
        self.scope = scope
        self.options = resolved.options
        self.state = MemoryState()
        self._resolved = resolved
        self._bot = resolved.bot
        self._source = resolved.source.models
        self._resumed = Resumed(resolved.bot)
        self._choices = Choices()
        self._stored: tuple[str, tuple[Model, ...]] = ("", ())
        self._turns: tuple[Turn, ...] = ()
        self._first: tuple[PlainMessage, ...] = ()
        self._first_system = ""
        self._loading = anyio.Lock()

    @property
    def shared(self) -> Bot:
        """The bot that all conversations share, without the choices of this one."""
        return self._bot

    @property
    def is_kept(self) -> bool:
        """True if something would be lost with this object: a running turn, messages to store, or choices."""
        return bool(self._first) or self._choices != Choices() or any(not turn.ended.is_set() for turn in self._turns)

    def choose(self, choices: Choices) -> None:
        """Sets the model and the tools of this conversation for as long as it is open; None leaves them as they are."""
        self._choices = Choices(
            choices.models if choices.models is not None else self._choices.models,
            None,
            choices.tools if choices.tools is not None else self._choices.tools,
        )

    def choose_stored_model(self) -> None:
        """Takes the model whose name is stored with the conversation."""
        self._choices = replace(self._choices, models=None)

    def choices(self, model: str | Provider | None, system: str | None, tools: Tools | None) -> Choices:
        """Opens the model and makes the tools that were chosen. Raises ConfigError."""
        return Choices(
            None if model is None or model == "" else self._source(model),
            None if system is None else valid_text(system, "the system prompt"),
            None if tools is None else chosen_tools(tools),
        )

    def begin_with(self, messages: Sequence[PlainMessage], system: str) -> None:
        """Sets messages and a system prompt that are stored before anything else, if the conversation has none."""
        self._first, self._first_system = tuple(messages), system

    async def bot(self, turn: Choices | None = None) -> Bot:
        """Gives the bot with the stored options and choices of this conversation, then those of one turn.

        Raises ConfigError.
        """
        return self._chosen(await self._bot.store.info(self.scope), turn)

    def _chosen(self, info: ConversationInfo, turn: Choices | None) -> Bot:
        if self._resumed.settings != info.settings:
            self._resumed = resumed(self._resolved, info.settings)
        bot = self._resumed.bot
        if info.model and (turn is None or turn.models is None) and self._choices.models is None:
            bot = replace(bot, models=self._stored_models(info.model))
        bot = self._choices.over(bot)
        return bot if turn is None else turn.over(bot)

    def _stored_models(self, name: str) -> tuple[Model, ...]:
        """Opens the model that is stored with the conversation, once."""
        if self._stored[0] != name:
            source = self._resumed.source
            self._stored = (name, self._source(name) if source is None else source.models(name))
        return self._stored[1]

    def begin(
        self,
        task: Task,
        options: Options,
        choices: Choices,
        *,
        shape: Shape | None = None,
        is_streamed: bool = True,
        run: NewRun | None = None,
    ) -> Turn:
        """Begins a turn, perhaps as a run of a server.

        It waits for the one before as long as the conversation's ``wait`` allows.
        """
        self._turns = tuple(turn for turn in self._turns if not turn.ended.is_set())
        request = TurnRequest(task, options, shape, is_streamed=is_streamed, wait=self._resolved.wait, run=run)
        parts = TurnParts(self._bot, self.scope, request, self.state, EventLog(), monotonic())

        async def opening(parts: TurnParts) -> TurnParts:
            await self._store_first()
            info = await self._bot.store.info(self.scope)
            bot = self._chosen(info, choices)
            request = replace(parts.request, options=self._resumed.options_below(parts.request.options))
            settings = merged_settings(info.settings, self._resolved.given)
            news = None if settings == info.settings else settings
            return replace(parts, bot=bot, request=request, settings=news, settings_before=info.settings)

        turn = Turn(parts, opening, before=self._turns[-1] if self._turns else None)
        self._turns = (*self._turns, turn)
        return turn.start()

    async def settled(self) -> None:
        """Waits until the turns that were left early are stored."""
        with anyio.CancelScope(shield=True):
            for turn in self._turns:
                if turn.stopping:
                    await turn.done.wait()
        await self._store_first()

    async def stop(self) -> None:
        """Stops all answers that still run, and keeps what came."""
        turns = self._turns
        for turn in turns:
            turn.stop()
            turn.stop_background()
        with anyio.CancelScope(shield=True):
            for turn in turns:
                await turn.ended.wait()

    async def stop_background(self) -> None:
        """Stops the work that makes something of messages: they are being forgotten."""
        for turn in self._turns:
            turn.stop_background()
            if turn.done.is_set():
                await turn.ended.wait()

    async def wait_for_background(self, seconds: float | None) -> None:
        """Waits until no background work is left, at most so many seconds."""
        with anyio.move_on_after(seconds):
            for turn in self._turns:
                await turn.ended.wait()

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None, None]:
        """Holds the conversation's lease. Raises ConversationBusy."""
        store = self._bot.store
        lease = await store.acquire(self.scope, seconds=2 * self._bot.timing.lease)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await store.release(lease)

    async def end_pending(self) -> bool:
        """Ends what a writer that died left pending. False if a living writer holds the conversation."""
        try:
            async with self.writing():
                return True
        except ConversationBusy:
            return False

    async def append_all(self, messages: Sequence[PlainMessage], parent: str | None) -> str | None:
        """Appends messages below ``parent`` and moves the head to the last one, whose id is given."""
        store, model = self._bot.store, self._bot.model
        for item in messages:
            size = await model.size(item.message)
            draft = Draft(parent, item.message, item.status, size, usage=item.usage, model=item.model)
            parent = (await store.append(self.scope, draft)).id
        await store.move_head(self.scope, parent)
        if messages and not (await store.info(self.scope)).title:
            await store.describe(self.scope, title=first_title(self.scope.conversation, messages[0].message.text))
        return parent

    async def _store_first(self) -> None:
        if not self._first:
            return
        async with self._loading:
            first = self._first
            if first and not (await self._bot.store.info(self.scope)).messages:
                async with self.writing():
                    await self.append_all(first, None)
                    if self._first_system:
                        await self._bot.store.describe(self.scope, system=self._first_system)
            self._first = ()


class OpenConversations:
    """The open conversations of a bot. One that is idle is let go of when others come, one that is deleted at once."""

    def __init__(self, make: Callable[[Scope], OpenConversation]) -> None:
        self._make = make
        self._known: WeakValueDictionary[Scope, OpenConversation] = WeakValueDictionary()
        self._recent: OrderedDict[Scope, OpenConversation] = OrderedDict()

    def get(self, scope: Scope) -> OpenConversation:
        """Gives the open conversation of a scope, opening it if need be."""
        known = self._known.get(scope)
        # A named owner shares more between conversations than an unnamed one.
        if known is None or known.scope.is_named < scope.is_named:
            self._known[scope] = known = self._make(scope)
        self._recent[scope] = known
        self._recent.move_to_end(scope)
        self._release_idle()
        return known

    def adopt(self, known: OpenConversation) -> None:
        """Knows a conversation that somebody else keeps open."""
        self._known[known.scope] = known

    def drop(self, scope: Scope) -> None:
        """Lets go of a conversation that was deleted."""
        self._recent.pop(scope, None)

    def all(self) -> list[OpenConversation]:
        """Gives the conversations that are open."""
        return list(self._known.values())

    def _release_idle(self) -> None:
        for scope, known in list(self._recent.items())[: max(len(self._recent) - _IDLE, 0)]:
            if not known.is_kept:
                del self._recent[scope]
