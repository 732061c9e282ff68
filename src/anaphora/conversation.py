"""A conversation: the verbs that work on one transcript."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Unpack

import anyio
import anyio.to_thread

from anaphora.calls import Spent
from anaphora.context.plan import Context
from anaphora.errors import AnaphoraError, ConfigError, ConversationBusy, InvalidMessage
from anaphora.images import ImageSource, image_of
from anaphora.message import Options, Usage, checked_text, valid_text
from anaphora.options import AnswerOptions, chosen_options
from anaphora.reply import Answer, AsyncReply, Mailbox
from anaphora.setup import Setup
from anaphora.stores.base import Draft, Scope, checked_query, new_conversation_id
from anaphora.transcript import START, ConversationInfo, Entry, Hit, Transcript, first_title
from anaphora.transfer.full import full_text
from anaphora.transfer.markdown import markdown_text
from anaphora.transfer.plain import plain_text, read_plain, write_plain
from anaphora.turn import Ask, Turn
from anaphora.upkeep import Upkeep

Images = Sequence[ImageSource]
Starter = Callable[[Mailbox], Turn]
# Said for the user, where a provider cannot be handed the beginning of its answer.
GO_ON = "Please go on exactly where you stopped."
Form = Literal["json", "plain", "markdown"]


class AsyncConversation:
    """One transcript and its verbs. Get it from a bot: ``bot.conversation("trip to Kyoto")``."""

    def __init__(self, setup: Setup, scope: Scope, *, options: Options, wait: float) -> None:
        self.id = scope.conversation
        self._all: dict[str, AsyncConversation] = {}
        self._setup = setup
        self._scope = scope
        self._options = options
        self._wait = wait
        self._turns: list[Turn] = []
        self._upkeep = Upkeep()

    async def say(self, text: str, *, images: Images = (), key: str | None = None, **options: Unpack[AnswerOptions]) -> Answer:
        """Say something and wait for the whole answer. Raises what went wrong; the transcript keeps the words all the same.

        ``images`` are shown with it: paths, bytes or ``Image`` values. With a ``key`` of the caller's own it is said once,
        however often it is asked: a second call gives the first's answer, or tries again if there is none.
        """
        return await AsyncReply(self.starter(text, images=images, key=key, buffered=True, **options)).answer()

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
        first = (await self.info()).head
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
        self, text: str, *, images: Images = (), key: str | None = None, buffered: bool = False, **options: Unpack[AnswerOptions]
    ) -> Starter:
        """What begins the turn once there is a mailbox to put its events into. Raises InvalidMessage and ConfigError."""
        shown = tuple(map(image_of, images))
        return partial(self._begin, self._ask(options, text=checked_text(text), images=shown, key=key, buffered=buffered))

    async def retry_starter(self, *, buffered: bool = False, **options: Unpack[AnswerOptions]) -> Starter:
        """The same for a retry. Raises InvalidMessage if there is nothing to answer."""
        await self._settled()
        message = await self._last_asked()
        if message is None or not message.text.strip():
            raise InvalidMessage("there is no message yet to answer anew.")
        return partial(self._begin, self._ask(options, again=message, buffered=buffered))

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
        answers = [] if asked is None else await self._setup.store.children(self._scope, asked.id)
        cut = next((entry for entry in reversed(answers) if entry.status == "interrupted" and entry.text), None)
        if asked is not None and cut is None:
            return await self.retry_starter(buffered=buffered, **options)
        if cut is None and (await self.info()).head is None:
            raise InvalidMessage("there is no answer yet to go on with.")
        return partial(self._begin, self._ask(options, text=GO_ON, below=cut, buffered=buffered))

    async def undo(self) -> Entry | None:
        """Go back to before the last message of the user, which is given back; None at the very start. Nothing is deleted."""
        await self._settled()
        async with self._writing():
            asked = await self._last_on_branch()
            if asked is not None:
                await self._setup.store.move_head(self._scope, asked.parent)
            return asked

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

    async def branches(self) -> Sequence[Entry]:
        """The last message of every branch, oldest first."""
        await self._settled()
        return await self._setup.store.leaves(self._scope)

    async def goto(self, message: Entry | str) -> None:
        """Go on from this message (or its id), on whichever branch it is. Raises NotFound and ConversationBusy."""
        await self._settled()
        async with self._writing():
            await self._setup.store.move_head(self._scope, _id_of(message))

    async def fork(self, message: Entry | str | None = None, *, name: str | None = None) -> AsyncConversation:
        """A new conversation that begins with this branch, up to the head or to ``message``, and then goes its own way.

        Raises NotFound, and ConfigError if there is a conversation of that name.
        """
        await self._settled()
        info = await self.info()
        head = info.head if message is None else _id_of(message)
        branch = await self._setup.store.branch(self._scope, head)
        fork = self.sibling(name or new_conversation_id())
        if (await fork.info()).messages:
            raise ConfigError(f"there is a conversation {fork.id!r} already: name the fork otherwise.")
        title = f"{info.title} (fork)" if info.title else ""
        usage = sum((entry.usage for entry in branch if entry.usage), Usage())
        now = time.time()
        about = replace(info, id=fork.id, title=title, head=head, created=now, updated=now, usage=usage)
        # Its messages are numbered anew; from the same ones as here facts have been learned.
        about = replace(about, learned=sum(entry.order <= info.learned for entry in branch))
        await self._setup.store.restore(self._scope.owner, about, branch)
        return fork

    def sibling(self, name: str) -> AsyncConversation:
        """The conversation of that name of the same bot."""
        if name not in self._all:
            scope = Scope(self._scope.owner, name)
            self._all[name] = AsyncConversation(self._setup, scope, options=self._options, wait=self._wait)
            self._all[name]._all = self._all  # noqa: SLF001 -- all conversations of a bot know each other
        return self._all[name]

    async def search(self, text: str, *, limit: int = 20) -> Sequence[Hit]:
        """The messages of this conversation that have all these words, newest first. Raises InvalidMessage if there are none."""
        return await self._setup.store.search(self._scope.owner, checked_query(text, limit, self.id))

    async def forget(self, message: Entry | str, *, answers: bool = False) -> None:
        """Blank a message for good, with all that was made of it; its place in the tree stays.

        With ``answers`` everything that was said below it goes too: every answer, and what followed.
        Raises NotFound and ConversationBusy.
        """
        await self._settled()
        async with self._writing():
            await self._stop_background()
            waiting = [_id_of(message)]
            while waiting:
                message_id = waiting.pop()
                if answers:
                    waiting += [entry.id for entry in await self._setup.store.children(self._scope, message_id)]
                await self._setup.store.forget(self._scope, message_id)
        self._forgotten()

    async def delete(self) -> None:
        """Remove this conversation and everything in it. Raises NotFound and ConversationBusy."""
        await self._settled()
        await self._stop_background()
        await self._setup.store.delete(self._scope)
        self._forgotten()

    async def history(self) -> Sequence[Entry]:
        """The messages of the current branch, oldest first."""
        await self._settled()
        info = await self.info()
        return await self._setup.store.branch(self._scope, info.head)

    async def usage(self) -> Usage:
        """All calls for this conversation: of answers retried or undone too, and in the background. A cost of None is unknown."""
        return (await self.info()).usage

    async def spent(self) -> Sequence[Spent]:
        """The same by day, model and purpose."""
        return await self._setup.store.spent(self._scope.owner, conversation=self.id)

    async def context(self) -> Context:
        """What the model would see now, with a report. Raises ContextTooLong."""
        budget = await self._setup.model.budget(self._options.max_tokens)
        await self._settled()
        context = await self._setup.context(self._scope, (await self.info()).head, budget, self._upkeep.notes)
        return context.after(self._upkeep.sent)

    async def info(self) -> ConversationInfo:
        """What the store knows of this conversation."""
        return await self._setup.store.info(self._scope)

    async def system(self) -> str:
        """The system prompt: this conversation's own, else the bot's, else the model's default."""
        return await self._setup.system_text(self._scope)

    async def _system_offline(self) -> str:
        """The system prompt as far as it is known without a connection."""
        try:
            return await self.system()
        except AnaphoraError:
            return ""

    async def set_system(self, text: str) -> None:
        """Give this conversation its own system prompt; an empty one means none. Raises InvalidMessage."""
        await self._setup.store.describe(self._scope, system=valid_text(text, "the system prompt"))

    async def rename(self, title: str) -> None:
        """Give it another title. Raises InvalidMessage."""
        await self._setup.store.describe(self._scope, title=valid_text(" ".join(title.split()), "the title"))

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Write the current branch as the plain JSON list. Raises TranscriptFileError."""
        system, branch = await self._system_offline(), await self.history()
        await anyio.to_thread.run_sync(write_plain, path, system, branch)

    async def export(self, form: Form = "json") -> str:
        """This conversation as text: ``json`` is everything there is, every branch, for ``import_from``.

        ``plain``, the list of role and content, and ``markdown``, for reading, have the current branch.
        """
        info = await self.info()
        if form == "json":
            return full_text(Transcript(info, await self._setup.store.transcript(self._scope)))
        system, branch = await self._system_offline(), await self.history()
        return plain_text(system, branch) if form == "plain" else markdown_text(info, system, branch)

    async def load(self, path: str | os.PathLike[str]) -> int:
        """Go on from a file that ``save`` or any other program wrote; what was here stays as another branch.

        Gives the number of messages. Raises TranscriptFileError, and then nothing has changed.
        """
        system, messages = await anyio.to_thread.run_sync(read_plain, path)
        store = self._setup.store
        async with self._writing():
            parent: str | None = None
            for item in messages:
                size = await self._setup.model.size(item.message)
                draft = Draft(parent, item.message, item.status, size, usage=item.usage, model=item.model)
                parent = (await store.append(self._scope, draft)).id
            await store.move_head(self._scope, parent)
            if system:
                await store.describe(self._scope, system=system)
            if messages and not (await self.info()).title:
                await store.describe(self._scope, title=first_title(self.id, messages[0].message.text))
        return len(messages)

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[None, None]:
        """Be the one writer. Raises ConversationBusy."""
        lease = await self._setup.store.acquire(self._scope, seconds=60.0)
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._setup.store.release(lease)

    def _ask(self, options: AnswerOptions, **what: Any) -> Ask:
        return Ask(**what, options=chosen_options(self._options, options), wait=self._wait)

    def _begin(self, ask: Ask, mailbox: Mailbox) -> Turn:
        self._turns = [turn for turn in self._turns if not turn.ended.is_set()]
        turn = Turn(self._setup, self._scope, ask, mailbox, self._upkeep, after=self._turns[-1] if self._turns else None)
        self._turns.append(turn)
        return turn

    async def stop(self) -> None:
        """Stop all answers that still run, keeping what came."""
        turns = list(self._turns)
        for turn in turns:
            turn.stop()
            turn.stop_background()
        with anyio.CancelScope(shield=True):
            for turn in turns:
                await turn.ended.wait()

    async def settle(self, seconds: float | None = None) -> None:
        """Wait until everything is done that goes on in the background after an answer: summaries, facts, a title.

        At most so many ``seconds``; None is as long as it takes.
        """
        with anyio.move_on_after(seconds):
            for turn in list(self._turns):
                await turn.ended.wait()

    async def _stop_background(self) -> None:
        """Nothing may be made any more of what is being forgotten."""
        for turn in list(self._turns):
            turn.stop_background()
            if turn.done.is_set():
                await turn.ended.wait()

    def _forgotten(self) -> None:
        """Nothing of what was forgotten stays in this process."""
        for conversation in (self, *self._all.values()):
            conversation._upkeep.sent = None  # noqa: SLF001 -- all conversations of a bot know each other
        self._setup.model.forget_counts()
        if self._setup.vectors is not None:
            self._setup.vectors.forget()

    async def _settled(self) -> None:
        """Wait until turns that were left early are stored."""
        with anyio.CancelScope(shield=True):
            for turn in list(self._turns):
                if turn.stopping:
                    await turn.done.wait()

    async def unanswered(self) -> Entry | None:
        """The newest message of the user below the head that got no whole answer: its call failed, or broke, or crashed.

        None also while it is being answered elsewhere.
        """
        head = (await self.info()).head
        for entry in reversed(await self._setup.store.children(self._scope, head)):
            if entry.role == "user":
                answers = await self._setup.store.children(self._scope, entry.id)
                if any(answer.status == "pending" for answer in answers):
                    try:
                        # Whoever wrote it may have died; then it is interrupted from now on.
                        async with self._writing():
                            answers = await self._setup.store.children(self._scope, entry.id)
                    except ConversationBusy:
                        return None
                if not any(answer.status in {"complete", "stopped"} and answer.message.parts for answer in answers):
                    return entry
                break
        return None

    async def _last_asked(self) -> Entry | None:
        """The user's message that a retry answers: one without an answer, else the branch's last."""
        unanswered = await self.unanswered()
        return await self._last_on_branch() if unanswered is None else unanswered

    async def _last_on_branch(self) -> Entry | None:
        """The newest message of the user above the head."""
        branch = await self._setup.store.branch(self._scope, (await self.info()).head, reach=START)
        return next((entry for entry in reversed(branch) if entry.role == "user"), None)


def _id_of(message: Entry | str) -> str:
    """The id of a message that is given as it is, or by its id. Raises InvalidMessage for anything else."""
    if isinstance(message, Entry):
        return message.id
    if isinstance(message, str):
        return message
    raise InvalidMessage(f"a message of the conversation, or its id, must be given, not {message!r}.")
