"""The right to write to a conversation. A lease of a process that has died is taken over at once."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from anaphora.errors import ConversationBusy, NotFound
from anaphora.stores.records import Lease, busy
from anaphora.stores.sql.database import Database
from anaphora.stores.sql.pieces import end_pending
from anaphora.stores.sql.rows import THIS_CONVERSATION, key
from anaphora.values.scope import Scope

# No lease lasts longer, in seconds.
LONGEST = 3_600.0
# The leases that turns of this process hold.
_ours: set[str] = set()


def acquire(database: Database, scope: Scope, seconds: float) -> Lease:
    try:
        check_free(database, scope)
    except NotFound:
        make(database, scope)
    holder = new_holder()
    database.execute(
        f"UPDATE conversations SET holder = ?, expires = ? WHERE {THIS_CONVERSATION}",
        (holder, time.time() + min(seconds, LONGEST), *key(scope)),
    )
    end_pending(database, scope)
    return Lease(scope, holder)


def new_holder() -> str:
    """Gives a name for a writer of this process, which is alive until ``abandon``."""
    holder = f"{_place()}/{os.getpid()}/{secrets.token_hex(8)}"
    _ours.add(holder)
    return holder


def renew(database: Database, lease: Lease, seconds: float) -> None:
    held = database.execute(
        f"UPDATE conversations SET expires = ? WHERE {THIS_CONVERSATION} AND holder = ?",
        (time.time() + min(seconds, LONGEST), *key(lease.scope), lease.holder),
    )
    if not held.rowcount:
        raise ConversationBusy(f"conversation {lease.scope.conversation!r} was taken over by another writer.")


def abandon(lease: Lease) -> None:
    """Notes that nobody of this process uses a lease any more, also where that cannot be written: on a full disk, perhaps."""
    _ours.discard(lease.holder)


def release(database: Database, lease: Lease) -> None:
    _ours.discard(lease.holder)
    database.execute(
        f"UPDATE conversations SET holder = NULL WHERE {THIS_CONVERSATION} AND holder = ?", (*key(lease.scope), lease.holder)
    )


def make(database: Database, scope: Scope) -> None:
    """Begin the conversation if there is none."""
    now = time.time()
    database.execute(
        "INSERT INTO conversations (owner, id, created, updated) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (*key(scope), now, now),
    )


def check_free(database: Database, scope: Scope) -> None:
    """Raises NotFound, and ConversationBusy while somebody's lease runs."""
    row = database.execute(f"SELECT holder, expires FROM conversations WHERE {THIS_CONVERSATION}", key(scope)).fetchone()
    if row is None:
        raise NotFound(f"no conversation {scope.conversation!r}.")
    holder, expires = row
    now = time.time()
    # A lease that ends later than any can was written by a wrong clock.
    if holder is not None and now < expires <= now + LONGEST and not is_dead(holder):
        raise busy(scope)


@cache
def _place() -> str:
    """Gives the place where process numbers are unique: this machine since its start, in this container."""
    place = [socket.gethostname()]
    with suppress(OSError):
        place += [
            Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return ":".join(place).replace("/", "_")


def is_ours(holder: str) -> bool:
    """True if a writer of this process that is at work has this name."""
    return holder in _ours


def is_dead(holder: str) -> bool:
    """True if the holder of a lease was a process of this machine that has ended, or a turn of this process."""
    place, _, rest = holder.partition("/")
    number = rest.partition("/")[0]
    # On Windows asking for a process by a signal would end it.
    if place != _place() or not number.isdecimal() or sys.platform == "win32":
        return False
    if int(number) == os.getpid():
        return holder not in _ours
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
