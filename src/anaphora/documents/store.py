"""The documents of a conversation, in the store of the conversation.

A document is a transcript of its pieces under a separate owner. So the store's search, vectors and deletion work for documents
too, and no search, list or recall of the real owner finds them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256

from anaphora.context.excerpts import piece_message, piece_of
from anaphora.documents.pieces import Piece
from anaphora.errors import NotFound
from anaphora.providers.model import Model
from anaphora.search.candidates import Candidate, Candidates, Cue
from anaphora.search.terms import cue_words, question_languages
from anaphora.stores.base import Store
from anaphora.values.message import Usage
from anaphora.values.report import Excerpt
from anaphora.values.scope import Scope, documents_owner
from anaphora.values.transcript import ConversationInfo, Entry


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its name, its pieces and tokens (as numbers), and the time of reading (seconds since 1970).

    ``encoding`` is the guessed encoding of a file that was read just now and is not UTF-8; else it is empty.
    """

    id: str
    name: str
    pieces: int
    tokens: int
    read: float
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class DocumentStore:
    """The documents of one conversation."""

    store: Store
    scope: Scope

    @property
    def owner(self) -> str:
        """The owner of the documents in the store."""
        return documents_owner(self.scope)

    async def documents(self) -> Sequence[Document]:
        """Gives all documents, in the order of their first reading."""
        infos = await self.store.conversations(self.owner)
        return sorted(map(_document, infos), key=lambda one: (one.read, one.id))

    async def put(self, key: str, name: str, pieces: Sequence[Piece], model: Model) -> Document:
        """Stores a document under a key, in place of an earlier one; an equal document stays. Raises StoreError."""
        place = sha256(key.encode()).hexdigest()[:12]
        content = "\x1e".join(f"{piece.title}\x1f{piece.text}" for piece in pieces)
        document_id = f"{place}.{sha256(f'{name}{content}'.encode()).hexdigest()[:16]}"
        known = await self.documents()
        same = next((one for one in known if one.id == document_id), None)
        others = [one for one in known if one.id != document_id and one.id.partition(".")[0] == place]
        if same is not None:
            await self._remove(others)
            return same
        entries: list[Entry] = []
        now = time.time()
        for number, piece in enumerate(pieces):
            message = piece_message(piece.title, piece.text)
            parent = entries[-1].id if entries else None
            size = await model.size(message)
            entries.append(Entry(f"{document_id}.{number}", parent, number + 1, message, "complete", size, now))
        tokens = sum(entry.tokens for entry in entries)
        last = entries[-1].id if entries else None
        about = ConversationInfo(document_id, name, last, None, now, now, len(entries), Usage(input_tokens=tokens))
        await self.store.restore(self.owner, about, entries)
        await self._remove(others)
        return _document(about)

    async def _remove(self, documents: Sequence[Document]) -> None:
        for one in documents:
            # Another process may have removed it.
            with suppress(NotFound):
                await self.forget(one.id)

    async def forget(self, document_id: str) -> None:
        """Deletes a document and everything derived from it. Raises NotFound."""
        await self.store.delete(Scope(self.owner, document_id))

    async def clear(self) -> None:
        """Deletes all documents."""
        for one in await self.documents():
            await self.forget(one.id)

    async def copy_to(self, other: DocumentStore) -> None:
        """Copies all documents to another conversation."""
        for about in await self.store.conversations(self.owner):
            await self.store.restore(other.owner, about, await self.store.transcript(Scope(self.owner, about.id)))

    async def whole(self, document: Document) -> Excerpt:
        """Gives the whole text of a document, with the places of its pieces."""
        entries = await self.store.transcript(Scope(self.owner, document.id))
        parts = (piece_of(entry.message) for entry in entries)
        text = "\n\n".join(f"[{place}]\n{text}" for place, text in parts)
        return Excerpt(document.name, "", text, "it is small", document.tokens)

    async def found(self, question: str, documents: Collection[str], pieces: Sequence[str] = ()) -> Candidates:
        """Finds the pieces of these documents (ids) that share words with a question, and the given ``pieces`` (ids)."""
        languages = question_languages(question)
        cue = Cue(cue_words(question), "", None, 0, messages=tuple(pieces), languages=languages)
        found = await self.store.candidates(self.owner, cue)
        return replace(found, found=[one for one in found.found if one.conversation in documents])

    async def beginning(self, document: Document, most: int) -> list[Candidate]:
        """Gives the first pieces of a document, at most ``most``."""
        entries = await self.store.transcript(Scope(self.owner, document.id))
        return [Candidate(document.id, document.name, entry) for entry in entries[:most]]


def _document(info: ConversationInfo) -> Document:
    return Document(info.id, info.title, info.messages, info.usage.input_tokens, info.created)
