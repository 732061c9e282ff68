import pytest

from anaphora.stores.base import Store
from anaphora.stores.inmemory import InMemoryStore
from tests.stores.conformance import StoreConformance

pytestmark = pytest.mark.anyio


class TestInMemoryStore(StoreConformance):
    def make(self) -> Store:
        return InMemoryStore()
