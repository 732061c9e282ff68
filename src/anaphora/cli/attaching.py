"""Files that go with a question: pictures as pictures, everything else as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from anaphora.errors import InvalidMessage
from anaphora.images import image_of, media_type
from anaphora.message import Image

_MOST_BYTES = 10_000_000


def attached(paths: Sequence[str]) -> tuple[list[Image], list[str]]:
    """The pictures, and the texts. Raises InvalidMessage for what is neither, and for what cannot be read."""
    images: list[Image] = []
    texts: list[str] = []
    for name in paths:
        path = Path(name).expanduser()
        try:
            with path.open("rb") as file:
                start = file.read(16)
                is_image = media_type(start) is not None
                data = b"" if is_image else start + file.read(_MOST_BYTES)
        except OSError as error:
            raise InvalidMessage(f"the file {name} cannot be read: {error.strerror or error}.") from error
        if is_image:
            images.append(image_of(path))
        else:
            texts.append(_text(name, data))
    return images, texts


def _text(name: str, data: bytes) -> str:
    if len(data) > _MOST_BYTES:
        raise InvalidMessage(f"the file {name} has more than {_MOST_BYTES // 1_000_000} MB: no model reads that much.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InvalidMessage(f"the file {name} is neither a picture (PNG, JPEG, GIF, WebP) nor text in UTF-8.")
    return text
