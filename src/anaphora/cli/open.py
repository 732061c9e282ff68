"""Opens what flags and settings ask for: a chatbot, where its conversations are kept, and the one to go on with."""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from platformdirs import user_data_path

from anaphora.chat.stored_settings import given_settings
from anaphora.cli.choose import chosen
from anaphora.cli.options import choose_model, options_of, persona_of
from anaphora.cli.past import past_conversations
from anaphora.cli.resume import go_on, keep_in_memory, open_model, settled
from anaphora.cli.said_here import remember
from anaphora.cli.session import Invocation, Session
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.progress import Bar
from anaphora.errors import StoreError, StoreUnusable
from anaphora.settings import Settings, load_settings
from anaphora.stores.base import Store
from anaphora.stores.inmemory import InMemoryStore
from anaphora.sync.chatbot import Chatbot
from anaphora.values.transcript import ConversationInfo


def open_bot(arguments: argparse.Namespace, *, chat: bool = False) -> Session:
    """The chatbot that flags and settings ask for; in a ``chat`` there is time for better titles, and a past that matters.

    A conversation that is resumed goes on with its own settings; flags hold over them. Raises ConfigError and ProviderError.
    """
    names = {field.name for field in fields(Settings)}
    flags = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    base = load_settings(flags=flags)
    invocation = Invocation(arguments, flags, base, chat=chat)
    quiet = arguments.quiet or arguments.json
    kept, info, told = _opened_store(invocation)
    settings = base if info is None else settled(invocation, info)
    persona = persona_of(settings)
    model, why = choose_model(settings, persona)
    if why and not quiet:
        notice(f"{model}: {why}")
    options = options_of(invocation, settings, model, kept)
    remember(given_settings(model, options))
    bot = open_model(model, options, quiet=quiet)
    if chat:
        index_all(bot)
    session = Session(bot, settings, options, quiet=quiet, invocation=invocation)
    for line in told:
        session.tell(line)
    if info is not None:
        session.borrow()
        go_on(session, info)
    return session


def _opened_store(invocation: Invocation) -> tuple[Store | str | Path, ConversationInfo | None, list[str]]:
    """Gives where conversations are kept, the one to go on with, and what is to be told of both."""
    arguments, told = invocation.arguments, list[str]()
    try:
        place = store_of(invocation.base)
    except StoreUnusable as error:
        if not arguments.no_store:
            notice(str(error))
        return InMemoryStore(), None, told
    goes_on = arguments.continued or arguments.resume is not None
    if not goes_on:
        return InMemoryStore() if arguments.no_store else place, None, told
    with past_conversations(place) as past:
        if arguments.resume is not None:
            info: ConversationInfo | None = chosen(past.conversations(), arguments.resume)
        else:
            info = next(iter(past.conversations(limit=1)), None)
        entries = past.conversation(info).history() if info is not None and arguments.no_store else ()
    if info is None:
        told.append("There is no earlier conversation; a new one begins.")
    if not arguments.no_store:
        return place, info, told
    store = InMemoryStore()
    if info is not None:
        keep_in_memory(store, info, entries)
        told.append("Nothing of what is said from here on is kept.")
    return store, info, told


def store_of(settings: Settings) -> str | Path:
    """Where conversations are kept."""
    return settings.store or data_file()


def data_file() -> Path:
    """Where conversations are kept unless the user says otherwise. Raises StoreUnusable if there is no home folder."""
    folder = user_data_path("anaphora")
    if not folder.is_absolute():
        raise StoreUnusable("there is no home folder to keep conversations in: name a file with --store, or use --no-store.")
    return folder / "anaphora.db"


def index_all(bot: Chatbot) -> None:
    """Bring the search index up to date, with a bar where that takes a while. Ctrl-C leaves the rest for the next time."""
    with Bar(things="messages indexed") as bar, suppress(KeyboardInterrupt, StoreError):
        bot.index(bar.show)
