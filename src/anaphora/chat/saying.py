"""What is said in a conversation, and gets an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Unpack

import anyio

from anaphora.chat.image_source import ImageSource, image_of
from anaphora.chat.reply import AsyncReply
from anaphora.errors import ConfigError, ConversationBusy, InvalidMessage
from anaphora.memory.background import Upkeep
from anaphora.schema.shape import Shape, shape_of
from anaphora.turn.answering import Wish
from anaphora.turn.bot import Setup
from anaphora.turn.mailbox import Answer, Mailbox
from anaphora.turn.turn import Ask, Turn
from anaphora.turn.unanswered import Asked
from anaphora.values.message import Image, Options, checked_text
from anaphora.values.options import AnswerOptions, chosen_options
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry

Images = Sequence[ImageSource]
Starter = Callable[[Mailbox], Turn]
# Said for the user, where a provider cannot be handed the beginning of its answer.
GO_ON = "Please go on exactly where you stopped."


class Saying:
    """The verbs that are answered, and the turns that answer them."""

    def __init__(self, setup: Setup, scope: Scope, *, options: Options, wait: float) -> None:
        self.id = scope.conversation
        self._setup = setup
        self._scope = scope
        self._options = options
        self._wait = wait
        self._turns: list[Turn] = []
        self._upkeep = Upkeep()

    async def say(
        self, text: str, *, into: Any = None, images: Images = (), key: str | None = None, **options: Unpack[AnswerOptions]
    ) -> Answer:
        """Say something and wait for the whole answer. Raises what went wrong; the transcript keeps the words all the same.

        ``into`` is the type that the answer is to have (a dataclass, a TypedDict, a pydantic model, any hint, or a JSON schema as
        a dict): ``answer.value`` is of it, or InvalidAnswer is raised. ``images`` are shown with it: paths, bytes or ``Image``
        values. With a ``key`` of the caller's own it is said once, however often it is asked: a second call gives the first's
        answer, or tries again if there is none.
        """
        return await AsyncReply(self.starter(text, into=into, images=images, key=key, buffered=True, **options)).answer()

    def stream(self, text: str, *, images: Images = (), key: str | None = None, **options: Unpack[AnswerOptions]) -> AsyncReply:
        """Like ``say``, as it comes."""
        return AsyncReply(self.starter(text, images=images, key=key, **options))

    async def candidates(self, text: str, n: int, *, images: Images = (), **options: Unpack[AnswerOptions]) -> list[Answer]:
        """Say something and have it answered ``n`` times: siblings in the tree. The conversation goes on from the first.

        Raises what went wrong; the answers that came by then are kept.
        """
        if n < 1:
            raise ConfigError(f"n must be a whole number from 1, not {n!r}.")
        answers = [await self.say(text, images=images, **options)]
        first = (await self._setup.store.info(self._scope)).head
        try:
            while len(answers) < n:
                answers.append(await self.retry(**options))
        finally:
            with anyio.CancelScope(shield=True):
                await self._setup.store.move_head(self._scope, first)
        return answers

    async def retry(self, **options: Unpack[AnswerOptions]) -> Answer:
        """Answer the last message anew, also one whose answer failed. The old answer stays in the transcript."""
        return await AsyncReply(await self.retry_starter(buffered=True, **options)).answer()

    async def retry_stream(self, **options: Unpack[AnswerOptions]) -> AsyncReply:
        """Like ``retry``, as it comes."""
        return AsyncReply(await self.retry_starter(**options))

    def starter(
        self,
        text: str,
        *,
        into: Any = None,
        images: Images = (),
        key: str | None = None,
        buffered: bool = False,
        **options: Unpack[AnswerOptions],
    ) -> Starter:
        """What begins the turn once there is a mailbox to put its events into. Raises InvalidMessage and ConfigError."""
        shape = None if into is None else shape_of(into)
        shown = tuple(map(image_of, images))
        ask = self._ask(options, shape, text=checked_text(text), images=shown, key=key, buffered=buffered)
        return partial(self._begin, ask)

    async def retry_starter(self, *, buffered: bool = False, **options: Unpack[AnswerOptions]) -> Starter:
        """The same for a retry. Raises InvalidMessage if there is nothing to answer."""
        await self._settled()
        message = await self._asked.last()
        if message is None or not message.text.strip():
            raise InvalidMessage("there is no message yet to answer anew.")
        return self._again(message, options, buffered=buffered)

    def _again(self, asked: Entry, options: AnswerOptions, *, at: Entry | None = None, buffered: bool) -> Starter:
        """What answers a message that is there. One that the guards have not passed is said anew, so that they see it."""
        if asked.status == "complete":
            return partial(self._begin, self._ask(options, again=asked, at=at, buffered=buffered))
        images = tuple(part for part in asked.message.parts if isinstance(part, Image))
        return partial(self._begin, self._ask(options, text=asked.text, images=images, instead=asked, buffered=buffered))

    async def go_on(self, **options: Unpack[AnswerOptions]) -> Answer:
        """Have an answer that was cut short gone on with; one of which nothing came is asked for again."""
        return await AsyncReply(await self.go_on_starter(buffered=True, **options)).answer()

    async def go_on_stream(self, **options: Unpack[AnswerOptions]) -> AsyncReply:
        """Like ``go_on``, as it comes."""
        return AsyncReply(await self.go_on_starter(**options))

    async def go_on_starter(self, *, buffered: bool = False, **options: Unpack[AnswerOptions]) -> Starter:
        """The same for going on. Raises InvalidMessage if there is nothing to answer."""
        await self._settled()
        asked = await self.unanswered()
        if asked is None:
            if (await self._setup.store.info(self._scope)).head is None:
                raise InvalidMessage("there is no answer yet to go on with.")
            return partial(self._begin, self._ask(options, text=GO_ON, is_ours=True, buffered=buffered))
        came = await self._asked.below(asked.id)
        cut = next(
            (entry for entry in reversed(came) if entry.role == "tool" or (entry.status == "interrupted" and entry.text)), None
        )
        if cut is not None and cut.role == "assistant":
            return partial(self._begin, self._ask(options, text=GO_ON, is_ours=True, below=cut, buffered=buffered))
        # Tools that were run are not run again: their results are there.
        return self._again(asked, options, at=cut, buffered=buffered)

    async def edit(self, message: Entry, text: str, **options: Unpack[AnswerOptions]) -> Answer:
        """Say something else instead of an earlier message, on a branch of its own; the old one stays."""
        return await AsyncReply(self.edit_starter(message, text, buffered=True, **options)).answer()

    def edit_stream(self, message: Entry, text: str, **options: Unpack[AnswerOptions]) -> AsyncReply:
        """Like ``edit``, as it comes."""
        return AsyncReply(self.edit_starter(message, text, **options))

    def edit_starter(self, message: Entry, text: str, *, buffered: bool = False, **options: Unpack[AnswerOptions]) -> Starter:
        """The same for an edit. Raises InvalidMessage if it is no message of the user."""
        if not isinstance(message, Entry):
            raise InvalidMessage(f"a message of bot.history must be given to edit, not {message!r}.")
        if message.role != "user":
            raise InvalidMessage(f"only the user's own messages can be edited, not one of the {message.role}.")
        return partial(self._begin, self._ask(options, text=checked_text(text), instead=message, buffered=buffered))

    async def unanswered(self) -> Entry | None:
        """The newest message of the user below the head that got no whole answer: its call failed, or broke, or crashed.

        None also while it is being answered elsewhere.
        """
        return await self._asked.unanswered()

    @property
    def _asked(self) -> Asked:
        return Asked(self._setup.store, self._scope, self._end_pending)

    async def _end_pending(self) -> bool:
        """Whoever wrote what is pending may have died; then it is interrupted from now on."""
        try:
            async with self._writing():
                return True
        except ConversationBusy:
            return False

    async def _settled(self) -> None:
        """Wait until turns that were left early are stored."""
        with anyio.CancelScope(shield=True):
            for turn in list(self._turns):
                if turn.stopping:
                    await turn.done.wait()

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[None, None]:
        """Be the one writer. Raises ConversationBusy."""
        lease = await self._setup.store.acquire(self._scope, seconds=60.0)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._setup.store.release(lease)

    def _ask(self, options: AnswerOptions, shape: Shape | None = None, **what: Any) -> Ask:
        return Ask(**what, wish=Wish(chosen_options(self._options, options), shape), wait=self._wait)

    def _begin(self, ask: Ask, mailbox: Mailbox) -> Turn:
        self._turns = [turn for turn in self._turns if not turn.ended.is_set()]
        turn = Turn(self._setup, self._scope, ask, mailbox, self._upkeep, after=self._turns[-1] if self._turns else None)
        self._turns.append(turn)
        return turn
