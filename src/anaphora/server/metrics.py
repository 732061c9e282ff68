"""Numbers for Prometheus: requests, turns, tokens, times and queues. No names of owners, and no words."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The numbers of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        seconds: dict[str, Any] = {"registry": self.registry, "buckets": _SECONDS}
        self._requests = Counter("anaphora_requests", "Requests", ["route", "status"], registry=self.registry)
        self._seconds = Histogram("anaphora_request_seconds", "Time until a request was answered", ["route"], **seconds)
        self._turns = Counter("anaphora_turns", "Turns, by status", ["status"], registry=self.registry)
        self._tokens = Counter("anaphora_tokens", "Tokens of models, by direction", ["direction"], registry=self.registry)
        self._first = Histogram("anaphora_first_word_seconds", "Time to the first word", **seconds)
        self._store = Histogram(
            "anaphora_store_seconds", "Time of one read of the store", registry=self.registry, buckets=_SECONDS
        )
        self._live = Gauge("anaphora_live_runs", "Runs under way in this process", registry=self.registry)
        self._waiting = Gauge(
            "anaphora_waiting_runs", "Runs that wait for a model that does one at a time", registry=self.registry
        )

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def turn(self, status: str, tokens_in: int, tokens_out: int, first_seconds: float | None) -> None:
        """Counts a turn."""
        self._turns.labels(status).inc()
        self._tokens.labels("input").inc(tokens_in)
        self._tokens.labels("output").inc(tokens_out)
        if first_seconds is not None:
            self._first.observe(first_seconds)

    def store_read(self, seconds: float) -> None:
        """Notes the time of one read of the store."""
        self._store.observe(seconds)

    def text(self, live: int, waiting: int) -> bytes:
        """Gives all numbers in Prometheus' format."""
        self._live.set(live)
        self._waiting.set(waiting)
        given: Any = generate_latest(self.registry)
        return bytes(given)
