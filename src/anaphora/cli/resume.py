"""Goes on with a conversation and its own settings, and with other settings in the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from anaphora.chat.options import ChatbotOptions
from anaphora.chat.stored_settings import OF_SERVICE, given_settings, merged_settings, usable_settings
from anaphora.cli.options import choose_model, options_of, persona_named, persona_of
from anaphora.cli.past import OWNER
from anaphora.cli.said_here import remember, set_elsewhere
from anaphora.cli.session import Invocation, Session
from anaphora.cli.terminal.download import fetch_with_progress
from anaphora.cli.terminal.notice import notice
from anaphora.errors import ConfigError
from anaphora.settings import Settings, with_stored
from anaphora.stores.inmemory import InMemoryStore
from anaphora.stores.records import new_conversation_id
from anaphora.sync.chatbot import Chatbot
from anaphora.sync.portal import portal
from anaphora.values.transcript import ConversationInfo, Entry, shortened


def resume(session: Session, info: ConversationInfo) -> None:
    """Go on with this conversation and its settings, and say so; also that its last message has no answer.

    Raises AnaphoraError.
    """
    settings = settled(session.invocation, info)
    if settings != session.settings:
        reopen(session, settings)
    session.borrow()
    go_on(session, info)


def begin(session: Session) -> None:
    """Begins a new conversation, with the model that answers now, and not with the prompt and the tools of a resumed one."""
    base = session.invocation.base
    own = replace(session.settings, system=base.system, persona=base.persona, tools=base.tools, mcp=base.mcp)
    if session.origin.is_borrowed and session.settings != own:
        reopen(session, own)
    session.borrow(is_borrowed=False)
    session.switch(session.bot.conversation(new_conversation_id()))


def reopen(session: Session, settings: Settings) -> None:
    """Goes on with other settings over the same store. Raises ConfigError and ProviderError."""
    model, _ = choose_model(settings, persona_of(settings))
    options = options_of(session.invocation, settings, model, session.options.get("store"))
    remember(given_settings(model, options))
    session.replace_bot(open_model(model, options, quiet=session.quiet), options, settings)


def go_on(session: Session, info: ConversationInfo) -> None:
    """Opens the conversation, and tells of it and of what flags change. Raises StoreError."""
    session.switch(session.bot.conversation(info))
    session.tell(f"Going on with “{info.title}”, {info.messages} messages.")
    for line in changes(session.invocation.flags, info.settings):
        session.tell(line)
    _hold_flags(session, info)
    last = session.conversation.history()[-2:]
    for entry in last:
        session.tell(f"{'You' if entry.role == 'user' else 'Answer'}: {shortened(entry.text) or '(nothing)'}")
    if session.conversation.unanswered() is not None:
        session.tell("The last answer was interrupted: /continue, /retry or go on.")


def settled(invocation: Invocation, info: ConversationInfo) -> Settings:
    """Gives the settings with which a conversation goes on: its own, with flags over them."""
    foreign = set_elsewhere(usable_settings(info.settings))
    stored = {name: value for name, value in _as_settings(info.settings).items() if name not in foreign}
    for name in foreign:
        if name not in invocation.flags:
            notice(f"The {_TOLD[name]} of this conversation was not set here, so it is not used: {info.settings[name]}")
    for name, is_there in (("persona", _is_persona), ("mcp", _is_file)):
        if stored.get(name) and name not in invocation.flags and not is_there(stored[name]):
            notice(f"The {name} of this conversation is not there any more: {stored[name]}")
            stored[name] = ""
    base = invocation.base
    if "model" in stored and "model" not in invocation.flags:
        # Today's address and key of another service are not those of this conversation.
        own: dict[str, Any] = {name: None for name in OF_SERVICE if name not in stored and name not in invocation.flags}
        base = replace(base, **own)
    return with_stored(base, merged_settings(stored, invocation.flags), invocation.flags)


def _as_settings(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Gives stored options under the names and in the forms of settings."""
    found = usable_settings(stored)
    if "tools" in found:
        found["tools"] = ",".join(map(str, found["tools"]))
    if "deadlines" in found:
        found["timeout"] = found.pop("deadlines")
    return found


def changes(flags: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """Gives a line for each setting of a conversation that flags change."""
    known = _as_settings(stored)
    if not known:
        return []
    texts = {"persona": "system", "system": "persona"}
    lines: list[str] = []
    for name in [one for one in flags if one in _TOLD]:
        now = flags[name]
        before = known.get(name) or known.get(texts.get(name, "")) or ""
        before = Path(known[name]).stem if name == "persona" and known.get(name) else before
        if _plain(name, before) != _plain(name, now):
            instead = f", not {shortened(str(before))}" if before != "" else ""
            lines.append(f"{_TOLD[name]} from here on: {shortened(str(now)) or 'none'}{instead}.")
    return lines


# The settings whose change is told, as people call them.
_TOLD = {
    "model": "model",
    "base_url": "address",
    "key_env": "variable of the key",
    "context_window": "context window",
    "system": "system prompt",
    "persona": "persona",
    "tools": "tools",
    "mcp": "MCP servers",
    "temperature": "temperature",
    "max_tokens": "longest answer",
    "seed": "seed",
    "max_cost": "budget",
    "timeout": "timeout",
}


def _plain(name: str, value: object) -> str:
    """A value in the form in which two are compared: a bare model's name is one of a server of one's own."""
    text = str(value).strip()
    if name == "tools":
        return ",".join(given_settings(None, {"tools": [one.strip() for one in text.split(",")]})["tools"])
    return text.removeprefix("openai-compatible:") if name == "model" else text


def _hold_flags(session: Session, info: ConversationInfo) -> None:
    """Lets flags hold over a system prompt or a model that was set for the conversation alone, by /system for example."""
    flags = session.invocation.flags
    if info.system is not None and ("system" in flags or "persona" in flags):
        persona = persona_of(session.settings)
        session.conversation.use(system=session.settings.system or (persona.prompt if persona else ""))
    if "model" in session.invocation.flags and info.model:
        session.conversation.use(model="")


def _is_persona(name: object) -> bool:
    with suppress(ConfigError):
        return isinstance(name, str) and bool(persona_named(name))
    return False


def _is_file(path: object) -> bool:
    return isinstance(path, str) and Path(path).is_file()


def open_model(model: str, options: ChatbotOptions, *, quiet: bool = False) -> Chatbot:
    """A chatbot; the weights of a local model are fetched first if they are missing. Raises ConfigError and ProviderError."""
    bot = Chatbot(model, **options)
    fetch_with_progress(bot.model, quiet=quiet)
    return bot


def keep_in_memory(store: InMemoryStore, info: ConversationInfo, entries: Sequence[Entry]) -> None:
    """Puts a conversation into a store that ends with the program."""
    portal.call(lambda: store.restore(OWNER, info, entries))
