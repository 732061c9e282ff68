"""The Postgres store does what every store does."""

from __future__ import annotations

import pytest
from tests.doubles.postgres import emptied_database
from tests.stores.conformance import StoreConformance

from anaphora.stores.base import Store
from anaphora.stores.postgres.store import PostgresStore

pytestmark = pytest.mark.anyio


class TestPostgresStore(StoreConformance):
    def make(self) -> Store:
        return PostgresStore(emptied_database(), connections=4)
