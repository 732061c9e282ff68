"""A conversation: the verbs that work on one transcript."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread

from anaphora.chat.saying import Saying
from anaphora.context.plan import Context
from anaphora.documents.extract import extracted
from anaphora.documents.pieces import pieces_of
from anaphora.documents.store import Document, Shelf
from anaphora.errors import AnaphoraError, ConfigError, DocumentError, InvalidMessage
from anaphora.guards.guard import guarded
from anaphora.memory.facts import AsyncFactList
from anaphora.stores.records import Draft, checked_name, checked_query, new_conversation_id
from anaphora.transfer.full import full_text
from anaphora.transfer.markdown import markdown_text
from anaphora.transfer.plain import plain_text, read_plain, write_plain
from anaphora.turn.bot import Setup
from anaphora.values.message import Options, Usage, valid_text
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Entry, Hit, Transcript, first_title
from anaphora.values.usage import Spent

Form = Literal["json", "plain", "markdown"]


class AsyncConversation(Saying):
    """One transcript and its verbs. Get it from a bot: ``bot.conversation("trip to Kyoto")``."""

    def __init__(self, setup: Setup, scope: Scope, *, options: Options, wait: float) -> None:
        super().__init__(setup, scope, options=options, wait=wait)
        self._all: dict[Scope, AsyncConversation] = {}
        self.facts = AsyncFactList(setup.store, scope)

    async def undo(self) -> Entry | None:
        """Go back to before the last message of the user, which is given back; None at the very start. Nothing is deleted."""
        await self._settled()
        async with self._writing():
            asked = await self._asked.last_on_branch()
            if asked is not None:
                await self._setup.store.move_head(self._scope, asked.parent)
            return asked

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
        fork = self.sibling(new_conversation_id() if name is None else checked_name(name, "a conversation's name"))
        if (await fork.info()).messages:
            raise ConfigError(f"there is a conversation {fork.id!r} already: name the fork otherwise.")
        title = f"{info.title} (fork)" if info.title else ""
        usage = sum((entry.usage for entry in branch if entry.usage), Usage())
        now = time.time()
        about = replace(info, id=fork.id, title=title, head=head, created=now, updated=now, usage=usage)
        # Its messages are numbered anew; from the same ones as here facts have been learned.
        about = replace(about, learned=sum(entry.order <= info.learned for entry in branch))
        await self._setup.store.restore(self._scope.owner, about, branch)
        await self._shelf.copy_to(fork._shelf)  # noqa: SLF001 -- all conversations of a bot know each other
        await self.facts.copy_to(fork.facts)
        return fork

    def sibling(self, name: str, owner: str | None = None) -> AsyncConversation:
        """The conversation of that name of the same bot; of the same owner, unless another is named."""
        scope = replace(self._scope, conversation=name) if owner is None else Scope(owner, name)
        known = self._all.get(scope)
        if known is None or known._scope.is_named < scope.is_named:  # noqa: SLF001 -- all conversations of a bot know each other
            self._all[scope] = known = AsyncConversation(self._setup, scope, options=self._options, wait=self._wait)
            known._all = self._all
        return known

    async def search(self, text: str, *, limit: int = 20) -> Sequence[Hit]:
        """The messages of this conversation that have all these words, newest first. Raises InvalidMessage if there are none."""
        return await self._setup.store.search(self._scope.owner, checked_query(text, limit, self.id))

    async def read(self, source: str | os.PathLike[str] | bytes, *, name: str | None = None) -> Document:
        """Read a file, so that it can be asked about: text, Markdown, code; PDF, HTML and Word with ``anaphora[docs]``.

        One that is read again takes the place of what it was. What is given as bytes needs a ``name``. Raises DocumentError.
        """
        key, called, data = await anyio.to_thread.run_sync(_contents, source, name)
        pages, is_markdown = await anyio.to_thread.run_sync(extracted, called, data)
        pages = [replace(page, text=await self._allowed(page.text, called)) for page in pages]
        pieces = await anyio.to_thread.run_sync(partial(pieces_of, pages, markdown=is_markdown))
        document = await self._shelf.put(key, called, pieces, self._setup.model)
        if self._setup.vectors is not None:
            # Whatever goes wrong with vectors, words will do.
            with suppress(Exception):
                await self._setup.vectors.of(self._shelf.owner).embed(document.pieces)
        return document

    async def _allowed(self, text: str, name: str) -> str:
        """A document's text as the guards on results let it be read. Raises DocumentError and GuardFailed."""
        text, refusal = await guarded(self._setup.guards, "result", text)
        if refusal is not None:
            raise DocumentError(f"{name} was refused: {refusal.text}")
        return text

    async def documents(self) -> Sequence[Document]:
        """The documents that were read here, in that order."""
        return await self._shelf.documents()

    @property
    def _shelf(self) -> Shelf:
        return Shelf(self._setup.store, self._scope)

    async def forget(self, message: Entry | Document | str, *, answers: bool = False) -> None:
        """Blank a message for good, with all that was made of it; its place in the tree stays. A document is removed.

        With ``answers`` everything that was said below it goes too: every answer, and what followed.
        Raises NotFound and ConversationBusy.
        """
        if isinstance(message, Document):
            await self._shelf.forget(message.id)
            self._forgotten()
            return
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
        await self._shelf.clear()
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
        budget = await self._setup.budget(self._options.max_tokens)
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
            conversation._upkeep.reader.forget()  # noqa: SLF001 -- the same
        self._setup.model.forget_counts()
        if self._setup.vectors is not None:
            self._setup.vectors.forget()


def _contents(source: str | os.PathLike[str] | bytes, name: str | None) -> tuple[str, str, bytes]:
    """What stands for a file in a store, what it is called, and what is in it. Raises DocumentError."""
    if isinstance(source, bytes):
        if not name:
            raise DocumentError("bytes need a name, for example name='notes.md'.")
        return name, name, source
    path = Path(os.path.expanduser(source))  # noqa: PTH111 -- pathlib's raises for a user who does not exist
    try:
        return str(path.resolve()), name or path.name, path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DocumentError(f"the file {path} cannot be read: {reason}.") from error


def _id_of(message: Entry | str) -> str:
    """The id of a message that is given as it is, or by its id. Raises InvalidMessage for anything else."""
    if isinstance(message, Entry):
        return message.id
    if isinstance(message, str):
        return message
    raise InvalidMessage(f"a message of the conversation, or its id, must be given, not {message!r}.")
