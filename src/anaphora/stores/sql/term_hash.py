"""Terms as a full-text index has them: hashed with a key of the database and the owner, so that no word stands in it.

What is found is read from the messages, nobody's words are found by anybody else, and a message that is forgotten leaves no word
behind.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from anaphora.stores.sql.database import Database
from anaphora.values.message import Message

# No word is written so: it marks the user's standing instructions.
RULE = "\n"
# Of the messages that are not in the index yet, so many of the newest are read.
UNINDEXED_READ = 10_000
# Of a longer message only so many characters are found: it would hold up the next turn.
_MOST_INDEXED = 2 << 20


def index_key(database: Database) -> bytes:
    """The key with which this database hashes its terms."""
    known: bytes | None = getattr(database, "index_key", None)
    return known or bytes(database.execute("SELECT key FROM index_key").fetchone()[0])


@lru_cache(maxsize=200_000)
def _hashed(key: bytes, owner: str, term: str) -> str:
    digest = blake2b(f"{owner}\0{term}".encode("utf-8", "replace"), key=key, digest_size=5).digest()
    return b32encode(digest).decode("ascii").lower()


def hashed_row(key: bytes, owner: str, terms: Iterable[str]) -> list[str]:
    """Gives terms in a row, each as a word of eight small letters and digits."""
    return [_hashed(key, owner, term) for term in terms]


def hashed_terms(key: bytes, owner: str, message: Message) -> list[str]:
    """Gives the terms of a message, in their order; a standing instruction has a mark at its end."""
    from anaphora.search.rules import is_rule
    from anaphora.search.terms import terms
    from anaphora.search.words import searchable

    said = hashed_row(key, owner, terms(searchable(message)[:_MOST_INDEXED]))
    return [*said, _hashed(key, owner, RULE)] if is_rule(message) else said
