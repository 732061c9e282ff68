"""The same verbs without await: a thin door to one event loop in a thread of its own.

Works inside a running loop too (notebooks).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Unpack

from anaphora.chat.conversation import AsyncConversation, Form
from anaphora.chat.saying import Images
from anaphora.context.plan import Context
from anaphora.documents.store import Document
from anaphora.sync.facts import FactList
from anaphora.sync.portal import door
from anaphora.sync.reply import Reply
from anaphora.turn.mailbox import Answer
from anaphora.values.message import Usage
from anaphora.values.options import AnswerOptions
from anaphora.values.transcript import ConversationInfo, Entry, Hit
from anaphora.values.usage import Spent


class Conversation:
    """One transcript and its verbs. Get it from a bot: ``bot.conversation("trip to Kyoto")``."""

    def __init__(self, inner: AsyncConversation) -> None:
        self._inner = inner
        self.facts = FactList(inner.facts)

    @property
    def id(self) -> str:
        """Its id."""
        return self._inner.id

    def say(
        self, text: str, *, into: Any = None, images: Images = (), key: str | None = None, **options: Unpack[AnswerOptions]
    ) -> Answer:
        """Say something and wait for the whole answer. Raises what went wrong; the transcript keeps the words all the same.

        ``into`` is the type that the answer is to have (a dataclass, a TypedDict, a pydantic model, any hint, or a JSON schema as
        a dict): ``answer.value`` is of it, or InvalidAnswer is raised. ``images`` are shown with it: paths, bytes or ``Image``
        values. With a ``key`` of the caller's own it is said once, however often it is asked: a second call gives the first's
        answer, or tries again if there is none.
        """
        return Reply(self._inner.starter(text, into=into, images=images, key=key, buffered=True, **options)).answer()

    def stream(self, text: str, *, images: Images = (), key: str | None = None, **options: Unpack[AnswerOptions]) -> Reply:
        """Like ``say``, as it comes."""
        return Reply(self._inner.starter(text, images=images, key=key, **options))

    def candidates(self, text: str, n: int, *, images: Images = (), **options: Unpack[AnswerOptions]) -> list[Answer]:
        """Say something and have it answered ``n`` times: siblings in the tree. The conversation goes on from the first."""
        return door.call(lambda: self._inner.candidates(text, n, images=images, **options))

    def retry(self, **options: Unpack[AnswerOptions]) -> Answer:
        """Answer the last message anew, also one whose answer failed. The old answer stays in the transcript."""
        return Reply(door.call(lambda: self._inner.retry_starter(buffered=True, **options))).answer()

    def retry_stream(self, **options: Unpack[AnswerOptions]) -> Reply:
        """Like ``retry``, as it comes."""
        return Reply(door.call(lambda: self._inner.retry_starter(**options)))

    def go_on(self, **options: Unpack[AnswerOptions]) -> Answer:
        """Have an answer that was cut short gone on with; one of which nothing came is asked for again."""
        return Reply(door.call(lambda: self._inner.go_on_starter(buffered=True, **options))).answer()

    def go_on_stream(self, **options: Unpack[AnswerOptions]) -> Reply:
        """Like ``go_on``, as it comes."""
        return Reply(door.call(lambda: self._inner.go_on_starter(**options)))

    def undo(self) -> Entry | None:
        """Go back to before the last message of the user, which is given back; None at the very start. Nothing is deleted."""
        return door.call(self._inner.undo)

    def edit(self, message: Entry, text: str, **options: Unpack[AnswerOptions]) -> Answer:
        """Say something else instead of an earlier message, on a branch of its own; the old one stays."""
        return Reply(self._inner.edit_starter(message, text, buffered=True, **options)).answer()

    def edit_stream(self, message: Entry, text: str, **options: Unpack[AnswerOptions]) -> Reply:
        """Like ``edit``, as it comes."""
        return Reply(self._inner.edit_starter(message, text, **options))

    @property
    def branches(self) -> Sequence[Entry]:
        """The last message of every branch, oldest first."""
        return door.call(self._inner.branches)

    def goto(self, message: Entry | str) -> None:
        """Go on from this message (or its id), on whichever branch it is. Raises NotFound and ConversationBusy."""
        door.call(lambda: self._inner.goto(message))

    def fork(self, message: Entry | str | None = None, *, name: str | None = None) -> Conversation:
        """A new conversation that begins with this branch, up to the head or to ``message``, and then goes its own way.

        Raises NotFound.
        """
        return Conversation(door.call(lambda: self._inner.fork(message, name=name)))

    def search(self, text: str, *, limit: int = 20) -> Sequence[Hit]:
        """The messages that have all these words, newest first: of this conversation, or of all if it is the bot that is asked.

        Words in quotes must stand in a row. Raises InvalidMessage if there is nothing to look for.
        """
        return door.call(lambda: self._inner.search(text, limit=limit))

    def read(self, source: str | os.PathLike[str] | bytes, *, name: str | None = None) -> Document:
        """Read a file, so that it can be asked about: text, Markdown, code; PDF, HTML and Word with ``anaphora[docs]``.

        One that is read again takes the place of what it was. What is given as bytes needs a ``name``. Raises DocumentError.
        """
        return door.call(lambda: self._inner.read(source, name=name))

    @property
    def documents(self) -> Sequence[Document]:
        """The documents that were read here, in that order."""
        return door.call(self._inner.documents)

    def forget(self, message: Entry | Document | str, *, answers: bool = False) -> None:
        """Blank a message for good, with all that was made of it; its place in the tree stays. A document is removed.

        With ``answers`` everything that was said below it goes too: every answer, and what followed.
        Raises NotFound and ConversationBusy.
        """
        door.call(lambda: self._inner.forget(message, answers=answers))

    def delete(self) -> None:
        """Remove this conversation and everything in it. Raises NotFound and ConversationBusy."""
        door.call(self._inner.delete)

    def settle(self, seconds: float | None = None) -> None:
        """Wait until everything is done that goes on in the background after an answer: summaries, facts, a title.

        At most so many ``seconds``; None is as long as it takes.
        """
        door.call(lambda: self._inner.settle(seconds))

    @property
    def history(self) -> Sequence[Entry]:
        """The messages of the current branch, oldest first."""
        return door.call(self._inner.history)

    @property
    def usage(self) -> Usage:
        """All calls for this conversation: of answers retried or undone too, and in the background. A cost of None is unknown."""
        return door.call(self._inner.usage)

    @property
    def spent(self) -> Sequence[Spent]:
        """The same by day, model and purpose."""
        return door.call(self._inner.spent)

    @property
    def context(self) -> Context:
        """What the model would see now, with a report. Raises ContextTooLong."""
        return door.call(self._inner.context)

    @property
    def info(self) -> ConversationInfo:
        """What the store knows of this conversation."""
        return door.call(self._inner.info)

    @property
    def system(self) -> str:
        """The system prompt: this conversation's own, else the bot's, else the model's default."""
        return door.call(self._inner.system)

    @system.setter
    def system(self, text: str) -> None:
        door.call(lambda: self._inner.set_system(text))

    def unanswered(self) -> Entry | None:
        """The newest message of the user that got no whole answer: its call failed, or broke, or crashed."""
        return door.call(self._inner.unanswered)

    def rename(self, title: str) -> None:
        """Give it another title. Raises InvalidMessage."""
        door.call(lambda: self._inner.rename(title))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the current branch as the plain JSON list. Raises TranscriptFileError."""
        door.call(lambda: self._inner.save(path))

    def export(self, form: Form = "json") -> str:
        """This conversation as text: ``json`` is everything there is, every branch, for ``import_from``.

        ``plain``, the list of role and content, and ``markdown``, for reading, have the current branch.
        """
        return door.call(lambda: self._inner.export(form))

    def load(self, path: str | os.PathLike[str]) -> int:
        """Go on from a file that ``save`` or any other program wrote. Gives the number of messages.

        Raises TranscriptFileError.
        """
        return door.call(lambda: self._inner.load(path))
