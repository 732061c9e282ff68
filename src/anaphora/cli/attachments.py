"""The attachments of a question: pictures, documents, and the shape of the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anaphora.chat.image_source import image_of
from anaphora.cli.terminal.listing import one_line
from anaphora.documents.store import Document
from anaphora.errors import ConfigError, InvalidMessage
from anaphora.files import read_start
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


def guessed_encoding(document: Document) -> str:
    """Says that the encoding of a document is a guess."""
    name = one_line(document.name)
    return (
        f"{name} is not in UTF-8: it was read as {document.encoding}. If letters look wrong, save it as UTF-8 and read it again."
    )


def is_picture(path: Path) -> bool:
    """True if a file is a picture. Raises InvalidMessage if it cannot be read."""
    try:
        return media_type(read_start(path, 16)) is not None
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
