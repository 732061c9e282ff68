"""The verbs that are answered. A chatbot has them too, and means its own conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, TypeVar, Unpack, overload

import anyio

from anaphora.chat.image_source import ImageSource, image_of
from anaphora.chat.open_conversation import OpenConversation
from anaphora.chat.options import TurnOptions
from anaphora.chat.reply import AsyncReply
from anaphora.chat.resolve import answer_options
from anaphora.chat.signatures import shows_options
from anaphora.errors import ConfigError, InvalidMessage
from anaphora.turn.request import AnswerAgain, Continue, Edit, Say, Task
from anaphora.values.answer import Answer
from anaphora.values.message import Image, checked_text
from anaphora.values.transcript import Entry

V = TypeVar("V")
Images = Sequence[ImageSource] | ImageSource


class AsyncAnswerVerbs:
    """Verbs that begin a turn."""

    _open: OpenConversation

    @overload
    async def say(self, text: str, *, images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]) -> Answer: ...

    @overload
    async def say(
        self, text: str, *, output_type: type[V], images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]
    ) -> Answer[V]: ...

    @overload
    async def say(
        self, text: str, *, output_type: Any, images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]
    ) -> Answer[Any]: ...

    @shows_options(TurnOptions)
    async def say(
        self,
        text: str,
        *,
        output_type: Any = None,
        images: Images = (),
        key: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> Answer[Any]:
        """Says something and waits for the whole answer.

        ``output_type`` is the type that the answer must have (a dataclass, a TypedDict, a pydantic model, any type hint, or a
        JSON schema as a dict): ``answer.value`` is of it. ``images`` are shown with the message: paths, bytes or Image values.
        With a ``key`` of the caller's own the message is said once, however often it is requested: a second call gives the
        first answer, or tries again if there is none.

        Raises InvalidMessage, InvalidAnswer, ContextTooLong, ProviderError, StoreError and other kinds of AnaphoraError. The
        transcript keeps the message in any case.
        """
        return await self.begin(say_task(text, images, key), options, output_type, is_streamed=False).answer()

    @overload
    def stream(self, text: str, *, images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]) -> AsyncReply: ...

    @overload
    def stream(
        self, text: str, *, output_type: type[V], images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]
    ) -> AsyncReply[V]: ...

    @overload
    def stream(
        self, text: str, *, output_type: Any, images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]
    ) -> AsyncReply[Any]: ...

    @shows_options(TurnOptions)
    def stream(
        self,
        text: str,
        *,
        output_type: Any = None,
        images: Images = (),
        key: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> AsyncReply[Any]:
        """Says something and gives the answer as it comes. The turn begins at once, also if nobody reads the reply.

        The arguments are those of ``say``. With an ``output_type`` the reply's ``values`` grow as the answer comes. Raises
        InvalidMessage and ConfigError; all other errors are raised where the reply is read.
        """
        return self.begin(say_task(text, images, key), options, output_type, is_streamed=True)

    @shows_options(TurnOptions)
    async def candidates(self, text: str, n: int, *, images: Images = (), **options: Unpack[TurnOptions]) -> tuple[Answer, ...]:
        """Says something and has it answered ``n`` times. The answers are siblings; the conversation continues from the first.

        Raises the error that ended an answer; the answers that came by then are kept.
        """
        if type(n) is not int or n < 1:
            raise ConfigError(f"n must be a whole number from 1, not {n!r}.")
        answers = [await self.say(text, images=images, **options)]
        store, scope = self._open.shared.store, self._open.scope
        first = (await store.info(scope)).head
        try:
            while len(answers) < n:
                answers.append(await self.retry(**options))
        finally:
            with anyio.CancelScope(shield=True):
                await store.move_head(scope, first)
        return tuple(answers)

    @shows_options(TurnOptions)
    async def retry(self, **options: Unpack[TurnOptions]) -> Answer:
        """Answers the last message anew, also one whose answer failed. The old answer stays in the transcript.

        Raises InvalidMessage if there is no message yet.
        """
        return await self.begin(AnswerAgain(), options, is_streamed=False).answer()

    @shows_options(TurnOptions)
    def retry_stream(self, **options: Unpack[TurnOptions]) -> AsyncReply:
        """Answers the last message anew, and gives the answer as it comes."""
        return self.begin(AnswerAgain(), options, is_streamed=True)

    @shows_options(TurnOptions)
    async def continue_answer(self, **options: Unpack[TurnOptions]) -> Answer:
        """Continues an interrupted answer. If no text had arrived, answers again from the start.

        Raises InvalidMessage if there is no answer yet.
        """
        return await self.begin(Continue(), options, is_streamed=False).answer()

    @shows_options(TurnOptions)
    def continue_stream(self, **options: Unpack[TurnOptions]) -> AsyncReply:
        """Continues an interrupted answer, and gives its rest as it comes."""
        return self.begin(Continue(), options, is_streamed=True)

    @shows_options(TurnOptions)
    async def edit(self, message: Entry, text: str, **options: Unpack[TurnOptions]) -> Answer:
        """Says something else instead of an earlier message of the user, on a branch of its own. The old message stays.

        ``message`` is one of ``history()``. Raises InvalidMessage for any other.
        """
        return await self.begin(edit_task(message, text), options, is_streamed=False).answer()

    @shows_options(TurnOptions)
    def edit_stream(self, message: Entry, text: str, **options: Unpack[TurnOptions]) -> AsyncReply:
        """Says something else instead of an earlier message, and gives the answer as it comes."""
        return self.begin(edit_task(message, text), options, is_streamed=True)

    def begin(self, task: Task, options: TurnOptions, output_type: Any = None, *, is_streamed: bool) -> AsyncReply[Any]:
        """Begins a turn in the running event loop and gives its reply. Raises ConfigError."""
        shape = None
        if output_type is not None and output_type is not str:
            from anaphora.schema.shape import shape_of

            shape = shape_of(output_type)
        answer = answer_options(self._open.options, options)
        choices = self._open.choices(options.get("model"), options.get("system"), options.get("tools"))
        turn = self._open.begin(task, answer, choices, shape=shape, is_streamed=is_streamed)
        return AsyncReply(turn, is_text=output_type is str)


def say_task(text: str, images: Images, key: str | None) -> Say:
    """Makes the task of saying something. Raises InvalidMessage."""
    if isinstance(images, str | bytes | PathLike | Image):
        # One picture instead of a list.
        images = (images,)
    if not isinstance(images, Iterable):
        raise ConfigError(f"images must be a list of paths, bytes or Image values, not {images!r}.")
    if key is not None and not isinstance(key, str):
        raise ConfigError(f"key must be a text, not {key!r}.")
    return Say(checked_text(text), tuple(map(image_of, images)), key)


def edit_task(message: Entry, text: str) -> Edit:
    """Makes the task of saying something else instead of a message. Raises InvalidMessage."""
    if not isinstance(message, Entry):
        raise InvalidMessage(f"a message of history() must be given to edit, not {message!r}.")
    if message.role != "user":
        raise InvalidMessage(f"only the user's own messages can be edited, not one of the {message.role}.")
    return Edit(message, checked_text(text))
