"""The verbs that read and change a transcript. A chatbot has them too, and means its own conversation."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, get_args

from anaphora.chat.open_conversation import OpenConversation, OpenConversations
from anaphora.chat.option_values import checked_path, checked_seconds
from anaphora.chat.options import Messages, Tools
from anaphora.concurrency import run_in_thread
from anaphora.context.plan import Context
from anaphora.errors import AnaphoraError, ConfigError, InvalidMessage
from anaphora.memory.facts import AsyncFactList
from anaphora.providers.base import Provider
from anaphora.stores.base import Store
from anaphora.turn.unanswered import is_pending, last_user_message, unanswered
from anaphora.values.message import Message, Role, checked_text, text_message, valid_text
from anaphora.values.transcript import ConversationInfo, Entry, Transcript

if TYPE_CHECKING:
    from anaphora.documents.store import Document, DocumentStore
    from anaphora.values.memory import BlockSummary

Form = Literal["json", "plain", "markdown"]


class AsyncTranscriptVerbs:
    """Verbs of one transcript."""

    _open: OpenConversation
    _conversations: OpenConversations
    facts: AsyncFactList

    async def history(self) -> tuple[Entry, ...]:
        """Gives the messages of the current branch, oldest first."""
        await self._open.settled()
        info = await self.info()
        return tuple(await self._store.branch(self._open.scope, info.head))

    async def info(self) -> ConversationInfo:
        """Gives what the store knows of the conversation: title, times, number of messages, usage."""
        return await self._store.info(self._open.scope)

    async def context(self) -> Context:
        """Plans what the model would see now, with a report. Raises ContextTooLong."""
        await self._open.settled()
        return await self._planned(None)

    async def context_for(self, text: str) -> Context:
        """Plans what the model would see if ``text`` were said now. Nothing is sent or stored. Raises ContextTooLong."""
        await self._open.settled()
        message = text_message("user", checked_text(text))
        size = await (await self._open.bot()).model.size(message)
        return await self._planned(Entry("msg_upcoming", (await self.info()).head, 0, message, "complete", size, time.time()))

    async def _planned(self, upcoming: Entry | None) -> Context:
        open_, bot = self._open, await self._open.bot()
        budget = await bot.budget(bot.model, open_.options.max_tokens)
        view, head = bot.view(open_.scope), (await self.info()).head
        context = await view.context(head, budget, notes=open_.state.background.notes, upcoming=upcoming)
        return open_.state.last_call.compared(context)

    async def undo(self) -> Entry | None:
        """Goes back to before the last message of the user, and gives that message; None at the start. Nothing is deleted."""
        await self._open.settled()
        async with self._open.writing():
            message = await last_user_message(self._store, self._open.scope)
            if message is not None:
                await self._store.move_head(self._open.scope, message.parent)
            return message

    async def clear(self) -> None:
        """Goes back to the start: the model sees nothing of what was said. Nothing is deleted."""
        await self._open.settled()
        async with self._open.writing():
            await self._store.move_head(self._open.scope, None)

    async def branches(self) -> tuple[Entry, ...]:
        """Gives the last message of every branch, oldest first."""
        await self._open.settled()
        return tuple(await self._store.leaves(self._open.scope))

    async def goto(self, message: Entry | str) -> None:
        """Continues from this message (or its id), on whichever branch it is. Raises NotFound and ConversationBusy."""
        await self._open.settled()
        async with self._open.writing():
            await self._store.move_head(self._open.scope, id_of(message))

    async def unanswered(self) -> Entry | None:
        """Gives the newest user message below the head without a whole answer: its call failed, was cut, or crashed.

        None also while it is being answered elsewhere.
        """
        store, scope = self._store, self._open.scope
        if await unanswered(store, scope) is None and not await is_pending(store, scope):
            return None
        # Only a writer knows that there is no other.
        return await unanswered(store, scope) if await self._open.end_pending() else None

    async def append(self, role: Role, text: str) -> Entry:
        """Appends a message that no model answers: a greeting, a note, an answer from elsewhere. Gives it as stored.

        Raises InvalidMessage and ConversationBusy.
        """
        from anaphora.transfer.plain import PlainMessage

        if role not in {"user", "assistant", "system"}:
            raise InvalidMessage(f"the role must be user, assistant or system, not {role!r}.")
        item = PlainMessage(Message(role, text_message("user", checked_text(text)).parts))
        await self._open.settled()
        async with self._open.writing():
            last = await self._open.append_all([item], (await self.info()).head)
        return (await self._store.branch(self._open.scope, last))[-1]

    async def load(self, source: Messages) -> int:
        """Continues from messages: a list of ``{"role", "content"}``, a file or the path of one. Gives their number.

        What was here stays as another branch. Raises TranscriptFileError, and then nothing has changed.
        """
        from anaphora.transfer.plain import read_messages

        system, messages = await run_in_thread(read_messages, source)
        await self._open.settled()
        async with self._open.writing():
            await self._open.append_all(messages, None)
            if system:
                await self._store.describe(self._open.scope, system=system)
        return len(messages)

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the current branch as the plain JSON list. Raises TranscriptFileError."""
        from anaphora.transfer.plain import write_plain

        path = checked_path(path)
        system, branch = await self._system_offline(), await self.history()
        await run_in_thread(write_plain, path, system, branch)

    async def export(self, form: Form = "json") -> Any:
        """Gives the conversation in another form.

        ``json`` is a text with everything there is, every branch, for ``import_from``. ``plain`` is the current branch as a list
        of ``{"role", "content"}``, ``markdown`` a text for reading.
        """
        from anaphora.transfer.full import full_text
        from anaphora.transfer.markdown import markdown_text
        from anaphora.transfer.plain import plain_list

        if form not in get_args(Form):
            raise ConfigError(f"a conversation is exported as {', '.join(get_args(Form))}, not {form!r}.")
        info = await self.info()
        if form == "json":
            return full_text(Transcript(info, await self._store.transcript(self._open.scope)))
        system, branch = await self._system_offline(), await self.history()
        return plain_list(system, branch) if form == "plain" else markdown_text(info, system, branch)

    async def use(self, *, model: str | Provider | None = None, system: str | None = None, tools: Tools | None = None) -> None:
        """Gives the conversation a model, a system prompt or tools of its own; None leaves each as it is.

        A model's name and the system prompt are stored with the conversation. A Provider and tools hold as long as the bot.
        ``model=""`` is the bot's model again, ``system=""`` no system prompt. Raises ConfigError and InvalidMessage.
        """
        if system is not None:
            await self._store.describe(self._open.scope, system=valid_text(system, "the system prompt"))
        self._open.choose(self._open.choices(None if isinstance(model, str) else model, None, tools))
        if isinstance(model, str):
            self._open.choices(model or None, None, None)
            self._open.choose_stored_model()
            await self._store.describe(self._open.scope, model=model)

    async def system(self) -> str:
        """Gives the system prompt: the conversation's own, else the bot's, else the model's default."""
        bot = await self._open.bot()
        return await bot.view(self._open.scope).system_text()

    async def rename(self, title: str) -> None:
        """Sets the title. Raises InvalidMessage."""
        await self._store.describe(self._open.scope, title=" ".join(valid_text(title, "the title").split()))

    async def summarise(self) -> tuple[BlockSummary, ...]:
        """Summarises now what is due: the messages that have left the window and those that leave it next.

        Gives the summaries of the current branch. Raises ProviderError and CostLimitReached.
        """
        await self._open.settled()
        bot, head = await self._open.bot(), (await self.info()).head
        if head is None:
            return ()
        budget = await bot.budget(bot.model, self._open.options.max_tokens)
        await self._open.state.background.summarise(bot.view(self._open.scope), bot.billing, head, budget)
        return tuple(await self._store.summaries(self._open.scope, head))

    async def read(self, source: str | os.PathLike[str] | bytes, *, name: str | None = None) -> Document:
        """Reads a file, so that it can be asked about: text, Markdown, code; PDF, HTML and Word with ``anaphora[docs]``.

        A document that is read again replaces its older version. Bytes need a ``name``. Raises DocumentError.
        """
        from anaphora.documents.read import read_document

        bot = await self._open.bot()
        document = await read_document(self._documents, source, name, guards=bot.guards, model=bot.model)
        if bot.vectors is not None:
            # Whatever goes wrong with vectors, words will do.
            with suppress(Exception):
                await bot.vectors.of(self._documents.owner).embed(document.pieces)
        return document

    async def documents(self) -> tuple[Document, ...]:
        """Gives the documents of the conversation, in the order in which they were read."""
        return tuple(await self._documents.documents())

    async def forget(self, message: Entry | Document | str, *, answers: bool = False) -> None:
        """Blanks a message for good, with everything that was derived from it; its place in the tree stays.

        With ``answers`` everything below it goes too: every answer, and what followed. A document is removed. Raises NotFound
        and ConversationBusy.
        """
        if not isinstance(message, Entry | str):
            from anaphora.documents.store import Document

            if not isinstance(message, Document):
                raise InvalidMessage(f"a message, a document or the id of a message must be given, not {message!r}.")
            await self._documents.forget(message.id)
            self._forgotten()
            return
        await self._open.settled()
        async with self._open.writing():
            await self._open.stop_background()
            waiting = [id_of(message)]
            while waiting:
                message_id = waiting.pop()
                if answers:
                    waiting += [entry.id for entry in await self._store.children(self._open.scope, message_id)]
                await self._store.forget(self._open.scope, message_id)
        self._forgotten()

    async def delete(self) -> None:
        """Removes the conversation and everything in it. Raises NotFound and ConversationBusy."""
        await self._open.settled()
        await self._open.stop_background()
        await self._store.delete(self._open.scope)
        await self._documents.clear()
        self._forgotten()
        self._conversations.drop(self._open.scope)

    async def stop(self) -> None:
        """Stops all answers of this conversation that still run, and keeps what came."""
        await self._open.stop()

    async def wait_for_background(self, seconds: float | None = None) -> None:
        """Waits until no background work of this conversation is left: summaries, facts, a title.

        At most so many ``seconds``; None is as long as it takes.
        """
        await self._open.wait_for_background(None if seconds is None else checked_seconds("seconds", seconds))

    @property
    def _store(self) -> Store:
        return self._open.shared.store

    @property
    def _documents(self) -> DocumentStore:
        from anaphora.documents.store import DocumentStore

        return DocumentStore(self._store, self._open.scope)

    async def _system_offline(self) -> str:
        """Gives the system prompt as far as it is known without a connection."""
        try:
            return await self.system()
        except AnaphoraError:
            return ""

    def _forgotten(self) -> None:
        """Drops every copy in this process of what was forgotten."""
        for known in self._conversations.all():
            known.state.forget()
        for model in self._open.shared.models:
            model.forget_counts()
        if self._open.shared.vectors is not None:
            self._open.shared.vectors.forget()


def id_of(message: Entry | str) -> str:
    """Gives the id of a message. Raises InvalidMessage for anything but a message or an id."""
    if isinstance(message, Entry):
        return message.id
    if isinstance(message, str):
        return message
    raise InvalidMessage(f"a message of the conversation, or its id, must be given, not {message!r}.")
