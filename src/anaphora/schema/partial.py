"""Reads JSON that is still being written."""

from __future__ import annotations

import json
from typing import Any

_CLOSING = {"{": "}", "[": "]"}


def partial_json(text: str) -> Any:
    """Gives the value of an incomplete JSON text; None if nothing can be read yet.

    An unfinished string or number is given as far as it goes; a name without a value is left out.
    """
    start = next((place for place, letter in enumerate(text) if letter in "{["), None)
    if start is None:
        return None
    text = text[start:]
    for end in _cuts(text):
        try:
            return json.loads(_closed(text[:end]))
        except ValueError:
            continue
    return None


def _cuts(text: str) -> list[int]:
    """Gives the places where the text may be cut, the last first: its end, then the commas and brackets before it."""
    places = [place for place in range(len(text) - 1, -1, -1) if text[place] in ",{["]
    return [len(text), *(place + (text[place] != ",") for place in places[:3])]


def _closed(text: str) -> str:
    """Closes the open strings, lists and objects of a text."""
    stack: list[str] = []
    in_string = is_escaped = False
    for place, letter in enumerate(text):
        if in_string:
            in_string = is_escaped or letter != '"'
            is_escaped = letter == "\\" and not is_escaped
        elif letter == '"':
            in_string = True
        elif letter in _CLOSING:
            stack.append(_CLOSING[letter])
        elif letter in "}]" and stack:
            stack.pop()
            if not stack:
                # Words may follow the value.
                text = text[: place + 1]
                break
    text = text[:-1] if is_escaped else text
    text += '"' if in_string else ""
    return text.rstrip().rstrip(",") + "".join(reversed(stack))
