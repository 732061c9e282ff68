"""Masks API keys, and the values of the user's own headers, in the texts of errors and warnings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

# A shorter secret may be a part of any word.
_SHORT_SECRET = 8


def masked(text: str, secrets: Sequence[str]) -> str:
    """Gives the text with the secrets masked, also where JSON or a URL escapes some of their characters."""
    for secret in secrets:
        if secret and len(text) >= len(secret):
            text = _secret_pattern(secret).sub("***", text)
    return text


@cache
def _secret_pattern(secret: str) -> re.Pattern[str]:
    """Matches a secret, each of its characters as it is or escaped. A short one counts only as a word of its own."""
    letters = (rf"(?:\\?{re.escape(one)}|\\+u00{ord(one):02x}|%{ord(one):02x})" for one in secret)
    pattern = "".join(letters)
    if len(secret) < _SHORT_SECRET:
        pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
    return re.compile(pattern, re.IGNORECASE)
