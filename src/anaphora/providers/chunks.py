"""One piece of a streamed answer, from text to JSON; and what is said of an answer that is cut."""

from __future__ import annotations

import json
from typing import Any

from anaphora.codec import Json
from anaphora.errors import StreamInterrupted
from anaphora.providers.failures import Answerer, unreadable


def json_chunk(who: Answerer, data: str, *, began: bool) -> Json:
    """The object in a piece. Raises StreamInterrupted if the answer ``began`` before, else UnreadableAnswer."""
    value = json_value(who, data, began=began)
    if not isinstance(value, dict):
        raise unreadable(who, "", data.encode("utf-8", "replace"))
    return value


def json_value(who: Answerer, data: str, *, began: bool) -> Any:
    """Whatever JSON is in a piece. Raises as ``json_chunk`` does."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        if began:
            raise StreamInterrupted(
                f"{who.provider}: the answer was cut in the middle of a piece ({data[:80]!r}). Try again.", provider=who.provider
            ) from None
        raise unreadable(who, "", data.encode("utf-8", "replace")) from None


def broken_off(who: Answerer) -> StreamInterrupted:
    """The error for an answer whose end did not come."""
    return StreamInterrupted(f"{who.provider}: the answer broke off before its end. Try again.", provider=who.provider)
