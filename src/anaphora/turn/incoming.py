"""Receives the message of a turn: takes the lease, lets the guards look, stores the words, and knows a message by its key."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio

from anaphora.errors import ConversationBusy, InvalidAnswer, InvalidMessage
from anaphora.stores.records import Begun, Change, Draft
from anaphora.stores.run_records import input_id
from anaphora.turn.request import AnswerAgain, Continue, Edit, GiveResults, Say, Task, TurnParts
from anaphora.turn.unanswered import answers_below, is_answer, message_to_answer, unanswered
from anaphora.values.answer import Answer
from anaphora.values.message import Image, Message, Text, text_message
from anaphora.values.transcript import START, Entry, Size, first_title

if TYPE_CHECKING:
    from anaphora.guards.base import Guard, Refusal

# Sent for the user, where a provider cannot be given the beginning of its answer.
CONTINUE = "Please go on exactly where you stopped."


@dataclass(frozen=True, slots=True)
class Incoming:
    """The user message to answer, and the stored tool results after which the answer continues."""

    user: Entry
    results: Entry | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The lease of a turn, and its new message if the task has one: as ``hidden`` guards left it, perhaps with a refusal.

    The other ``guards`` have not looked yet.
    """

    begun: Begun
    text: str = ""
    images: tuple[Image, ...] = ()
    key: str | None = None
    refusal: Refusal | None = None
    guards: tuple[Guard, ...] = ()


async def open_turn(turn: TurnParts) -> Opened:
    """Takes the lease. A new message of the user is durable from here on.

    Raises ConversationBusy if another writer does not let go in time, and GuardFailed.
    """
    match turn.request.task:
        case Say(text, images, key, above, below):
            hidden, refusal, others = await _hidden(turn, text)
            draft = _draft(turn, hidden, images, is_checked=not others and refusal is None)
            draft = replace(draft, at_head=below is None, parent=below or None, key=key)
            return Opened(await _begun(turn, _with_ids(turn, draft, above)), hidden, images, key, refusal, others)
        case GiveResults(results, above, below):
            message = Message("tool", results)
            draft = Draft(below or None, message, "complete", _estimated(turn, message), at_head=below is None)
            return Opened(await _begun(turn, _with_ids(turn, draft, above)))
        case Edit(message, text):
            hidden, refusal, others = await _hidden(turn, text)
            draft = _draft(turn, hidden, (), is_checked=not others and refusal is None)
            draft = replace(draft, parent=message.parent)
            return Opened(await _begun(turn, draft), hidden, (), None, refusal, others)
        case AnswerAgain() | Continue():
            return Opened(await _begun(turn, None))


async def receive(turn: TurnParts, opened: Opened) -> Incoming | Answer[Any]:
    """Gives the message that the turn answers; or the answer, if a guard refused the message or it was answered before.

    Raises InvalidMessage, InvalidAnswer and GuardFailed.
    """
    task: Task = turn.request.task
    if isinstance(task, AnswerAgain):
        message = await message_to_answer(turn.bot.store, turn.scope)
        if message is None or not message.text.strip():
            raise InvalidMessage("there is no message yet to answer anew.")
        return await _again(turn, opened, message, None)
    if isinstance(task, Continue):
        return await _continued(turn, opened)
    if isinstance(task, GiveResults):
        return await _with_results(turn, opened)
    return await _checked(turn, opened)


async def _with_results(turn: TurnParts, opened: Opened) -> Incoming:
    """Goes on after results, with the answer to the user's message before them. Raises InvalidMessage if there is none."""
    results = opened.begun.entry
    if results is None:
        raise RuntimeError("a turn with results began without them")
    branch = await turn.bot.store.branch(turn.scope, results.id, reach=START)
    user = next((entry for entry in reversed(branch) if entry.role == "user"), None)
    if user is None:
        raise InvalidMessage("there is no message of the user that these results belong to.")
    return Incoming(user, results)


def _with_ids(turn: TurnParts, draft: Draft, above: Sequence[Message]) -> Draft:
    """Gives a draft with the messages above it, and with the ids of the run that it belongs to."""
    drafts = [Draft(None, message, "complete", _estimated(turn, message)) for message in above]
    seed = turn.request.seed
    if seed:
        drafts = [replace(one, id=input_id(seed, place)) for place, one in enumerate(drafts)]
        draft = replace(draft, id=input_id(seed, len(drafts)))
    return replace(draft, above=tuple(drafts))


async def _continued(turn: TurnParts, opened: Opened) -> Incoming | Answer[Any]:
    store, scope = turn.bot.store, turn.scope
    message = await unanswered(store, scope)
    if message is None:
        head = (await store.info(scope)).head
        if head is None:
            raise InvalidMessage("there is no answer yet to go on with.")
        return Incoming(await store.append(scope, replace(_draft(turn, CONTINUE), parent=head)))
    came = await answers_below(store, scope, message.id)
    cut = next(
        (entry for entry in reversed(came) if entry.role == "tool" or (entry.status == "interrupted" and entry.text)), None
    )
    if cut is not None and cut.role == "assistant":
        return Incoming(await store.append(scope, replace(_draft(turn, CONTINUE), parent=cut.id)))
    # Tools that were run are not run again: their results are there.
    return await _again(turn, opened, message, cut)


