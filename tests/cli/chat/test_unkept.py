"""Where conversations cannot be kept the error is clear, the answer is shown all the same, and what is there can be read."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.doubles.program import Terminal, run_process

from anaphora.cli.open import data_file
from anaphora.errors import StoreUnusable

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["words", "folder", "theirs", "newer"])
@pytest.mark.parametrize("flags", [[], ["--no-stream"], ["--json"]])
def test_the_answer_is_given_and_why_it_is_not_kept(tmp_path: Path, kind: str, flags: list[str]):
    path = tmp_path / "x.db"
    if kind == "words":
        path.write_bytes(b"no database at all, only words" * 100)
    elif kind == "folder":
        path.mkdir()
    else:
        with closing(sqlite3.connect(path)) as database:
            if kind == "newer":
                database.execute(f"PRAGMA application_id = {0x616E6170}")
                database.execute("PRAGMA user_version = 999")
            database.execute("CREATE TABLE theirs (x)")
    done = run_process("-m", "scripted:", "--store", str(path), *flags, "hi")
    assert done.returncode == 0
    assert "You said: hi" in done.stdout
    assert "--store" in done.stderr
    assert "Traceback" not in done.stderr
    assert run_process("--store", str(path), "list").returncode == 1


# Root may write everywhere, until it gives up the capabilities to (1, 2 and 3 of capability.h).
LIMITED = """
import ctypes, os, resource, sys
mode, *rest = sys.argv[1:]
if mode == "full":
    size = int(rest.pop(0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
elif os.getuid() == 0:
    libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    sets[:] = [*(bits & ~0b1110 for bits in sets[:3]), *sets[3:]]
    assert libc.capset(header, sets) == 0
from anaphora.cli.main import main
sys.exit(main(rest))
"""


def limited(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments],
        input=b"",
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="root gives up its rights by Linux's means")
def test_in_a_folder_that_cannot_be_written_the_past_is_readable(tmp_path: Path):
    path = tmp_path / "kept" / "x.db"
    run_process("-m", "scripted:", "--store", str(path), "an earlier question")
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        code, out, error = limited("user", "-m", "scripted:", "--store", str(path), "hi")
        assert (code, out) == (0, "You said: hi\n"), error
        assert "cannot be written" in error
        assert "an earlier question" in limited("user", "--store", str(path), "list")[1]
        assert "an earlier question" in limited("user", "--store", str(path), "search", "earlier")[1]
        code, out, error = limited("user", "-m", "scripted:", "--store", str(path), "-c", "hi")
        assert (code, out) == (0, "You said: hi\n")
        code, _, error = limited("user", "--store", str(path), "rename", "1", "x")
        assert code == 1
        assert "cannot be written" in error
    finally:
        path.parent.chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="root gives up its rights by Linux's means")
def test_without_a_home_the_answer_is_given(tmp_path: Path):
    home = {"HOME": "/dev/null/home", "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "XDG_CACHE_HOME": ""}
    code, out, error = limited("user", "-m", "scripted:", "hi", environment=home)
    assert (code, out) == (0, "You said: hi\n"), error
    assert "--no-store" in error


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
@pytest.mark.parametrize("more", [0, 5_000, 33_000, 60_000, 90_000])
def test_on_a_full_disk_the_answer_is_given_and_the_past_is_whole(tmp_path: Path, more: int):
    path = tmp_path / "x.db"
    assert run_process("-m", "scripted:", "--store", str(path), "an earlier question").returncode == 0
    code, out, error = limited("full", str(more), "-m", "scripted:", "--store", str(path), "hello " * 3_000)
    assert code == 0, error
    assert out.startswith("You said: hello")
    assert "Traceback" not in error
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "an earlier question" in run_process("--store", str(path), "list").stdout
    assert run_process("-m", "scripted:", "--store", str(path), "-c", "go on").stdout == "You said: go on\n"


def test_a_chat_goes_on_in_memory(tmp_path: Path):
    path = tmp_path / "x.db"
    path.mkdir()
    with Terminal("-m", "scripted:", "--store", str(path)) as terminal:
        terminal.wait_for("\n>")
        terminal.enter("first")
        terminal.wait_for("From here on nothing of this conversation is kept.")
        terminal.wait_for("You said: first")
        terminal.enter("second")
        terminal.wait_for("You said: second")
        terminal.enter("/context")
        terminal.wait_for("4 messages, ")
        assert terminal.text.count("nothing of this conversation") == 1
        terminal.enter("/quit")
        assert terminal.exit_code() == 0


def test_where_nobody_knows_a_home_nothing_is_written_into_a_folder_called_tilde(monkeypatch: pytest.MonkeyPatch):
    # What is left where neither HOME nor the list of users says where ~ is, as in a container with a user of its own.
    monkeypatch.setattr("anaphora.cli.open.user_data_path", lambda name: Path("~/.local/share") / name)
    with pytest.raises(StoreUnusable, match="there is no home folder"):
        data_file()
