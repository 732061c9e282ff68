"""anaphora: a chatbot that actually remembers.

``from anaphora import Chatbot`` is all that most programs need. Names are loaded when they are first used, so
importing costs nothing.
"""

from __future__ import annotations

from importlib import import_module

# What typing.TYPE_CHECKING is; importing typing would take as long as starting Python.
TYPE_CHECKING = False

__version__ = "0.1.0"

_HOMES = {
    "Chatbot": "anaphora.sync.chatbot",
    "Conversation": "anaphora.sync.conversation",
    "Reply": "anaphora.sync.reply",
    "AsyncChatbot": "anaphora.chat.chatbot",
    "AsyncConversation": "anaphora.chat.conversation",
    "AsyncReply": "anaphora.chat.reply",
    "Answer": "anaphora.values.answer",
    "FullHistory": "anaphora.context.window",
    "FitContext": "anaphora.context.window",
    "LastMessages": "anaphora.context.window",
    "LastTokens": "anaphora.context.window",
    "LastTurns": "anaphora.context.window",
    "Summary": "anaphora.context.summary",
    "Recall": "anaphora.context.recall",
    "Facts": "anaphora.context.facts",
    "Fact": "anaphora.values.memory",
    "Deadlines": "anaphora.providers.base",
    "Image": "anaphora.values.message",
    "InMemoryStore": "anaphora.stores.inmemory",
    "Message": "anaphora.values.message",
    "Retries": "anaphora.providers.retry",
    "ScriptedProvider": "anaphora.providers.scripted",
    "Usage": "anaphora.values.message",
    "AnaphoraError": "anaphora.errors",
}

if TYPE_CHECKING:
    from typing import Any

    from anaphora.chat.chatbot import AsyncChatbot as AsyncChatbot
    from anaphora.chat.conversation import AsyncConversation as AsyncConversation
    from anaphora.chat.reply import AsyncReply as AsyncReply
    from anaphora.context.facts import Facts as Facts
    from anaphora.context.recall import Recall as Recall
    from anaphora.context.summary import Summary as Summary
    from anaphora.context.window import FitContext as FitContext
    from anaphora.context.window import FullHistory as FullHistory
    from anaphora.context.window import LastMessages as LastMessages
    from anaphora.context.window import LastTokens as LastTokens
    from anaphora.context.window import LastTurns as LastTurns
    from anaphora.errors import AnaphoraError as AnaphoraError
    from anaphora.providers.base import Deadlines as Deadlines
    from anaphora.providers.retry import Retries as Retries
    from anaphora.providers.scripted import ScriptedProvider as ScriptedProvider
    from anaphora.stores.inmemory import InMemoryStore as InMemoryStore
    from anaphora.sync.chatbot import Chatbot as Chatbot
    from anaphora.sync.conversation import Conversation as Conversation
    from anaphora.sync.reply import Reply as Reply
    from anaphora.values.answer import Answer as Answer
    from anaphora.values.memory import Fact as Fact
    from anaphora.values.message import Image as Image
    from anaphora.values.message import Message as Message
    from anaphora.values.message import Usage as Usage

__all__ = [  # noqa: PLE0604 -- the names of the table above
    "__version__",
    *_HOMES,
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'anaphora' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