async def _again(turn: TurnParts, opened: Opened, message: Entry, results: Entry | None) -> Incoming | Answer[Any]:
    """Answers a stored message. One that the guards have not passed is stored anew, so that they see it."""
    if message.status == "complete":
        return Incoming(message, results)
    images = tuple(part for part in message.message.parts if isinstance(part, Image))
    hidden, refusal, others = await _hidden(turn, message.text)
    draft = _draft(turn, hidden, images, is_checked=not others and refusal is None)
    user = await turn.bot.store.append(turn.scope, replace(draft, parent=message.parent))
    begun = replace(opened.begun, entry=user)
    return await _checked(turn, Opened(begun, hidden, images, None, refusal, others))


async def _hidden(turn: TurnParts, text: str) -> tuple[str, Refusal | None, tuple[Guard, ...]]:
    """Lets the guards look that hide secrets; gives the text, a refusal, and the guards that look later."""
    guards = turn.bot.guards
    if not guards:
        return text, None, ()
    from anaphora.guards.base import guarded

    text, refusal = await guarded([guard for guard in guards if guard.hides], "message", text)
    return text, refusal, tuple(guard for guard in guards if not guard.hides and "message" in guard.on)


def _draft(turn: TurnParts, text: str, images: Sequence[Image] = (), *, is_checked: bool = True) -> Draft:
    """Makes a draft of a user message. It names the conversation, unless a guard still has to look."""
    message = Message("user", (*images, Text(text)) if text or not images else tuple(images))
    title = first_title(turn.scope.conversation, text) if is_checked else ""
    return Draft(None, message, "complete" if is_checked else "pending", _estimated(turn, message), title=title)


async def _begun(turn: TurnParts, draft: Draft | None) -> Begun:
    """Takes the lease, waiting for another writer as long as the request allows. Raises ConversationBusy."""
    end = time.monotonic() + turn.request.wait
    timing, store = turn.bot.timing, turn.bot.store
    # A store of one's own need not know runs.
    run: dict[str, Any] = {} if turn.request.run is None else {"run": turn.request.run}
    while True:
        try:
            with anyio.CancelScope(shield=True):
                return await store.begin(turn.scope, draft, seconds=timing.lease, **run)
        except ConversationBusy:
            if time.monotonic() >= end:
                raise
        await anyio.sleep(timing.poll)


async def _checked(turn: TurnParts, opened: Opened) -> Incoming | Answer[Any]:
    """Lets the other guards look at a message that is stored; a message with a known key is recognised."""
    user = opened.begun.entry
    if user is None:
        raise RuntimeError("a turn with a new message began without it")
    if user.status == "interrupted":
        # No guard has passed the message that is stored under this key: it is said anew.
        parent = (await turn.bot.store.info(turn.scope)).head
        draft = replace(_draft(turn, opened.text, opened.images, is_checked=False), parent=parent)
        user = await turn.bot.store.append(turn.scope, draft)
    text, refusal = opened.text, opened.refusal
    if user.status == "pending":
        return await _pass_guards(turn, opened, user)
    below = await answers_below(turn.bot.store, turn.scope, user.id) if opened.key is not None else []
    if user.status == "refused":
        # It was said under this key, and refused, before.
        return _refusal_answer(turn, below[-1].text if below else "")
    if opened.key is None:
        return Incoming(user)
    if opened.guards:
        from anaphora.guards.base import guarded

        # The guards changed the message that is stored under the key.
        text, refusal = await guarded(opened.guards, "message", text)
    if user.message.parts != (*opened.images, Text(text if refusal is None else user.text)):
        raise InvalidMessage(f"the key {opened.key!r} belongs to another message: take a new one for each.")
    answer = next((entry for entry in below if is_answer(entry)), None)
    if answer is not None:
        return _answered_before(turn, answer)
    # The same words a second time: tools that were run for them are not run again.
    return Incoming(user, next((entry for entry in reversed(below) if entry.role == "tool"), None))


async def _pass_guards(turn: TurnParts, opened: Opened, user: Entry) -> Incoming | Answer[Any]:
    from anaphora.guards.base import Refusal, guarded

    text, refusal = opened.text, opened.refusal
    if refusal is None:
        text, refusal = await guarded(opened.guards, "message", text)
    if refusal is None and not (text.strip() or opened.images):
        refusal = Refusal("There is nothing left of this message.")
    message = Message("user", (*opened.images, Text(text)))
    store, scope = turn.bot.store, turn.scope
    change = Change(message, "complete" if refusal is None else "refused", _estimated(turn, message))
    with anyio.CancelScope(shield=True):
        user = await store.change(scope, user.id, change)
        if refusal is not None:
            told = text_message("assistant", refusal.text)
            await store.append(scope, Draft(user.id, told, "refused", _estimated(turn, told)))
        elif not (await store.info(scope)).title:
            await store.describe(scope, title=first_title(scope.conversation, text))
    return Incoming(user) if refusal is None else _refusal_answer(turn, refusal.text)


def _answered_before(turn: TurnParts, answer: Entry) -> Answer[Any]:
    from anaphora.schema.values import NotOfType

    shape = turn.request.shape
    try:
        value = shape.read(answer.text) if shape else None
    except NotOfType as error:
        raise InvalidAnswer(answer.text, str(error)) from None
    return Answer(answer.message, answer.status, usage=answer.usage, model=answer.model, value=value)


def _refusal_answer(turn: TurnParts, text: str) -> Answer[Any]:
    return Answer(text_message("assistant", text), "refused", seconds=time.monotonic() - turn.begun)


def _estimated(turn: TurnParts, message: Message) -> Size:
    return Size(turn.bot.model.estimate.count(message))
