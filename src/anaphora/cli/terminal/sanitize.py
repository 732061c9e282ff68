"""Takes out of a text what a terminal would obey instead of show. Rich lets escape sequences, C1 and bidi controls through."""

from __future__ import annotations

import re

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline; ESC and CSI begin every escape sequence
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls reorder what is seen
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # annotations and tags hide text
    "\ud800-\udfff]"  # halves of characters cannot be written at all
)
_LINE_ENDS = re.compile("\r\n|[\u2028\u2029\x85\x0b\x0c]")


def sanitized(text: str) -> str:
    """The text without control and bidi characters; what other systems end lines with becomes a newline.

    Works piece by piece: a carriage return at the end of a piece is dropped, the newline after it stays.
    """
    return _HARMFUL.sub("", _LINE_ENDS.sub("\n", text))
