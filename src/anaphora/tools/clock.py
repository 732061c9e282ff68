"""The date and the time, which no model knows."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from anaphora.tools.base import ToolFailed


def now(timezone: str | None = None) -> str:
    """The current date and time.

    Args:
        timezone: a place like Europe/Paris; without one, where the user is
    """
    try:
        zone = ZoneInfo(timezone) if timezone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolFailed(f"there is no time zone {timezone!r}: write one like Europe/Paris or UTC") from None
    moment = datetime.now(zone).astimezone(zone)
    return moment.strftime("%A, %Y-%m-%d %H:%M:%S %Z (UTC%z)")
