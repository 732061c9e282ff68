"""The verbs of a conversation without await. A chatbot has them too, and means its own conversation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from anaphora.chat.options import Messages, Tools, TurnOptions
from anaphora.chat.reply import AsyncReply
from anaphora.chat.transcript_verbs import AsyncTranscriptVerbs, Form
from anaphora.chat.verbs import AsyncAnswerVerbs, Images, edit_task, say_task
from anaphora.providers.base import Provider
from anaphora.sync.parity import same_as
from anaphora.sync.portal import portal
from anaphora.sync.reply import Reply
from anaphora.turn.request import AnswerAgain, Continue, Task
from anaphora.values.answer import Answer
from anaphora.values.message import Role
from anaphora.values.transcript import ConversationInfo, Entry

if TYPE_CHECKING:
    from anaphora.context.plan import Context
    from anaphora.documents.store import Document
    from anaphora.values.memory import BlockSummary

V = TypeVar("V")


class AnswerVerbs:
    """Verbs that begin a turn."""

    _inner: AsyncAnswerVerbs

    @overload
    def say(self, text: str, *, images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]) -> Answer: ...

    @overload
    def say(
        self, text: str, *, output_type: type[V], images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]
    ) -> Answer[V]: ...

    @overload
    def say(
        self, text: str, *, output_type: Any, images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]
    ) -> Answer[Any]: ...

    @same_as(AsyncAnswerVerbs.say)
    def say(
        self,
        text: str,
        *,
        output_type: Any = None,
        images: Images = (),
        key: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> Answer[Any]:
        return self._reply(say_task(text, images, key), options, output_type, is_streamed=False).answer()

    @overload
    def stream(self, text: str, *, images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]) -> Reply: ...

    @overload
    def stream(
        self, text: str, *, output_type: type[V], images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]
    ) -> Reply[V]: ...

    @overload
    def stream(
        self, text: str, *, output_type: Any, images: Images = (), key: str | None = None, **options: Unpack[TurnOptions]
    ) -> Reply[Any]: ...

    @same_as(AsyncAnswerVerbs.stream)
    def stream(
        self,
        text: str,
        *,
        output_type: Any = None,
        images: Images = (),
        key: str | None = None,
        **options: Unpack[TurnOptions],
    ) -> Reply[Any]:
        return self._reply(say_task(text, images, key), options, output_type)

    @same_as(AsyncAnswerVerbs.candidates)
    def candidates(self, text: str, n: int, *, images: Images = (), **options: Unpack[TurnOptions]) -> tuple[Answer, ...]:
        return portal.call(lambda: self._inner.candidates(text, n, images=images, **options))

    @same_as(AsyncAnswerVerbs.retry)
    def retry(self, **options: Unpack[TurnOptions]) -> Answer:
        return self._reply(AnswerAgain(), options, is_streamed=False).answer()

    @same_as(AsyncAnswerVerbs.retry_stream)
    def retry_stream(self, **options: Unpack[TurnOptions]) -> Reply:
        return self._reply(AnswerAgain(), options)

    @same_as(AsyncAnswerVerbs.continue_answer)
    def continue_answer(self, **options: Unpack[TurnOptions]) -> Answer:
        return self._reply(Continue(), options, is_streamed=False).answer()

    @same_as(AsyncAnswerVerbs.continue_stream)
    def continue_stream(self, **options: Unpack[TurnOptions]) -> Reply:
        return self._reply(Continue(), options)

    @same_as(AsyncAnswerVerbs.edit)
    def edit(self, message: Entry, text: str, **options: Unpack[TurnOptions]) -> Answer:
        return self._reply(edit_task(message, text), options, is_streamed=False).answer()

    @same_as(AsyncAnswerVerbs.edit_stream)
    def edit_stream(self, message: Entry, text: str, **options: Unpack[TurnOptions]) -> Reply:
        return self._reply(edit_task(message, text), options)

    def _reply(self, task: Task, options: TurnOptions, output_type: Any = None, *, is_streamed: bool = True) -> Reply[Any]:
        async def begun() -> AsyncReply[Any]:
            return self._inner.begin(task, options, output_type, is_streamed=is_streamed)

        return Reply(portal.call(begun))


class TranscriptVerbs:
    """Verbs of one transcript."""

    _inner: AsyncTranscriptVerbs

    @same_as(AsyncTranscriptVerbs.history)
    def history(self) -> tuple[Entry, ...]:
        return portal.call(self._inner.history)

    @same_as(AsyncTranscriptVerbs.info)
    def info(self) -> ConversationInfo:
        return portal.call(self._inner.info)

    @same_as(AsyncTranscriptVerbs.context)
    def context(self) -> Context:
        return portal.call(self._inner.context)

    @same_as(AsyncTranscriptVerbs.context_for)
    def context_for(self, text: str) -> Context:
        return portal.call(lambda: self._inner.context_for(text))

    @same_as(AsyncTranscriptVerbs.undo)
    def undo(self) -> Entry | None:
        return portal.call(self._inner.undo)

    @same_as(AsyncTranscriptVerbs.clear)
    def clear(self) -> None:
        portal.call(self._inner.clear)

    @same_as(AsyncTranscriptVerbs.branches)
    def branches(self) -> tuple[Entry, ...]:
        return portal.call(self._inner.branches)

    @same_as(AsyncTranscriptVerbs.goto)
    def goto(self, message: Entry | str) -> None:
        portal.call(lambda: self._inner.goto(message))

    @same_as(AsyncTranscriptVerbs.unanswered)
    def unanswered(self) -> Entry | None:
        return portal.call(self._inner.unanswered)

    @same_as(AsyncTranscriptVerbs.append)
    def append(self, role: Role, text: str) -> Entry:
        return portal.call(lambda: self._inner.append(role, text))

    @same_as(AsyncTranscriptVerbs.load)
    def load(self, source: Messages) -> int:
        return portal.call(lambda: self._inner.load(source))

    @same_as(AsyncTranscriptVerbs.save)
    def save(self, path: str | os.PathLike[str]) -> None:
        portal.call(lambda: self._inner.save(path))

    @same_as(AsyncTranscriptVerbs.export)
    def export(self, form: Form = "json") -> Any:
        return portal.call(lambda: self._inner.export(form))

    @same_as(AsyncTranscriptVerbs.use)
    def use(self, *, model: str | Provider | None = None, system: str | None = None, tools: Tools | None = None) -> None:
        portal.call(lambda: self._inner.use(model=model, system=system, tools=tools))

    @same_as(AsyncTranscriptVerbs.system)
    def system(self) -> str:
        return portal.call(self._inner.system)

    @same_as(AsyncTranscriptVerbs.rename)
    def rename(self, title: str) -> None:
        portal.call(lambda: self._inner.rename(title))

    @same_as(AsyncTranscriptVerbs.summarise)
    def summarise(self) -> tuple[BlockSummary, ...]:
        return portal.call(self._inner.summarise)

    @same_as(AsyncTranscriptVerbs.read)
    def read(self, source: str | os.PathLike[str] | bytes, *, name: str | None = None) -> Document:
        return portal.call(lambda: self._inner.read(source, name=name))

    @same_as(AsyncTranscriptVerbs.documents)
    def documents(self) -> tuple[Document, ...]:
        return portal.call(self._inner.documents)

    @same_as(AsyncTranscriptVerbs.forget)
    def forget(self, message: Entry | Document | str, *, answers: bool = False) -> None:
        portal.call(lambda: self._inner.forget(message, answers=answers))

    @same_as(AsyncTranscriptVerbs.delete)
    def delete(self) -> None:
        portal.call(self._inner.delete)

    @same_as(AsyncTranscriptVerbs.stop)
    def stop(self) -> None:
        portal.call(self._inner.stop)

    @same_as(AsyncTranscriptVerbs.wait_for_background)
    def wait_for_background(self, seconds: float | None = None) -> None:
        portal.call(lambda: self._inner.wait_for_background(seconds))
