"""Hashes of lists of messages, by which a list that a client sends again is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from anaphora.values.message import Image, Message, Text, ToolCall, ToolResult

_START = "anaphora"


def chain_of(messages: Sequence[Message], before: str = _START) -> str:
    """Gives the hash of messages that follow others; the system prompt is not among them."""
    chain = before
    for message in messages:
        chain = hashlib.sha256(json.dumps([chain, message.role, _words(message)]).encode()).hexdigest()
    return chain


def _words(message: Message) -> list[object]:
    """The words of a message as clients send them again: without thinking, and without blanks around it."""
    text = "".join(part.text for part in message.parts if isinstance(part, Text)).strip()
    pictures = [hashlib.sha256(part.data).hexdigest() for part in message.parts if isinstance(part, Image)]
    calls = [[part.name, _arguments(part.arguments)] for part in message.parts if isinstance(part, ToolCall)]
    results = [part.text.strip() for part in message.parts if isinstance(part, ToolResult)]
    return [text, pictures, calls, results]


def _arguments(text: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def same_words(one: Message, other: Message) -> bool:
    """True if two messages say the same."""
    return one.role == other.role and _words(one) == _words(other)


def overlap(given: Sequence[Message], branch: Sequence[Message]) -> int:
    """Gives how many of the first given messages are the last of a branch already."""
    for size in range(min(len(given), len(branch)), 0, -1):
        if all(map(same_words, given[:size], branch[len(branch) - size :])):
            return size
    return 0


def common_start(given: Sequence[Message], branch: Sequence[Message]) -> int:
    """Gives how many messages a list and a branch have in common from their start."""
    pairs = zip(given, branch, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if not same_words(one, other)), min(len(given), len(branch)))
