"""Vectors of messages, as a store keeps them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unembedded:
    """A message that has no vectors of a model yet."""

    number: int
    message: str
    text: str


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A piece of a message as int8 numbers. ``number`` is the store's own, ``message`` the id.

    ``place`` is given by the store: what is stored later has a greater one.
    """

    number: int
    message: str
    piece: int
    row: bytes
    place: int = 0
