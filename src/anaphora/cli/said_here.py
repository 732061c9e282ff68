"""Remembers which addresses, variables of keys, folders, servers and files of personas were set by this user on this machine.

A conversation goes on with its own; a database from elsewhere could name any of them, and so have keys and files sent anywhere.
What was not set here is not used. The idea is that of ssh's known hosts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from anaphora.files import make_private_folder


def remember(settings: Mapping[str, Any]) -> None:
    """Notes what is set now. Where nothing can be written nothing is noted."""
    missing = [mark for _, mark in _marks(settings) if mark not in _known()]
    if not missing:
        return
    with suppress(OSError):
        make_private_folder(_path().parent)
        handle = os.open(_path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write("".join(f"{mark}\n" for mark in missing))


def set_elsewhere(settings: Mapping[str, Any]) -> list[str]:
    """Gives the names of those settings of a conversation that were not set here."""
    known = _known()
    return list(dict.fromkeys(name for name, mark in _marks(settings) if mark not in known))


def _marks(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields each setting by which keys or files could get elsewhere, with its mark. A key belongs to its address."""
    for name in ("base_url", "mcp", "persona"):
        value = settings.get(name)
        if value and (name != "persona" or str(value).endswith(".md")):
            yield name, _mark(name, value)
    if settings.get("key_env"):
        yield "key_env", _mark("key_env", [settings["key_env"], settings.get("base_url")])
    for tool in settings.get("tools") or ():
        if str(tool).startswith("files:"):
            yield "tools", _mark("tools", tool)


def _mark(name: str, value: Any) -> str:
    return sha256(json.dumps([name, value]).encode()).hexdigest()


def _known() -> set[str]:
    try:
        return set(_path().read_text(encoding="ascii").split())
    except (OSError, UnicodeDecodeError):
        return set()


def _path() -> Path:
    return user_state_path("anaphora") / "said_here"
