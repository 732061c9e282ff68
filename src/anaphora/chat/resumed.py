"""A bot that goes on with a conversation as its stored options ask for.

What the program says itself holds over what is stored, and that over every default. Functions and servers of tools are given
again by each program; the terminal program (cli/resume.py) is one that gives the servers it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from anaphora.chat.option_values import checked_values
from anaphora.chat.options import ChatbotOptions
from anaphora.chat.resolve import DEFAULT_MODEL, ModelSource, Resolved, chosen_tools, dollars, source, with_persona
from anaphora.chat.signatures import check_options
from anaphora.chat.stored_settings import merged_settings, usable_settings
from anaphora.turn.bot import Bot
from anaphora.values.message import Options, valid_text
from anaphora.values.options import AnswerOptions, chosen_options

# The stored options that another model is opened for.
_OF_MODEL = {"model", "base_url", "key_env", "context_window", "deadlines", "persona"}


@dataclass(frozen=True, slots=True)
class Resumed:
    """A bot with the options that are stored with a conversation, where its own say nothing.

    ``source`` opens further models of its service, None is the bot's own. ``answer`` are the options of its answers.
    """

    bot: Bot
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: ModelSource | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)

    def options_below(self, options: Options) -> Options:
        """Gives the options of an answer with those that were stored where nothing else was chosen."""
        unset = Options()
        more = {name: value for name, value in self.answer.items() if getattr(options, name) == getattr(unset, name)}
        return chosen_options(options, cast("AnswerOptions", more)) if more else options


def resumed(resolved: Resolved, stored: Mapping[str, Any]) -> Resumed:
    """Gives the bot as a conversation's stored options ask for it. The program's own options hold over them.

    Raises ConfigError for an option that cannot be used any more.
    """
    bot, chosen = resolved.bot, {name: value for name, value in resolved.chosen.items() if value is not None}
    if chosen.get("resume") is False:
        return Resumed(bot, stored)
    # Servers of tools and functions are given again by each program.
    stays = {"mcp", *chosen, *(("model",) if resolved.model else ())}
    if not chosen.keys().isdisjoint({"api_key", "headers", "http_client"}):
        # What was given for the program's own service goes to no stored address.
        stays |= {"base_url", "key_env"}
    more = {name: value for name, value in merged_settings(usable_settings(stored), resolved.given).items() if name not in stays}
    if not more:
        return Resumed(bot, stored)
    named = cast("ChatbotOptions", {name: value for name, value in more.items() if name != "model"})
    check_options(named, ChatbotOptions)
    options = cast("ChatbotOptions", checked_values({**named, **chosen}))
    model, options = with_persona(resolved.model or more.get("model"), options)
    models: ModelSource | None = None
    if not more.keys().isdisjoint(_OF_MODEL) and (model is None or isinstance(model, str)):
        models = source(options, bot.billing.cards)
        bot = replace(bot, models=models.models(model or DEFAULT_MODEL))
        models = models.settled(model or DEFAULT_MODEL)
    system, tools = options.get("system"), bot.toolbox.tools
    if not more.keys().isdisjoint({"tools", "persona"}):
        tools = chosen_tools(options.get("tools"))
    bot = replace(
        bot,
        system=None if system is None else valid_text(system, "the system prompt"),
        toolbox=replace(bot.toolbox, tools=tools),
        billing=replace(bot.billing, limit=dollars(options.get("max_cost"))),
    )
    answer = {name: value for name, value in options.items() if name in AnswerOptions.__annotations__ and name not in chosen}
    return Resumed(bot, stored, models, answer)
