"""The stock of Nora's bookshop: a small catalogue that shows how a tool answers where a model would guess."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Book:
    """A book of the shop; the price is in euros."""

    title: str
    author: str
    price: float
    copies: int
    shelf: str


def stock(words: str) -> list[Book] | str:
    """Look up which books the shop has, their prices in euros, how many copies there are, and on which shelf.

    Args:
        words: of a title, an author or a shelf, for example: dune, or crime
    """
    wanted = [word.strip(".,;:!?\"'").lower() for word in words.split()]
    scored = [(_matches(book, wanted), book) for book in _catalogue()]
    best = max((score for score, _ in scored), default=0)
    found = [book for score, book in scored if score and score == best]
    return found[:10] or "The shop does not have it."


def _matches(book: Book, wanted: list[str]) -> int:
    said = f"{book.title} {book.author} {book.shelf}".lower()
    return sum(len(word) > 2 and word in said for word in wanted)


@cache
def _catalogue() -> tuple[Book, ...]:
    source = files("anaphora").joinpath("tools", "stock.json").read_text(encoding="utf-8")
    return tuple(Book(**item) for item in json.loads(source))
