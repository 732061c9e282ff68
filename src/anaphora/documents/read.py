"""Reads a file into the documents of a conversation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from anaphora.concurrency import run_in_thread
from anaphora.documents.apart import extracted_apart
from anaphora.documents.extract import MOST_BYTES
from anaphora.documents.pieces import pieces_of
from anaphora.documents.store import Document, DocumentStore
from anaphora.errors import DocumentError
from anaphora.files import read_file
from anaphora.guards.base import Guard, guarded
from anaphora.providers.model import Model


async def read_document(
    documents: DocumentStore,
    source: str | os.PathLike[str] | bytes,
    name: str | None,
    *,
    guards: Sequence[Guard],
    model: Model,
) -> Document:
    """Extracts the text of a file, lets the guards check it, and stores its pieces. Raises DocumentError and GuardFailed."""
    key, called, data = await run_in_thread(_contents, source, name)
    found = await extracted_apart(called, data)
    pages = [replace(page, text=await _allowed(page.text, called, guards)) for page in found.pages]
    pieces = await run_in_thread(partial(pieces_of, pages, markdown=found.is_markdown))
    return replace(await documents.put(key, called, pieces, model), encoding=found.encoding)


async def _allowed(text: str, name: str, guards: Sequence[Guard]) -> str:
    """Gives the text after the guards on results. Raises DocumentError if one refuses it."""
    text, refusal = await guarded(guards, "result", text)
    if refusal is not None:
        raise DocumentError(f"{name} was refused: {refusal.text}")
    return text


def _contents(source: str | os.PathLike[str] | bytes, name: str | None) -> tuple[str, str, bytes]:
    """Gives the key of a file in the store, its name and its bytes. Raises DocumentError."""
    if isinstance(source, bytes):
        if not name:
            raise DocumentError("bytes need a name, for example name='notes.md'.")
        return name, name, source
    if not isinstance(source, str | os.PathLike):
        raise DocumentError(f"a document is the path of a file or bytes, not {type(source).__name__}.")
    path = Path(os.path.expanduser(source))  # noqa: PTH111 -- pathlib's raises for a user who does not exist
    try:
        return str(path.resolve()), name or path.name, read_file(path, most=MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DocumentError(f"the file {path} cannot be read: {reason}.") from error
