import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.errors import AuthenticationFailed, RateLimited, ServerFailed
from anaphora.providers.retry import Retries, next_delay, retry_after, should_retry


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, None),
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "soon", "retry-after-ms": "x"}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("status", "again"),
    [(408, True), (429, True), (500, True), (503, True), (529, True), (400, False), (401, False), (501, False)],
)
def test_the_status_decides(status: int, again: bool):
    assert should_retry(status, {}) is again


def test_the_servers_own_word_wins():
    assert should_retry(400, {"x-should-retry": "true"})
    assert not should_retry(500, {"x-should-retry": "False"})


def test_our_own_waits_double_up_to_a_limit():
    error = ServerFailed("x")
    waits = [next_delay(error, attempt, Retries(attempts=9), jitter=0) for attempt in range(7)]
    assert waits == [0.5, 1, 2, 4, 8, 8, 8]


def test_what_the_server_asks_for_is_waited_in_full():
    assert next_delay(RateLimited("x", retry_after=20.0), 0, Retries(), jitter=1) == 20.0


def test_a_wait_that_is_too_long_is_given_up_at_once():
    assert next_delay(RateLimited("x", retry_after=3_600.0), 0, Retries(), jitter=0) is None


def test_it_ends_after_the_attempts_and_for_errors_that_do_not_pass():
    assert next_delay(ServerFailed("x"), 2, Retries(attempts=2), jitter=0) is None
    assert next_delay(AuthenticationFailed("x"), 0, Retries(), jitter=0) is None


@given(st.integers(0, 50), st.floats(0, 1), st.none() | st.floats(0, 1e9))
def test_no_wait_is_ever_longer_than_the_limits(attempt: int, jitter: float, asked: float | None):
    retries = Retries(attempts=100)
    delay = next_delay(RateLimited("x", retry_after=asked), attempt, retries, jitter=jitter)
    assert delay is None or 0 <= delay <= max(retries.longest_delay, retries.longest_wait)
