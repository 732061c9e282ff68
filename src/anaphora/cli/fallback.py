"""Asks and shows the answer, also where it cannot be kept: on a full disk or without a place to write it is still given."""

from __future__ import annotations

from collections.abc import Callable

from anaphora.chat.options import ChatbotOptions
from anaphora.cli.exit import report
from anaphora.cli.resume import keep_in_memory, open_model
from anaphora.cli.session import Session
from anaphora.errors import StoreError, StoreUnusable
from anaphora.stores.inmemory import InMemoryStore
from anaphora.sync.conversation import Conversation
from anaphora.values.answer import Answer
from anaphora.values.transcript import ConversationInfo, Entry


def answered(session: Session, ask: Callable[[Conversation], Answer]) -> Answer:
    """The answer that ``ask`` gets. Raises AnaphoraError.

    What cannot be stored is said, and the chat goes on in memory with what can still be read.
    """
    try:
        return ask(session.conversation)
    except StoreUnusable as error:
        report(error)
        if isinstance(error.answer, Answer):
            return error.answer
        _go_on_in_memory(session)
        return ask(session.conversation)


def _go_on_in_memory(session: Session) -> None:
    session.tell("From here on nothing of this conversation is kept.")
    info, entries = _readable(session.conversation)
    store = InMemoryStore()
    keep_in_memory(store, info, entries)
    options = ChatbotOptions(**{**session.options, "store": store})
    session.replace_bot(open_model(session.bot.model, options, quiet=session.quiet), options, session.settings, info)


def _readable(conversation: Conversation) -> tuple[ConversationInfo, list[Entry]]:
    """Gives the part of a conversation that can be read."""
    try:
        return conversation.info(), list(conversation.history())
    except StoreError:
        return ConversationInfo(conversation.id, "", None, None, 0.0, 0.0, 0), []
