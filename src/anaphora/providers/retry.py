"""The rules for trying again and for the wait before it. Pure; compared with those of the openai and anthropic clients.

A try is repeated only if none of its answer has been shown, if the failure may pass by itself, and if the provider asks for
a bearable wait.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from anaphora.errors import ConfigError, ProviderError

# Statuses that may pass by themselves. 529 is Anthropic's "overloaded".
RETRYABLE_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


@dataclass(frozen=True, slots=True)
class Retries:
    """The limits of retries: ``attempts`` after the first; the delay doubles from ``first_delay`` to ``longest_delay``.

    A Retry-After above ``longest_wait`` is reported at once instead of waited for. All times are in seconds.
    """

    attempts: int = 2
    first_delay: float = 0.5
    longest_delay: float = 8.0
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if type(self.attempts) is not int or self.attempts < 0:
            raise ConfigError(f"retries: attempts must be a whole number from 0, not {self.attempts!r}.")
        for name in ("first_delay", "longest_delay", "longest_wait"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ConfigError(f"retries: {name} must be a number of seconds from 0, not {value!r}.")


def next_delay(error: ProviderError, attempt: int, retries: Retries, *, jitter: float) -> float | None:
    """Gives the seconds to wait after failed try number ``attempt`` (from 0), or None to give up.

    ``jitter`` from 0 to 1 shortens our own delays by up to a quarter; the wait that a server asks for is kept in full.
    """
    if not error.retryable or attempt >= retries.attempts:
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= retries.longest_wait else None
    own: float = min(retries.first_delay * 2**attempt, retries.longest_delay)
    return own * (1 - jitter / 4)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Reads the seconds to wait from ``retry-after-ms``, else from ``retry-after`` in seconds or as an HTTP date.

    A date is measured against the server's own ``date`` header, since clocks differ. An unreadable value gives None.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        until = parsedate_to_datetime(value or "")
        now = parsedate_to_datetime(headers.get("date") or "")
        return max((until - now).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def should_retry(status: int, headers: Mapping[str, str]) -> bool:
    """True if a request with this status may be repeated; ``x-should-retry`` wins over the status."""
    asked = headers.get("x-should-retry", "").lower()
    if asked in {"true", "false"}:
        return asked == "true"
    return status in RETRYABLE_STATUSES


def _number(value: str | None) -> float | None:
    """Reads a finite number from 0 up, in ASCII digits: float() alone takes nan, inf and other alphabets' digits."""
    if value is None or not value.isascii():
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
