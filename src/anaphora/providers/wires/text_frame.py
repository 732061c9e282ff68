"""Reads the text of a chunk without parsing the rest, if only the text differs from an earlier chunk. Pure.

A stream repeats some two hundred bytes around every word.
"""

from __future__ import annotations

import json
import re

_raw_decode = json.JSONDecoder().raw_decode
_MOST_FRAMES = 8


class TextFrame:
    """The bytes before and after the text in the chunks of one stream, learned from a parsed chunk.

    ``key``: the name of the text in the JSON.
    """

    def __init__(self, key: str) -> None:
        self._key = f'"{key}"'
        self._place = re.compile(rf'{self._key}\s*:\s*(?=")')
        self._before = ""
        self._after = ""
        self._learned = 0

    def text(self, data: str) -> str | None:
        """Gives the text of a chunk in this frame; None if the chunk must be parsed."""
        if not self._before or not data.startswith(self._before) or not data.endswith(self._after):
            return None
        try:
            text, end = _raw_decode(data, len(self._before))
        except ValueError:
            return None
        return text if type(text) is str and end + len(self._after) == len(data) else None

    def learn(self, data: str, text: str) -> None:
        """Learns the frame from a parsed chunk that holds only this text, and the key exactly once.

        Learning stops after 8 frames: in some streams every chunk has its own (padding against eavesdroppers, a running clock).
        """
        if self._learned == _MOST_FRAMES or data.count(self._key) != 1:
            return
        self._learned += 1
        key = self._place.search(data)
        if key is not None:
            found, end = _raw_decode(data, key.end())
            if found == text:
                self._before, self._after = data[: key.end()], data[end:]
