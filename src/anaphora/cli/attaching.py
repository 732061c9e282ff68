"""What goes with a question: pictures, documents, and the shape that the answer is to have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from anaphora.documents.extract import extracted
from anaphora.errors import ConfigError, InvalidMessage
from anaphora.images import image_of, media_type
from anaphora.message import Image
from anaphora.schema.shape import Shape, shape_in_words, shape_of


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
    """Whether a file is a picture. Raises InvalidMessage if it cannot be read."""
    try:
        with path.open("rb") as file:
            return media_type(file.read(16)) is not None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidMessage(f"the file {path} cannot be read: {reason or error}.") from error


def document_text(path: Path) -> str:
    """All of a document, as it would be typed. Raises DocumentError."""
    pages, _ = extracted(path.name, path.read_bytes())
    return "\n\n".join(page.text for page in pages).rstrip("\n")


def chosen_shape(text: str) -> Shape:
    """A file with a JSON schema, or names and kinds. Raises ConfigError."""
    path = Path(text).expanduser()
    if "," not in text and (text.endswith(".json") or path.is_file()):
        try:
            schema = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"the schema {text} cannot be read: {error.strerror or error}.") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"the schema {text} is not valid JSON: {error}.") from error
        if not isinstance(schema, dict):
            raise ConfigError(f"the schema {text} is not a JSON object.")
        return shape_of(schema)
    return shape_in_words(text)
