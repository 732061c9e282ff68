"""Pages of lists, as OpenAI's clients ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anaphora.server.error_bodies import ApiError
from anaphora.server.openai.items import Item, page

_MOST = 100


def limit_of(query: Mapping[str, str]) -> int:
    """Gives the number of things that are wanted, 20 by default. Raises ApiError."""
    text = query.get("limit", "20")
    if not (text.isdecimal() and len(text) < 9) or not 1 <= int(text) <= _MOST:
        raise ApiError(f"limit must be a whole number from 1 to {_MOST}, not {text!r}.", param="limit")
    return int(text)


def is_ascending(query: Mapping[str, str], default: str = "desc") -> bool:
    """True if the oldest is wanted first. Raises ApiError."""
    order = query.get("order", default)
    if order not in {"asc", "desc"}:
        raise ApiError(f"order must be asc or desc, not {order!r}.", param="order")
    return order == "asc"


def page_of(items: Sequence[Item], query: Mapping[str, str]) -> dict[str, Any]:
    """Gives the page of items, oldest first, that a query asks for. Raises ApiError."""
    limit, after = limit_of(query), query.get("after")
    ordered = list(items) if is_ascending(query) else list(reversed(items))
    start = 0
    if after:
        start = next((place + 1 for place, item in enumerate(ordered) if item["id"] == after), -1)
        if start < 0:
            raise ApiError(f"after: there is no item {after!r} here.", status=404, param="after", code="item_not_found")
    return page(ordered[start : start + limit], has_more=len(ordered) > start + limit)
