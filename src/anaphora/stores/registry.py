"""From a path or a URL to a store, by entry points."""

from __future__ import annotations

import os
from importlib.metadata import entry_points

from anaphora.errors import ConfigError, MissingExtra
from anaphora.stores.base import Store

STORES = "anaphora.stores"


def open_store(where: str | os.PathLike[str]) -> Store:
    """The store at a path or URL. It is opened at its first use. Raises ConfigError for an unknown scheme."""
    text = os.fspath(where)
    scheme, is_url, _ = text.partition("://")
    if not is_url:
        from anaphora.stores.sqlite.store import SQLiteStore

        return SQLiteStore(os.path.expanduser(text))  # noqa: PTH111 -- pathlib's raises for a user who does not exist
    known = {entry.name: entry for entry in entry_points(group=STORES)}
    if scheme not in known:
        raise ConfigError(f"there is no store for {scheme}://. Name a file, or one of {', '.join(sorted(known))}://…")
    try:
        make = known[scheme].load()
    except ImportError as error:
        extra = "postgres" if scheme.startswith("postgres") else scheme
        raise MissingExtra(
            f'a store at {scheme}:// needs more packages ({error.name}): pip install "anaphora[{extra}]".'
        ) from None
    store: Store = make(text)
    return store
