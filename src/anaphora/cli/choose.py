"""Which conversation a person means: its id, its number in a list, or part of its title."""

from __future__ import annotations

from collections.abc import Sequence

from anaphora.errors import ConfigError
from anaphora.values.transcript import ConversationInfo

_SHOWN = 5


def chosen(infos: Sequence[ConversationInfo], which: str, *, listed: Sequence[str] = ()) -> ConversationInfo:
    """The one conversation that fits. ``listed`` are the ids last shown with numbers. Raises ConfigError naming what fits."""
    known = {info.id: info for info in infos}
    if which in known:
        return known[which]
    shown = [known[one] for one in listed if one in known] or list(infos)
    if which.isdecimal():
        if len(which) < 9 and 0 < int(which) <= len(shown):
            return shown[int(which) - 1]
        # Half a title that happens to have this number in it is not what was meant.
        raise ConfigError(f"there is no conversation number {which[:20]}: there are {len(shown)}.")
    fitting = [info for info in infos if which and (info.id.startswith(which) or which.casefold() in info.title.casefold())]
    exact = [info for info in fitting if info.title.casefold() == which.casefold()]
    if len(fitting) == 1 or len(exact) == 1:
        return (exact or fitting)[0]
    if not fitting:
        raise ConfigError(f"no conversation fits {which!r}. List them, and name one by its number, its id or part of its title.")
    names = ", ".join(f"{info.id} (“{info.title}”)" for info in fitting[:_SHOWN])
    more = f" and {len(fitting) - _SHOWN} more" if len(fitting) > _SHOWN else ""
    raise ConfigError(f"{len(fitting)} conversations fit {which!r}: {names}{more}. Name one by its id.")
