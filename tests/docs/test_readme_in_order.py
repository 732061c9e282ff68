"""README's commands in the order of the page, twice in a row in one home: what was asked before must spoil nothing."""

import pytest
from tests.doubles.program import Terminal, run_process

pytestmark = pytest.mark.local


@pytest.mark.slow
def test_the_readme_works_in_its_order_and_again_with_its_own_past():
    for _ in range(2):
        assert "Paris" in run_process("What is the capital of France?").stdout
        with Terminal(seconds=60) as terminal:
            terminal.wait_for("\n>")
            terminal.enter("What is the capital of Japan?")
            terminal.wait_for("tokens in")
            terminal.enter("What language do people speak there?")
            terminal.wait_for("tokens in", times=2)
            terminal.enter("/quit")
            assert terminal.exit_code() == 0
            said = " ".join(terminal.text.split())
        assert "The capital of Japan is Tokyo." in said
        assert "Japanese" in said
        # Nothing of what was quoted, or of how, comes out in an answer.
        assert "[20" not in said
        assert "Germany" not in said
