"""Guards: functions that pass, change or refuse messages, answers and results. Names are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anaphora.guards.base import Guard as Guard
    from anaphora.guards.base import Refusal as Refusal
    from anaphora.guards.base import guard as guard
    from anaphora.guards.builtin import json_only as json_only
    from anaphora.guards.builtin import mask_secrets as mask_secrets
    from anaphora.guards.builtin import maximum_length as maximum_length
    from anaphora.guards.builtin import topics as topics

_HOMES = {
    "Guard": "anaphora.guards.base",
    "Refusal": "anaphora.guards.base",
    "guard": "anaphora.guards.base",
    "json_only": "anaphora.guards.builtin",
    "mask_secrets": "anaphora.guards.builtin",
    "maximum_length": "anaphora.guards.builtin",
    "topics": "anaphora.guards.builtin",
}
__all__ = ["Guard", "Refusal", "guard", "json_only", "mask_secrets", "maximum_length", "topics"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'anaphora.guards' has no attribute {name!r}")
