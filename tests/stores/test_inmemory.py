import pytest
from tests.stores.conformance import StoreConformance

from anaphora.stores.base import Store
from anaphora.stores.inmemory import InMemoryStore

pytestmark = pytest.mark.anyio


class TestInMemoryStore(StoreConformance):
    def make(self) -> Store:
        return InMemoryStore()
