"""The two long proofs of the store: many processes at once, and kills at every moment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anaphora import Chatbot, ScriptedProvider

# The long proofs are bounded unless ANAPHORA_PROOFS=whole.
IS_WHOLE = os.environ.get("ANAPHORA_PROOFS") == "whole"
KILLS, TURNS = (180, 100) if IS_WHOLE else (40, 20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anaphora.db"


@pytest.mark.slow
def test_eight_processes_talk_at_once_and_no_turn_is_lost_or_doubled(path: Path):
    program = f"""
import os
import anyio
from anaphora import AsyncChatbot, ScriptedProvider

async def main():
    async with AsyncChatbot(ScriptedProvider(echo=True), store={str(path)!r}, wait=300) as bot:
        for number in range({TURNS}):
            await bot.conversation("shared").say(f"{{os.getpid()}} {{number}}")
            await bot.conversation(f"own {{os.getpid()}}").say(str(number))

anyio.run(main)
"""
    talkers = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(8)]
    assert [talker.communicate(timeout=300)[1] for talker in talkers] == [b""] * 8
    with Chatbot(ScriptedProvider(), store=path) as bot:
        history = bot.conversation("shared").history()
        asked = [entry.text for entry in history if entry.role == "user"]
        assert sorted(asked) == sorted(f"{talker.pid} {number}" for talker in talkers for number in range(TURNS))
        assert [entry.text for entry in history if entry.role == "assistant"] == [f"You said: {text}" for text in asked]
        assert [entry.order for entry in history] == list(range(1, 16 * TURNS + 1))
        assert all(len(bot.conversation(f"own {talker.pid}").history()) == 2 * TURNS for talker in talkers)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_no_kill_at_any_moment_loses_an_acknowledged_word(tmp_path: Path):
    program = Path(__file__).parent / "crash.py"
    done = subprocess.run([sys.executable, program, tmp_path, str(KILLS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["killed_at_writes"] >= 20
    assert result["killed"] >= result["killed_at_writes"] + KILLS // 4
