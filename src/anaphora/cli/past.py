"""Looks at past conversations from the command line, without a model."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from anaphora.providers.base import ModelInfo, Request
from anaphora.sync.chatbot import Chatbot
from anaphora.values.events import ProviderEvent

# Whose conversations the terminal shows: those of the person who runs it.
OWNER = "me"


def past_conversations(store: str | Path) -> Chatbot:
    """Gives a chatbot that can be asked for what was said, and never answers. Raises StoreError."""
    return Chatbot(_NoModel(), store=store, owner=OWNER)


class _NoModel:
    """Looking at the past needs nobody to answer."""

    name = "none"

    async def prepare(self, model: str, /) -> ModelInfo:  # noqa: ARG002 -- the protocol's signature
        return ModelInfo()

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:  # noqa: ARG002 -- the same
        events: tuple[ProviderEvent, ...] = ()
        for event in events:
            yield event

    async def aclose(self) -> None:
        """Nothing to let go of."""
