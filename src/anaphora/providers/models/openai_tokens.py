"""Counts tokens as OpenAI does, with the extra ``tokens`` (toktok-rs), which contains OpenAI's vocabularies."""

from __future__ import annotations

import re

from anaphora.concurrency import run_in_thread
from anaphora.providers.models.card import Counter
from anaphora.values.message import Image, Message
from anaphora.values.tokens import IMAGE_TOKENS, MESSAGE_OVERHEAD, read_texts

# The prefixes of OpenAI's tiktoken; an unknown newer model has the newest vocabulary.
_OLD = re.compile(r"gpt-4(?!o|\.1|\.5)|gpt-3\.5|gpt-35")
_KNOWN = re.compile(r"gpt-|o\d|chatgpt-|chat-latest")


def encoding_of(model: str) -> str | None:
    """Gives the name of a model's vocabulary; None if it is not one of OpenAI's chat models."""
    if _OLD.match(model):
        return "cl100k_base"
    return "o200k_base" if _KNOWN.match(model) and not model.startswith("gpt-oss") else None


async def exact_counter(model: str) -> Counter | None:
    """Gives a counter for one of OpenAI's models; None for other models or without the extra.

    Loads for a second, off the event loop.
    """
    encoding = encoding_of(model)
    if encoding is None:
        return None
    try:
        from toktok import batch_count
    except ImportError:
        return None
    await run_in_thread(batch_count, [""], encoding)

    async def count(message: Message, /) -> int:
        tokens: list[int] = batch_count(read_texts(message), encoding, 1)
        images = sum(isinstance(part, Image) for part in message.parts)
        return MESSAGE_OVERHEAD + sum(tokens) + IMAGE_TOKENS * images

    return count
