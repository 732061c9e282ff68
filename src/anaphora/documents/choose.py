"""Chooses the documents and the pieces that go with a message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from anaphora.context.excerpts import AROUND, DOCUMENT_SHARE, Alike, first_excerpts, matching_excerpts
from anaphora.documents.store import Document, DocumentStore
from anaphora.search.candidates import Candidate
from anaphora.stores.base import Store
from anaphora.values.report import Excerpt
from anaphora.values.scope import Scope

_FIRST_PIECES = 12
_WHOLE_PART = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """The documents for a context: ``small`` ones whole, ``large`` ones in pieces. ``room`` is for both, in tokens."""

    documents: DocumentStore
    small: tuple[Document, ...]
    large: tuple[Document, ...]
    room: int

    @classmethod
    async def of(cls, store: Store, scope: Scope, budget: int) -> Self:
        """Divides a conversation's documents by a ``budget`` in tokens; the first that fit are small.

        If not all fit, three quarters of the room are for pieces.
        """
        kept = DocumentStore(store, scope)
        room = int(DOCUMENT_SHARE * budget)
        small: list[Document] = []
        large: list[Document] = []
        documents = await kept.documents()
        left = room if sum(map(_size, documents)) <= room else room // _WHOLE_PART
        for document in documents:
            fits = _size(document) <= left
            (small if fits else large).append(document)
            left -= _size(document) if fits else 0
        return cls(kept, tuple(small), tuple(large), room)

    @classmethod
    def nothing(cls, store: Store, scope: Scope) -> Self:
        """Gives the reading of a conversation without documents."""
        return cls(DocumentStore(store, scope), (), (), 0)

    @property
    def reserved(self) -> int:
        """The tokens that the window leaves free for documents."""
        return self.room if self.large else sum(map(_size, self.small))

    async def whole(self) -> list[Excerpt]:
        """Gives the small documents, whole."""
        return [await self.documents.whole(document) for document in self.small]

    async def excerpts(self, question: str, alike: Alike, *, since: float) -> Sequence[Excerpt]:
        """Gives the pieces of large documents that matter to a question; if none does, the beginnings of new ones.

        ``alike``: the pieces with a similar meaning (ids with similarity), and the ids that stand out. A document is new if it
        was read after ``since`` (seconds since 1970).
        """
        room = self.room - sum(map(_size, self.small))
        large = {document.id for document in self.large}
        similar, standing_out = alike
        found = await self.documents.found(question, large, tuple(similar))
        matching = matching_excerpts(question, found, alike=(similar, standing_out), room=room)
        if matching:
            return matching
        first: list[Candidate] = []
        for document in self.large:
            if document.read >= since:
                first += await self.documents.beginning(document, _FIRST_PIECES)
        return first_excerpts(first, room=room // 2)


def _size(document: Document) -> int:
    return document.tokens + AROUND * document.pieces
