"""Pictures for a model: read from a file, checked, and made small enough for every provider."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from anaphora.errors import InvalidMessage, MissingExtra
from anaphora.values.message import Image

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


# No provider looks at more than this; Anthropic shrinks what is larger, and bills the time it takes.
LONGEST_EDGE = 1_568
# Anthropic takes 5 MB as base64, the others more.
MOST_BYTES = 3_500_000
_STARTS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def media_type(data: bytes) -> str | None:
    """Gives the media type of a picture that all providers take: PNG, JPEG, GIF or WebP; None for anything else."""
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
