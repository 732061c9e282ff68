"""Pictures for a model: read from a file, checked, and made small enough for every provider."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from anaphora.errors import InvalidMessage, MissingExtra
from anaphora.message import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

ImageSource = Image | bytes | str | os.PathLike[str]

# No provider looks at more than this; Anthropic shrinks what is larger, and bills the time it takes.
LONGEST_EDGE = 1_568
# Anthropic takes 5 MB as base64, the others more.
MOST_BYTES = 3_500_000
_MOST_READ = 100_000_000
_STARTS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def image_of(source: ImageSource) -> Image:
    """The picture in a file (its path), in bytes, or as it is; shrunk where it is larger than providers take.

    Raises InvalidMessage for what is no picture, MissingExtra if one is too large and Pillow is not there to shrink it.
    """
    if isinstance(source, Image):
        return _fitting(source.data, "the picture")
    if isinstance(source, bytes):
        return _fitting(source, "the picture")
    if not isinstance(source, str | os.PathLike):
        raise InvalidMessage(f"a picture is a path, bytes or an Image, not {type(source).__name__}.")
    path = Path(source).expanduser()
    try:
        if path.stat().st_size > _MOST_READ:
            raise InvalidMessage(f"{path} has more than {_MOST_READ // 1_000_000} MB: that is no picture for a chat.")
        return _fitting(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidMessage(f"the picture {path} cannot be read: {error.strerror or error}.") from error


def media_type(data: bytes) -> str | None:
    """Of which of the kinds that all providers take a picture is: PNG, JPEG, GIF or WebP; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _STARTS if data.startswith(start)), None)


def _fitting(data: bytes, name: str) -> Image:
    kind = media_type(data)
    if kind is None:
        raise InvalidMessage(f"{name} is no PNG, JPEG, GIF or WebP: convert it first.")
    try:
        from PIL import Image as Pillow
        from PIL import ImageOps, UnidentifiedImageError
    except ImportError:
        if len(data) <= MOST_BYTES:
            return Image(data, kind)
        raise MissingExtra(
            f'{name} has {len(data) // 1_000_000} MB, too much to send; to have it shrunk: pip install "anaphora[images]"'
        ) from None
    try:
        with Pillow.open(BytesIO(data)) as picture:
            if max(picture.size) <= LONGEST_EDGE and len(data) <= MOST_BYTES:
                return Image(data, kind)
            turned = ImageOps.exif_transpose(picture)
            turned.thumbnail((LONGEST_EDGE, LONGEST_EDGE))
            return _written(turned, "PNG" if kind == "image/png" else "JPEG")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise InvalidMessage(f"{name} cannot be read as a picture: {error}.") from error


def _written(picture: PillowImage, form: str) -> Image:
    """As PNG where it was one, since drawings and text suffer as JPEG; unless that is too large."""
    out = BytesIO()
    if form == "PNG":
        picture.save(out, "PNG", optimize=True)
        if out.tell() <= MOST_BYTES:
            return Image(out.getvalue(), "image/png")
        out = BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=85)
    return Image(out.getvalue(), "image/jpeg")
