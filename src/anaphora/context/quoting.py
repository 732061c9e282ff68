"""Marks text that comes from memory as quoted material: it is data, whatever it says, and cannot end its own quotation."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from anaphora.values.transcript import is_time

_TAG = re.compile(r"<(?=\s{0,9}/?\s{0,9}(?:memory|conversation|known|document)\b)", re.IGNORECASE)


def fenced(text: str, tag: str) -> str:
    """The text between ``<tag>`` and ``</tag>``."""
    return f"<{tag}>\n{text}\n</{tag}>"


def quoted(text: str) -> str:
    """Text as it may stand inside of a fence: with nothing in it that looks like a fence of ours."""
    return _TAG.sub("&lt;", text)


def quoted_line(text: str) -> str:
    """Quotes a text on one line, so that it cannot look like another entry."""
    return quoted(" ".join(text.split()))


def quoted_block(text: str) -> str:
    """Text with its own lines, all but the first set in, so that none can look like another entry."""
    return quoted("\n  ".join(line.rstrip() for line in text.strip().splitlines() if line.strip()))


def day_of(seconds: float) -> str:
    """The date of a time in seconds since 1970, in UTC: what a model sees must not depend on where this runs."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d") if is_time(seconds) else "some day"
