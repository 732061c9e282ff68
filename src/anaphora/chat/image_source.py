"""Pictures as users give them: a path, bytes or an Image."""

from __future__ import annotations

import os
from pathlib import Path

from anaphora.errors import InvalidMessage
from anaphora.files import read_file
from anaphora.values.images import _fitting
from anaphora.values.message import Image

ImageSource = Image | bytes | str | os.PathLike[str]


_MOST_READ = 100_000_000


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
        return _fitting(read_file(path, most=_MOST_READ), str(path))
    except OSError as error:
        raise InvalidMessage(f"the picture {path} cannot be read: {error.strerror or error}.") from error
