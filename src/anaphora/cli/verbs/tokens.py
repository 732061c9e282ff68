"""``anaphora token``: who may use the server, and how much of it; ``anaphora owner``: everything of one of them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import anyio

from anaphora.cli.exit import OK
from anaphora.cli.past import OWNER, past_conversations
from anaphora.cli.terminal.listing import one_line
from anaphora.cli.terminal.notice import notice
from anaphora.cli.terminal.overwrite import agreed
from anaphora.cli.verbs.serve import server_store
from anaphora.errors import ConfigError, NotFound
from anaphora.stores.base import ServerStore
from anaphora.stores.records import checked_name
from anaphora.stores.token_records import Limits, Token, new_token, token_hash

_DAY = 86_400.0


def token(where: str | Path, arguments: argparse.Namespace) -> int:
    """Adds, lists or removes tokens; gives the exit code. Raises AnaphoraError."""

    async def work() -> int:
        store = server_store(str(where))
        try:
            if arguments.what == "add":
                return await _add(store, arguments)
            if arguments.what == "remove":
                await store.remove_token(_name(arguments))
                notice(f"Removed: {arguments.name}. Whoever has it is refused from now on.")
                return OK
            return await _list(store, arguments)
        finally:
            await store.aclose()

    return anyio.run(work)


def _name(arguments: argparse.Namespace) -> str:
    if not arguments.name:
        raise ConfigError(f"which one? anaphora token {arguments.what} NAME")
    return checked_name(arguments.name, "a token's name")


async def _add(store: ServerStore, arguments: argparse.Namespace) -> int:
    name = _name(arguments)
    owner = name if arguments.owner is None else checked_name(arguments.owner, "an owner (--owner)")
    limits = Limits(arguments.rate, arguments.concurrent, arguments.daily_tokens, arguments.daily_cost)
    now = time.time()
    expires = None if arguments.expires is None else now + arguments.expires * _DAY
    shown = new_token()
    is_first = not await store.tokens()
    await store.add_token(Token(token_hash(shown), name, owner, limits, now, expires, remembers=arguments.remember))
    notice(f"The token of {name}, whose conversations are those of {owner!r}. It is shown this once:")
    print(shown, flush=True)
    if is_first:
        notice("From now on every request needs a token.")
        if owner != OWNER:
            notice(f"The conversations of the terminal are those of {OWNER!r}: a token with --owner {OWNER} shares them.")
    return OK


async def _list(store: ServerStore, arguments: argparse.Namespace) -> int:
    found = await store.tokens()
    if arguments.json:
        rows = [{**asdict(one), "used_today": asdict(await store.spending(one))} for one in found]
        print(json.dumps([{name: value for name, value in row.items() if name != "hash"} for row in rows]))
        return OK
    for one in found:
        print(one_line(_line(one)))
    if not found:
        notice("There are no tokens: the server answers this machine alone.")
    return OK


def _line(one: Token) -> str:
    limits = one.limits
    told = [f"owner {one.owner}"]
    told += [f"{limits.rate} requests a minute"] * (limits.rate is not None)
    told += [f"{limits.concurrent} answers at once"] * (limits.concurrent is not None)
    told += [f"{limits.daily_tokens} tokens a day"] * (limits.daily_tokens is not None)
    told += [f"${limits.daily_cost} a day"] * (limits.daily_cost is not None)
    told += ["remembers lists"] * one.remembers
    if one.expires is not None:
        left = (one.expires - time.time()) / _DAY
        told.append(f"expires in {left:.0f} days" if left > 0 else "expired")
    return f"{one.name}: {', '.join(told)}"


def owner(where: str | Path, arguments: argparse.Namespace) -> int:
    """Writes or removes everything of one owner; gives the exit code. Raises AnaphoraError."""
    name = checked_name(arguments.name, "an owner")
    with past_conversations(where) as all_owners:
        bot = all_owners.for_owner(name)
        infos, facts = bot.conversations(), bot.facts.list()
        if not infos and not facts:
            raise NotFound(f"there is nothing of an owner {name!r}.")
        if arguments.what == "export":
            if arguments.output is None:
                raise ConfigError(f"where to? anaphora owner export {name} -o FILE.json")
            count = bot.export_to(arguments.output)
            notice(f"{count} conversations of {name!r} written to {arguments.output}.")
            return OK
        if not arguments.yes and not (sys.stdin.isatty() and agreed(f"Delete {len(infos)} conversations of {name}? ")):
            raise ConfigError("nothing was deleted: say --yes to delete without being asked.")
    count = anyio.run(_delete_owner, str(where), name)
    notice(f"Deleted: {count} conversations and {len(facts)} facts of {name!r}, with their bills and tokens.")
    return OK


async def _delete_owner(where: str, name: str) -> int:
    store = server_store(where)
    try:
        return await store.delete_owner(name)
    finally:
        await store.aclose()
