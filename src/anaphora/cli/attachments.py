"""The attachments of a question: pictures, documents, and the shape of the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anaphora.chat.image_source import image_of
from anaphora.errors import ConfigError, InvalidMessage
from anaphora.schema.shape import Shape, shape_in_words, shape_of
from anaphora.values.images import media_type
from anaphora.values.message import Image


def attached(paths: Sequence[str]) -> tuple[list[Image], list[Path]]:
    """The pictures, and the documents. Raises InvalidMessage for what cannot be read."""
    images: list[Image] = []
    documents: list[Path] = []
    for name in paths:
        path = Path(name).expanduser()
        if is_picture(path):
            images.append(image_of(path))
        else:
            documents.append(path)
    return images, documents


def is_picture(path: Path) -> bool:
    """True if a file is a picture. Raises InvalidMessage if it cannot be read."""
    try:
        with path.open("rb") as file:
            return media_type(file.read(16)) is not None
    except IsADirectoryError as error:
        raise InvalidMessage(f"{path} is a folder: --tools files:{path} lets the model read the files in it.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidMessage(f"the file {path} cannot be read: {reason or error}.") from error


def chosen_shape(text: str) -> Shape:
    """A file with a JSON schema, or names and kinds. Raises ConfigError."""
    if text.lstrip().startswith("{"):
        return shape_of(_parsed(text, text))
    path = Path(text).expanduser()
    if "," not in text and (text.endswith(".json") or path.is_file()):
        try:
            return shape_of(_parsed(text, path.read_text(encoding="utf-8-sig")))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the schema {text} cannot be read: {error}.") from error
    return shape_in_words(text)


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the schema {name} is not valid JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise ConfigError(f"the schema {name} is not a JSON object.")
    return schema
