"""anaphora: a chatbot that actually remembers.

``from anaphora import Chatbot`` is all that most programs need. Names are loaded when they are first used, so importing costs
nothing.
"""

from __future__ import annotations

from importlib import import_module

# This is typing.TYPE_CHECKING; importing typing would take as long as starting Python.
TYPE_CHECKING = False

__version__ = "0.1.0"

_NAMES = {
    "anaphora.chat.chatbot": "AsyncChatbot",
    "anaphora.chat.conversation": "AsyncConversation",
    "anaphora.chat.options": "ChatbotOptions TurnOptions",
    "anaphora.chat.reply": "AsyncReply",
    "anaphora.context.policy": "Facts Recall Summary",
    "anaphora.context.window": "FitContext FullHistory LastMessages LastTokens LastTurns",
    "anaphora.errors": "AnaphoraError AuthenticationFailed ConfigError ContextTooLong ConversationBusy "
    " CostLimitReached DocumentError GuardFailed InvalidAnswer InvalidMessage NotFound "
    "ProviderError RateLimited StoreError",
    "anaphora.guards.base": "Guard Refusal guard",
    "anaphora.personas.persona": "Persona",
    "anaphora.providers.base": "Deadlines",
    "anaphora.providers.retry": "Retries",
    "anaphora.providers.scripted": "ScriptedProvider",
    "anaphora.stores.inmemory": "InMemoryStore",
    "anaphora.stores.sqlite.store": "SQLiteStore",
    "anaphora.sync.chatbot": "Chatbot",
    "anaphora.sync.conversation": "Conversation",
    "anaphora.sync.reply": "Reply",
    "anaphora.tools.base": "Caller Tool ToolFailed",
    "anaphora.tools.functions": "tool",
    "anaphora.turn.bot": "Timing",
    "anaphora.values.answer": "Answer",
    "anaphora.values.events": "Event Finished Planned Refused Retrying TextDelta ThinkingDelta ToolEnded ToolStarted Warned",
    "anaphora.values.memory": "Fact",
    "anaphora.values.message": "Image Message Text Usage",
    "anaphora.values.transcript": "ConversationInfo Entry",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

if TYPE_CHECKING:
    from typing import Any

    from anaphora.chat.chatbot import AsyncChatbot as AsyncChatbot
    from anaphora.chat.conversation import AsyncConversation as AsyncConversation
    from anaphora.chat.options import ChatbotOptions as ChatbotOptions
    from anaphora.chat.options import TurnOptions as TurnOptions
    from anaphora.chat.reply import AsyncReply as AsyncReply
    from anaphora.context.policy import Facts as Facts
    from anaphora.context.policy import Recall as Recall
    from anaphora.context.policy import Summary as Summary
    from anaphora.context.window import FitContext as FitContext
    from anaphora.context.window import FullHistory as FullHistory
    from anaphora.context.window import LastMessages as LastMessages
    from anaphora.context.window import LastTokens as LastTokens
    from anaphora.context.window import LastTurns as LastTurns
    from anaphora.errors import AnaphoraError as AnaphoraError
    from anaphora.errors import AuthenticationFailed as AuthenticationFailed
    from anaphora.errors import ConfigError as ConfigError
    from anaphora.errors import ContextTooLong as ContextTooLong
    from anaphora.errors import ConversationBusy as ConversationBusy
    from anaphora.errors import CostLimitReached as CostLimitReached
    from anaphora.errors import DocumentError as DocumentError
    from anaphora.errors import GuardFailed as GuardFailed
    from anaphora.errors import InvalidAnswer as InvalidAnswer
    from anaphora.errors import InvalidMessage as InvalidMessage
    from anaphora.errors import NotFound as NotFound
    from anaphora.errors import ProviderError as ProviderError
    from anaphora.errors import RateLimited as RateLimited
    from anaphora.errors import StoreError as StoreError
    from anaphora.guards.base import Guard as Guard
    from anaphora.guards.base import Refusal as Refusal
    from anaphora.guards.base import guard as guard
    from anaphora.personas.persona import Persona as Persona
    from anaphora.providers.base import Deadlines as Deadlines
    from anaphora.providers.retry import Retries as Retries
    from anaphora.providers.scripted import ScriptedProvider as ScriptedProvider
    from anaphora.stores.inmemory import InMemoryStore as InMemoryStore
    from anaphora.stores.sqlite.store import SQLiteStore as SQLiteStore
    from anaphora.sync.chatbot import Chatbot as Chatbot
    from anaphora.sync.conversation import Conversation as Conversation
    from anaphora.sync.reply import Reply as Reply
    from anaphora.tools.base import Caller as Caller
    from anaphora.tools.base import Tool as Tool
    from anaphora.tools.base import ToolFailed as ToolFailed
    from anaphora.tools.functions import tool as tool
    from anaphora.turn.timing import Timing as Timing
    from anaphora.values.answer import Answer as Answer
    from anaphora.values.events import Event as Event
    from anaphora.values.events import Finished as Finished
    from anaphora.values.events import Planned as Planned
    from anaphora.values.events import Refused as Refused
    from anaphora.values.events import Retrying as Retrying
    from anaphora.values.events import TextDelta as TextDelta
    from anaphora.values.events import ThinkingDelta as ThinkingDelta
    from anaphora.values.events import ToolEnded as ToolEnded
    from anaphora.values.events import ToolStarted as ToolStarted
    from anaphora.values.events import Warned as Warned
    from anaphora.values.memory import Fact as Fact
    from anaphora.values.message import Image as Image
    from anaphora.values.message import Message as Message
    from anaphora.values.message import Text as Text
    from anaphora.values.message import Usage as Usage
    from anaphora.values.transcript import ConversationInfo as ConversationInfo
    from anaphora.values.transcript import Entry as Entry

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
