"""How much of a context begins like the one sent before it: what a provider need not read again, and why it is not more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anaphora.values.message import Message
from anaphora.values.report import Prefix

# The shortest time that a provider keeps what it has read.
_CACHE_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Sent:
    """The messages of one call with their sizes in tokens, the window's first message, and the preamble.

    ``model`` is who it was sent to, ``tools`` what was said of tools.
    """

    messages: tuple[Message, ...]
    sizes: tuple[int, ...]
    cut: str | None
    preamble: str
    model: str = ""
    tools: str = ""


def unchanged(before: Sent, now: Sent) -> Prefix:
    """Compares two calls of one conversation. Gives the tokens that they have in common at their beginning."""
    # Most messages are the very same objects.
    same = next(
        (
            place
            for place, pair in enumerate(zip(before.messages, now.messages, strict=False))
            if pair[0] is not pair[1] and pair[0] != pair[1]
        ),
        min(len(before.messages), len(now.messages)),
    )
    tokens = sum(before.sizes[:same])
    if same < min(len(before.messages), len(now.messages)):
        tokens += _common(before.messages[same], now.messages[same], before.sizes[same])
    return Prefix(tokens, sum(before.sizes), _reason(before, now))


def cache_loss(before: Sent, now: Sent, cached: int, *, was: int, pause: float) -> str:
    """Why much less came from the provider's cache than at the call before it; empty if it did not.

    ``cached`` and ``was`` in tokens; ``pause`` are the seconds between the calls.
    """
    if cached >= was / 2:
        return ""
    if before.model != now.model:
        return "the model changed"
    if before.tools != now.tools:
        return "the tools changed"
    expired = f"the cache expired in the {pause / 60:.0f} minutes between" if pause > _CACHE_SECONDS else ""
    return _reason(before, now) or expired or "the provider does not say why"


def _reason(before: Sent, now: Sent) -> str:
    if _system(before.messages) != _system(now.messages):
        return "the system prompt changed"
    if before.cut != now.cut:
        return "the window moved"
    if before.preamble != now.preamble:
        return "what stands before the window changed: a summary or a fact"
    # The newest message had its tail then and has not now, and what follows it is new.
    if before.messages[:-1] != now.messages[: len(before.messages) - 1]:
        return "the conversation went on from elsewhere"
    return ""


def _system(messages: Sequence[Message]) -> str:
    return messages[0].text if messages and messages[0].role == "system" else ""


def _common(old: Message, new: Message, tokens: int) -> int:
    """About how many of a message's tokens another one begins with."""
    if old.role != new.role or not old.text:
        return 0
    same = next(
        (place for place, (a, b) in enumerate(zip(old.text, new.text, strict=False)) if a != b), min(len(old.text), len(new.text))
    )
    return tokens * same // len(old.text)
