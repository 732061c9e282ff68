"""What type checkers make of the public API: an answer of a type, for mypy and for pyright."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from dataclasses import dataclass
from typing import assert_type

from anaphora import Answer, AsyncChatbot, Chatbot, Reply, ScriptedProvider


@dataclass
class Invoice:
    number: int


bot = Chatbot(ScriptedProvider())
assert_type(bot.say("x", output_type=Invoice).value, Invoice)
assert_type(bot.say("x", output_type=str).value, str)
assert_type(bot.say("x"), Answer)
assert_type(bot.say("x").value, None)
assert_type(bot.stream("x", output_type=Invoice), Reply[Invoice])
assert_type(bot.conversation("c").say("x", output_type=Invoice, temperature=0.5).value.number, int)


async def main(bot: AsyncChatbot) -> None:
    assert_type((await bot.say("x", output_type=Invoice)).value, Invoice)
    assert_type((await bot.stream("x", output_type=Invoice).answer()).value, Invoice)
"""
WRONG = """
from anaphora import Chatbot

Chatbot("x").say("x", temprature=0.5)
"""
CHECKERS = [["mypy", "--strict"], ["basedpyright", "--level", "error"]]


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker[0])
def test_the_value_of_an_answer_has_the_type_that_was_asked_for(tmp_path: Path, checker: list[str]):
    program = shutil.which(checker[0], path=str(Path(sys.executable).parent)) or shutil.which(checker[0])
    if program is None:
        pytest.skip(f"{checker[0]} is not installed")
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(PROGRAM, encoding="utf-8")
    wrong.write_text(WRONG, encoding="utf-8")
    done = subprocess.run([program, *checker[1:], str(right)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([program, *checker[1:], str(wrong)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode != 0
