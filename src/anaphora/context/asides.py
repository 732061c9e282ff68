"""Puts the memory's texts beside the window: a preamble before it, and a tail with the newest message.

The preamble changes only when the window moves. Both are quoted material, and say so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from anaphora.context.repair import SentMessage
from anaphora.values.message import Message, Text
from anaphora.values.report import Aside, Asides

_ASIDE = re.compile(r"<(memory|document)\b.*</\1>\n\n", re.DOTALL)


def with_asides(window: Sequence[SentMessage], remembered: Asides) -> list[SentMessage]:
    """The window with the preamble before its first message and the tail before the user's newest."""
    pieces = list(window)
    newest = next((index for index in reversed(range(len(pieces))) if pieces[index].starts_turn), None)
    if newest is not None:
        pieces[newest] = _before(pieces[newest], remembered.tail)
        pieces[0] = _before(pieces[0], remembered.preamble)
    return pieces


def without_asides(message: Message) -> Message:
    """A message of a context as it was said."""
    said = tuple(part for part in message.parts if not (isinstance(part, Text) and _ASIDE.fullmatch(part.text)))
    return message if len(said) == len(message.parts) else replace(message, parts=said)


def _before(piece: SentMessage, aside: Aside) -> SentMessage:
    if not aside.text:
        return piece
    message = replace(piece.message, parts=(Text(f"{aside.text}\n\n"), *piece.message.parts))
    return replace(piece, message=message, tokens=piece.tokens + aside.tokens)
