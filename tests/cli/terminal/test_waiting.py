"""While something is waited for, the seconds are counted."""

from pathlib import Path

import pytest
from tests.doubles.loopback import Loopback, delta, head
from tests.doubles.program import Terminal, scripted

pytestmark = pytest.mark.slow


def test_a_server_that_never_answers_is_waited_for_with_a_clock(loopback: Loopback):
    loopback.answer(60.0)
    flags = ("-m", "m", "--base-url", loopback.url, "--context-window", "8000")
    with Terminal(*flags, "hi") as terminal:
        terminal.wait_for("… 1 s, Ctrl-C stops")
        terminal.wait_for("… 2 s, Ctrl-C stops")
        terminal.child.sendintr()
        assert terminal.exit_code() == 130
        assert "Ctrl-C stops" not in terminal.text


def test_a_silence_in_the_middle_of_an_answer_is_shown_below_it(loopback: Loopback):
    loopback.answer(head(), delta("Once upon"), 60.0)
    flags = ("-m", "m", "--base-url", loopback.url, "--context-window", "8000")
    with Terminal(*flags, "hi") as terminal:
        terminal.wait_for("… 3 s, Ctrl-C stops")
        assert terminal.text.count("Once upon") == 1
        terminal.child.sendintr()
        assert terminal.exit_code() == 130
        assert terminal.text.count("Once upon") == 1


def test_an_answer_that_is_shown_whole_is_waited_for_with_a_clock_too(tmp_path: Path):
    with Terminal("-m", scripted(tmp_path, ["delay: 60", "text: Paris."]), "--no-stream", "hi") as terminal:
        terminal.wait_for("… 1 s, waiting for the answer")
        terminal.child.sendintr()
        assert terminal.exit_code() == 130


def test_a_limit_ends_the_wait_once_and_tells_of_the_flag(loopback: Loopback):
    loopback.answer(60.0)
    flags = ("-m", "m", "--base-url", loopback.url, "--context-window", "8000", "--timeout", "0.3")
    with Terminal(*flags, "hi") as terminal:
        assert terminal.exit_code() == 1
        assert "it did not begin to answer for 0.3 seconds" in " ".join(terminal.text.split())
        assert "--timeout SECONDS" in " ".join(terminal.text.split())
    assert sum(bool(request.body) for request in loopback.seen) == 1
