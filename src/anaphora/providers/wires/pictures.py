"""Pictures in answers: base64 from a service becomes an Image. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from anaphora.values.events import ImageDelta, TextDelta
from anaphora.values.message import Image

_DATA_URL = re.compile(r"data:(image/[\w.+-]{1,40});base64,([A-Za-z0-9+/=\s]+)")
_IN_MARKDOWN = re.compile(rf"!\[[^\]\n]*\]\({_DATA_URL.pattern}\)")
# A shorter text holds no picture.
_LEAST = 100


def picture(data: Any, media_type: Any) -> Image | None:
    """Gives a picture from its base64 text; None if it is none."""
    if not isinstance(data, str) or not isinstance(media_type, str) or not media_type.startswith("image/"):
        return None
    try:
        return Image(base64.b64decode(data), media_type)
    except (binascii.Error, ValueError):
        return None


def picture_at(url: Any) -> Image | None:
    """Gives the picture of a ``data:`` URL; None for other addresses."""
    found = _DATA_URL.fullmatch(url) if isinstance(url, str) else None
    return picture(found[2], found[1]) if found else None


def with_pictures(text: str) -> Iterator[TextDelta | ImageDelta]:
    """Splits a text at the pictures that it holds as Markdown with a ``data:`` URL."""
    if len(text) < _LEAST or "data:image/" not in text:
        yield TextDelta(text)
        return
    place = 0
    for found in _IN_MARKDOWN.finditer(text):
        image = picture(found[2], found[1])
        if image is None:
            continue
        if found.start() > place:
            yield TextDelta(text[place : found.start()])
        yield ImageDelta(image)
        place = found.end()
    if place < len(text):
        yield TextDelta(text[place:])
