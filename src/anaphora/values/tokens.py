"""Counting tokens without a tokenizer: an estimate per model that learns from the usage each reply reports."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil

from anaphora.values.message import Image, Message, Text, Thinking, ToolCall, ToolResult

# The role and the marks around a message: 3 or 4 tokens in ChatML and in OpenAI's own format.
MESSAGE_OVERHEAD = 4
IMAGE_TOKENS = 1_000
# Below this a report says more about the template around the text than about the text.
_LEAST_BYTES_TO_LEARN = 200
_RATIO_BOUNDS = (1.5, 8.0)
# After so many reports an estimate is known to be good.
_WELL_KNOWN = 3
_CUT_IF_KNOWN, _CUT_IF_GUESSED = 0.5, 0.4
_LEAST_SENT = 500
_MOVED = 0.01


def read_texts(message: Message) -> list[str]:
    """Everything in a message that a model reads as text."""
    texts: list[str] = []
    for part in message.parts:
        match part:
            case Text(text) | ToolResult(_, text):
                texts.append(text)
            case ToolCall(_, name, arguments):
                texts.append(json.dumps({"name": name, "arguments": arguments}))
            case Thinking() | Image():
                pass
    return texts


def text_bytes(message: Message) -> int:
    """The UTF-8 bytes of that."""
    return sum(len(text.encode("utf-8", "replace")) for text in read_texts(message))


@dataclass(frozen=True, slots=True)
class Measure:
    """The basis of an estimate of tokens: the UTF-8 bytes of so many messages, and their pictures."""

    messages: int = 0
    bytes: int = 0
    images: int = 0

    def __add__(self, other: Measure) -> Measure:
        return Measure(self.messages + other.messages, self.bytes + other.bytes, self.images + other.images)

    def __sub__(self, other: Measure) -> Measure:
        return Measure(self.messages - other.messages, self.bytes - other.bytes, self.images - other.images)

    @property
    def fixed(self) -> int:
        """The tokens that do not depend on words: roles, marks and pictures."""
        return MESSAGE_OVERHEAD * self.messages + IMAGE_TOKENS * self.images


def measure_of(messages: Iterable[Message]) -> Measure:
    """Measure messages; each need be measured once in its life."""
    total = Measure()
    for message in messages:
        total += Measure(1, text_bytes(message), sum(isinstance(part, Image) for part in message.parts))
    return total


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens as bytes divided by a ratio. UTF-8 bytes per token vary less between languages than characters do.

    ``error`` is the share by which the last ``samples`` were wrong, the newest counting most. The start value is cautious:
    English prose has 4.2 to 4.6 bytes per token, source code and Chinese about 3.5.
    """

    bytes_per_token: float = 3.5
    samples: int = 0
    error: float = 0.0

    def count(self, message: Message) -> int:
        """The tokens of a message, its role and marks included."""
        measure = measure_of([message])
        return measure.fixed + ceil(measure.bytes / self.bytes_per_token)

    def learned(self, sent: Measure, reported: int) -> Estimate:
        """The estimate corrected by what a provider counted for ``sent``, in tokens. Zero and tiny reports teach nothing."""
        size, fixed = sent.bytes, sent.fixed
        if reported <= fixed or size < _LEAST_BYTES_TO_LEARN:
            return self
        low, high = _RATIO_BOUNDS
        seen = min(max(size / (reported - fixed), low), high)
        weight = max(1 / (self.samples + 1), 0.2)
        wrong = abs(fixed + size / self.bytes_per_token - reported) / reported
        return replace(
            self,
            bytes_per_token=self.bytes_per_token + weight * (seen - self.bytes_per_token),
            samples=self.samples + 1,
            error=self.error + weight * (wrong - self.error),
        )

    def differs(self, before: Estimate) -> bool:
        """Tells whether it is worth keeping in the place of an earlier one: it is young, or has moved by a hundredth."""
        young = self.samples <= _WELL_KNOWN and self != before
        return young or abs(self.bytes_per_token - before.bytes_per_token) > _MOVED * before.bytes_per_token

    def is_cut(self, sent: int, reported: int) -> bool:
        """True if a provider counted so few of the tokens ``sent`` that it must have cut the prompt silently.

        The better the estimate is known to be, the smaller the gap that tells.
        """
        share = _CUT_IF_KNOWN if self.samples >= _WELL_KNOWN else _CUT_IF_GUESSED
        return sent >= _LEAST_SENT and 0 < reported < share * sent
