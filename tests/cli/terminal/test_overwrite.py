"""A file that exists is written over only after a yes, with --force, or where the chat itself wrote it."""

import os
from pathlib import Path

import pytest
from tests.doubles.program import Terminal, run


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious.txt"
    path.write_text("precious")
    run("-m", "scripted:", "one")
    return path


@pytest.mark.parametrize("arguments", [("export", "-o"), ("export", "--all", "-o"), ("export", "--format", "markdown", "-o")])
def test_an_export_writes_over_nothing_unless_it_is_forced(precious: Path, arguments: tuple[str, ...]):
    done = run(*arguments, str(precious))
    assert done.returncode == 2
    assert "exists: add --force to write over it" in done.stderr
    assert precious.read_text() == "precious"
    assert run(*arguments, str(precious), "--force").returncode == 0
    assert "one" in precious.read_text()


def test_a_device_or_a_pipe_is_written_to_without_asking(precious: Path):
    assert run("export", "-o", os.devnull).returncode == 0


@pytest.mark.slow
def test_a_chat_asks_and_takes_no_for_an_answer(precious: Path):
    other = precious.with_name("other.json")
    with Terminal("-m", "scripted:", "-c") as terminal:
        for number, command in enumerate((f"/save {precious}", f"/export {precious}"), 1):
            terminal.wait_for("\n>", times=1)
            terminal.enter(command)
            terminal.wait_for("Write over it? [y/N]", times=number)
            terminal.enter("n")
            terminal.wait_for("Nothing was written.", times=number)
        assert precious.read_text() == "precious"
        terminal.enter(f"/save {other}")
        terminal.wait_for("Saved to")
        # Its own file it may write again.
        terminal.enter(f"/save {other}")
        terminal.wait_for("Saved to", times=2)
        terminal.enter(f"/save --force {precious}")
        terminal.wait_for("Saved to", times=3)
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    assert "one" in precious.read_text()


@pytest.mark.slow
def test_an_export_on_a_terminal_asks(precious: Path):
    with Terminal("export", "-o", str(precious)) as terminal:
        terminal.wait_for("Write over it? [y/N]")
        terminal.enter("y")
        assert terminal.exit_code() == 0
    assert "one" in precious.read_text()
