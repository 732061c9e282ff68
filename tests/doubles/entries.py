"""What all parts of the conformance suite begin with: an empty store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

import pytest

from anaphora.stores.base import Store
from anaphora.values.message import text_message
from anaphora.values.scope import Scope

HERE = Scope("me", "c1")
ASK = text_message("user", "What's the capital of France?")
ANSWER = text_message("assistant", "Paris.")


class MakesStore(ABC):
    @abstractmethod
    def make(self) -> Store:
        """An empty store."""

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        store = self.make()
        yield store
        await store.aclose()
