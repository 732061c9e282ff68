"""The options of a chatbot and of an answer, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal

from anaphora.context.policy import Facts, Recall, Summary
from anaphora.context.window import Window
from anaphora.providers.base import Deadlines, Provider
from anaphora.providers.retry import Retries
from anaphora.stores.base import Store
from anaphora.tools.base import Confirm, Tool
from anaphora.turn.bot import AfterCall, BeforeCall
from anaphora.turn.timing import Timing
from anaphora.values.message import Message
from anaphora.values.options import AnswerOptions

if TYPE_CHECKING:
    from anaphora.guards.base import Check, Guard
    from anaphora.personas.persona import Persona

Tools = Sequence["Callable[..., Any] | Tool | str"]
# A list of messages, as every OpenAI client writes them, or a file that holds one.
Messages = Sequence["Mapping[str, Any] | Message"] | str | os.PathLike[str] | IO[str]


class TurnOptions(AnswerOptions, total=False):
    """Options of one answer. None leaves the bot's.

    model: The model of this answer, as ``"provider:model"`` or a Provider.
    system: The system prompt of this answer.
    tools: The tools of this answer: functions, Tool values, or names of built-in ones.
    """

    model: str | Provider | None
    system: str | None
    tools: Tools | None


class ChatbotOptions(AnswerOptions, total=False):
    """Options of a chatbot, beside its model. None is not set, for every option.

    system: The system prompt; None takes the one that suits the model best, "" none at all.
    messages: Messages that the bot's own conversation begins with, as ``[{"role": …, "content": …}]``, or a file with them.
    window: How much of a conversation the model sees verbatim: FitContext() (the default), FullHistory(), LastTurns(n),
        LastMessages(n), LastTokens(n).
    summary: Summary(…) of older messages; False for none.
    recall: Recall(…) quotes earlier messages that matter; False for none.
    facts: Facts(…) remembers facts about the user; False for none. With an ``owner``, recall and facts reach over all
        conversations of that owner, so give every person one of their own.
    context_window: The size of the model's context in tokens, where the provider does not say or is wrong.
    base_url: The address of the provider.
    api_key: The provider's key, if it is not in the environment.
    key_env: The environment variable that holds the key, if it is not the provider's own.
    headers: HTTP headers that go with every call of the provider, for example for a proxy.
    http_client: An ``httpx2.AsyncClient`` of your own, for proxies and certificates.
    deadlines: How long to wait for the provider: the longest silence in seconds, or Deadlines(…).
    retries: How often a call that failed is repeated: a number, or Retries(…).
    store: Where conversations are kept: the path of a SQLite file, a URL, or a Store. None or ":memory:" keeps them in memory.
    owner: The person whose conversations these are.
    wait: Seconds to wait while another answer in the same conversation is being written, before ConversationBusy is raised.
    titles: True to ask the model, in the background, for better titles than a conversation's first words.
    max_cost: The dollars that one conversation may cost; a call that may pass it is not made.
    models: Facts about models that you know better than the catalog, as ``{"provider:model": {"context_window": 32_000,
        "input": 0.1, "output": 0.4}}``, prices in dollars for a million tokens.
    tools: Functions with type hints and a docstring, Tool values, or names of built-in tools, that the model may call.
    mcp: MCP servers whose tools may be called too: the path of a file in the usual shape, or its content.
    confirm: A function that is called with a ToolCall before a tool acts in the world, and says True or False. Without it
        such tools are not run.
    max_steps: The most rounds of tool calls in one turn (8).
    guards: Functions that pass, change or refuse what is said.
    persona: The name of a persona of this package, the path of a file (.md), or a Persona; "" is none. Other
        options hold over it.
    before_call: A function that is called with every Request before it is sent, and may give a changed one.
    after_call: A function that is called with the Request and its Ended event when an answer has come.
    resume: False leaves alone the options that are stored with a conversation; else they hold where the bot's say nothing.
    timing: Times of the turn in seconds, as Timing(…): how often an answer is written down while it comes, for example.
    """

    system: str | None
    messages: Messages | None
    window: Window | None
    summary: Summary | Literal[False] | None
    recall: Recall | Literal[False] | None
    facts: Facts | Literal[False] | None
    context_window: int | None
    base_url: str | None
    api_key: str | None
    key_env: str | None
    headers: Mapping[str, str] | None
    http_client: Any
    deadlines: Deadlines | float | None
    retries: Retries | int | None
    store: Store | str | os.PathLike[str] | None
    owner: str | None
    wait: float | None
    titles: bool | None
    max_cost: float | None
    models: Mapping[str, Mapping[str, Any]] | None
    tools: Tools | None
    mcp: str | os.PathLike[str] | Mapping[str, Any] | None
    confirm: Confirm | None
    max_steps: int | None
    guards: Sequence[Guard | Check] | None
    persona: Persona | str | os.PathLike[str] | None
    before_call: BeforeCall | None
    after_call: AfterCall | None
    resume: bool | None
    timing: Timing | None
