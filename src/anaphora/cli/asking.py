"""Asks and shows the answer, also where it cannot be kept: on a full disk or without a place to write it is still given."""

from __future__ import annotations

from collections.abc import Callable

from anaphora.cli.main import report
from anaphora.cli.opening import Opened, open_model
from anaphora.door import door
from anaphora.errors import StoreError, StoreUnusable
from anaphora.reply import Answer
from anaphora.stores.inmemory import InMemoryStore
from anaphora.sync import Conversation
from anaphora.transcript import ConversationInfo, Entry


def answered(opened: Opened, ask: Callable[[Conversation], Answer]) -> Answer:
    """The answer that ``ask`` gets. Raises AnaphoraError.

    What cannot be stored is said, and the chat goes on in memory with what can still be read.
    """
    try:
        return ask(opened.conversation)
    except StoreUnusable as error:
        report(error)
        if isinstance(error.answer, Answer):
            return error.answer
        _go_on_in_memory(opened)
        return ask(opened.conversation)


def _go_on_in_memory(opened: Opened) -> None:
    opened.tell("From here on nothing of this conversation is kept.")
    info, entries = _readable(opened.conversation)
    store = InMemoryStore()
    door.call(lambda: store.restore("me", info, entries))
    before = opened.bot
    opened.options["store"] = store
    opened.bot = open_model(before.model, opened.options, quiet=opened.quiet)
    opened.conversation = opened.bot.conversation(info)
    before.close()


def _readable(conversation: Conversation) -> tuple[ConversationInfo, list[Entry]]:
    """What of it can be read."""
    try:
        return conversation.info, list(conversation.history)
    except StoreError:
        return ConversationInfo(conversation.id, "", None, None, 0.0, 0.0, 0), []
