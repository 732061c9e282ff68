"""Fixtures that several tests share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings
from tests.doubles.loopback import Loopback

from anaphora.providers.models.vendors import VENDORS

# Time decides no test.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Programs that tests start can be interrupted, also where the tests run in the background of a shell."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Here event loops differ most; elsewhere the second loop is tried with the long tests.
ON_BOTH_LOOPS = ("tests/chat/", "tests/providers/http/", "tests/sync/", "tests/turn/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves most of the second event loop to the long tests, so that a contributor waits half as long."""
    for item in items:
        is_second = isinstance(item, pytest.Function) and "trio" in item.name.rpartition("[")[2].rstrip("]").split("-")
        if is_second and not item.nodeid.startswith(ON_BOTH_LOOPS):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every asynchronous test runs on both."""
    return str(request.param)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """A server on this machine that answers what a test tells it to."""
    with Loopback() as server:
        yield server


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the settings, the history or the keys of whoever runs it. The weights are shared."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    for vendor in VENDORS.values():
        monkeypatch.delenv(vendor.key_variable or "NO_KEY", raising=False)
