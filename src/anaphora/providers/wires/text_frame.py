"""Reads chunks that differ from an earlier one only in their text, without parsing the rest again.

A stream repeats some two hundred bytes around every word. Pure.
"""

from __future__ import annotations

import json
import re

_raw_decode = json.JSONDecoder().raw_decode
_MOST_FRAMES = 8


class TextFrame:
    """The bytes before and after the text in the chunks of one stream, once a parsed chunk has shown them.

    ``key`` is the name under which the text is.
    """

    def __init__(self, key: str) -> None:
        self._key = f'"{key}"'
        self._place = re.compile(rf'{self._key}\s*:\s*(?=")')
        self._before = ""
        self._after = ""
        self._learned = 0

    def text(self, data: str) -> str | None:
        """The text of a chunk in this frame; None if it is in another and must be parsed."""
        if not self._before or not data.startswith(self._before) or not data.endswith(self._after):
            return None
        try:
            text, end = _raw_decode(data, len(self._before))
        except ValueError:
            return None
        return text if type(text) is str and end + len(self._after) == len(data) else None

    def learn(self, data: str, text: str) -> None:
        """Take the frame from a chunk that was parsed and holds nothing but this text.

        With exactly one key of that name in it, the frame is unmistakable. Where every chunk has a frame of its own
        (padding against eavesdroppers, a running clock), learning stops after a few.
        """
        if self._learned == _MOST_FRAMES or data.count(self._key) != 1:
            return
        self._learned += 1
        key = self._place.search(data)
        if key is not None:
            found, end = _raw_decode(data, key.end())
            if found == text:
                self._before, self._after = data[: key.end()], data[end:]
