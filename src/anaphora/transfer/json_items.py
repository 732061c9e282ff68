"""Reads the conversations of a large JSON file one by one, so that memory never holds the whole file."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

_PIECE = 1 << 20
_TRIMMED = 1 << 14
# The end of an item and the beginning of the next.
_NEXT_OBJECT = re.compile(r"\}\s*,\s*(?=\{)")
# In characters. No conversation is longer, so a longer item is broken or malicious.
LONGEST_ITEM = 1 << 27


class JSONReader:
    """A reader of the JSON values in a stream, one by one. It raises ValueError with the byte of the damage."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace")
        # Some programs write raw tabs and line ends into strings.
        self._decoder = json.JSONDecoder(strict=False)
        self._text = ""
        self._place = 0
        self.read_bytes = 0
        self._ended = False

    def peek(self) -> str:
        """Gives the next character that is not white space; empty at the end."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in " \t\r\n":
                self._place += 1
            if self._place < len(self._text) or self._ended:
                return self._text[self._place : self._place + 1]
            self._more(_PIECE)

    def take(self, mark: str) -> None:
        """Skips this mark. Raises ValueError if another character stands there."""
        found = self.peek()
        if found != mark:
            raise ValueError(f"{found or 'the end'!r} stands where {mark!r} should, about byte {self.read_bytes}")
        self._place += 1

    def value(self) -> Any:
        """Reads the next value. Raises ValueError."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._place)
            except RecursionError:
                raise ValueError("it is nested too deeply") from None
            except json.JSONDecodeError as error:
                if self._ended or self._is_damage(error):
                    raise ValueError(f"{error.msg}, about byte {self.read_bytes - len(self._text) + error.pos}") from None
            else:
                # A number at the end of the text may continue.
                if end < len(self._text) or self._ended:
                    self._place = end
                    return value
            if len(self._text) - self._place > LONGEST_ITEM:
                raise ValueError(f"an entry is longer than {LONGEST_ITEM >> 20} million characters")
            self._more(max(_PIECE, len(self._text) - self._place))

    def skip_to(self, fits: Callable[[Any], bool]) -> Any:
        """Skips damaged text and gives the next object in the array that ``fits``; None if there is none."""
        while True:
            if self._place > _TRIMMED:
                # The place of an error is found by counting from the start of the text.
                self._text, self._place = self._text[self._place :], 0
            found = _NEXT_OBJECT.search(self._text, self._place)
            if found is not None:
                self._place = found.end()
                try:
                    value = self.value()
                except ValueError:
                    # Skip only its first character: the next object may begin inside.
                    self._place += 1
                    continue
                if fits(value):
                    return value
                # Its last character may begin the mark of the next object.
                self._place -= 1
            elif self._ended:
                return None
            else:
                # The end of this text may begin the mark of the next object.
                self._place = max(len(self._text) - 64, self._place)
                self._more(_PIECE)

    def _is_damage(self, error: json.JSONDecodeError) -> bool:
        """True if more text would not help: the error is well before the end of the text."""
        return error.pos + 16 < len(self._text) and not error.msg.startswith(("Unterminated", "Invalid \\"))

    def _more(self, size: int) -> None:
        data = self._stream.read(size)
        self._ended = not data
        self.read_bytes += len(data)
        self._text = self._text[self._place :] + self._decode.decode(data, final=self._ended)
        self._place = 0


@dataclass(frozen=True, slots=True)
class Broken:
    """A placeholder for an item that could not be read."""

    reason: str


def array_items(reader: JSONReader, *, fits: Callable[[Any], bool] | None = None) -> Iterator[Any]:
    """Yields the items of the next array.

    For an unreadable item it yields Broken, then continues at the next item that ``fits``. Raises ValueError if there is none.
    """
    reader.take("[")
    while reader.peek() != "]":
        try:
            value = reader.value()
        except ValueError as error:
            value = None if fits is None else reader.skip_to(fits)
            if value is None:
                raise
            yield Broken(str(error))
        yield value
        if reader.peek() != "]":
            reader.take(",")
    reader.take("]")


def object_items(reader: JSONReader, *, fits: Callable[[Any], bool] | None = None) -> Iterator[tuple[str, Any]]:
    """Yields the members of the next object; the items of an array come one by one, each under the array's name."""
    reader.take("{")
    while reader.peek() != "}":
        name = reader.value()
        if not isinstance(name, str):
            raise ValueError(f"a member is called {name!r}")
        reader.take(":")
        if reader.peek() == "[":
            for item in array_items(reader, fits=fits):
                yield name, item
        else:
            yield name, reader.value()
        if reader.peek() != "}":
            reader.take(",")
    reader.take("}")
