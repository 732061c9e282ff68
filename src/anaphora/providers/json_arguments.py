"""Arguments of a tool call, which one dialect writes as text and another as an object."""

from __future__ import annotations

import json

from anaphora.codec import Json


def arguments_object(text: str) -> Json:
    """The object that a model's text is; what is none is put into one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return value if isinstance(value, dict) else {"arguments": value}
