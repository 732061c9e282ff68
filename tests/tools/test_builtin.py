"""The tools that come along: what they give, and that they only read what they may."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora import Chatbot, InMemoryStore, ScriptedProvider
from anaphora.errors import ConfigError
from anaphora.providers.scripted import ScriptedReply
from anaphora.tools import calculate, file_tools, now, tool
from anaphora.tools.base import Caller, Tool, ToolFailed
from anaphora.tools.run import ToolHooks, ToolRun
from anaphora.values.events import Ended, ToolCallDelta
from anaphora.values.message import ToolCall, ToolResult

CALLER = Caller("me", "c")


def run(made: Tool, **arguments: Any) -> str:
    try:
        return anyio.run(made.run, arguments, CALLER)
    except ToolFailed as error:
        return f"! {error}"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(23 + 17) * 2.5", "100"),
        ("0.1 + 0.2", "0.3"),
        ("19% * 240", "45.6"),
        ("10 % 3", "1"),
        ("-7 // 2", "-4"),
        ("-2 ** 2", "-4"),
        ("2 ^ 0.5", "1.4142135623731"),
        ("2**-1", "0.5"),
        ("6 × 7", "42"),
        ("round(10/3, 2)", "3.33"),
        ("max(1, 2, sqrt(16))", "4"),
        ("123456789123456789 * 987654321987654321", "121932631356500531347203169112635269"),
        ("2**300", "2.03703597633449e+90"),
        ("1e-3", "0.001"),
        ("100000000000000.5", "100000000000000"),
        ("1/3*3", "1"),
        ("10**40 % 7", "4"),
        ("-7 % 3", "2"),
    ],
)
def test_the_calculator_works_out(expression: str, value: str):
    assert calculate(expression) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("1/0", "division by zero"),
        ("9**9**9", "too large"),
        ("1e999999999", "too large"),
        ("(" * 400 + "1", "too deeply"),
        ("-" * 400 + "1", "too deeply"),
        ("1 +", "ends too soon"),
        ("2 3", "does not go on with '3'"),
        ("__import__('os')", "what is"),
        ("os.system", "what is"),
        ("sqrt(-1)", "cannot be worked out"),
        ("1" * 501, "more than 500 characters"),
        ("", "ends too soon"),
        ("max()", "not expected"),
        ("10**100 % 7", "too large for // and %"),
    ],
)
def test_the_calculator_says_what_it_cannot(expression: str, reason: str):
    with pytest.raises(ToolFailed, match=reason):
        calculate(expression)


@given(st.text(alphabet="0123456789.+-*/%^()e, sqrtpimaxround", max_size=60))
def test_whatever_is_asked_the_calculator_gives_a_number_or_a_reason(expression: str):
    with suppress(ToolFailed):
        assert re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?", calculate(expression))


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=5), st.lists(st.sampled_from("+-*"), min_size=4, max_size=4))
def test_the_calculator_reckons_as_python_does(numbers: list[int], signs: list[str]):
    text = "".join(f"{number}{sign}" for number, sign in zip(map(_bracketed, numbers), [*signs, ""], strict=False)).rstrip("+-*")
    assert calculate(text) == str(eval(text))


def _bracketed(number: int) -> str:
    return f"({number})" if number < 0 else str(number)


def test_the_date_and_the_time_are_told_anywhere():
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*UTC", now())
    assert "UTC+0000" in now("UTC")
    with pytest.raises(ToolFailed, match="no time zone"):
        now("Nowhere/Land")
    with pytest.raises(ToolFailed, match="no time zone"):
        now("../../etc/passwd")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "notes"
    (root / "sub").mkdir(parents=True)
    (root / "a.md").write_text("one\ntwo\nthree\n", encoding="utf-8")
    (root / "sub" / "b.txt").write_text("inside", encoding="utf-8")
    (root / "binary").write_bytes(b"\0\1")
    (root / "empty").write_bytes(b"")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("hidden", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("SECRET", encoding="utf-8")
    (tmp_path / "notes-too").mkdir()
    (tmp_path / "notes-too" / "c.txt").write_text("SECRET", encoding="utf-8")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "up").symlink_to(tmp_path)
    (root / "near.md").symlink_to(root / "a.md")
    os.mkfifo(root / "pipe")
    return root


def test_files_are_listed_and_read(folder: Path):
    listed, read = file_tools(folder)
    assert run(listed).splitlines() == ["a.md (14)", "binary (2)", "empty (0)", "sub/b.txt (6)"]
    assert run(listed, pattern="*.md") == "a.md (14)"
    assert run(listed, folder="sub") == "sub/b.txt (6)"
    assert run(read, path="a.md") == "one\ntwo\nthree\n"
    assert run(read, path="a.md", first_line=2, last_line=2) == "two\n"
    assert run(read, path=str(folder / "a.md")) == "one\ntwo\nthree\n"
    assert run(read, path="near.md") == "one\ntwo\nthree\n"
    assert run(read, path="empty") == "(empty)"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "link.txt",
        "up/secret.txt",
        "../notes-too/c.txt",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/environ",
        "~/.ssh/id_rsa",
        "a.md\0",
        "",
        ".",
        "pipe",
        "no-such-file",
        "x" * 5_000,
        "binary",
        "a.md/b",
        ".git/config",
    ],
)
def test_nothing_else_is_read(folder: Path, path: str):
    _, read = file_tools(folder)
    said = run(read, path=path)
    assert said.startswith("! ")
    assert "SECRET" not in said


@pytest.mark.parametrize("path", ["..", "up", "/", "../notes-too"])
def test_nothing_else_is_listed(folder: Path, path: str):
    listed, _ = file_tools(folder)
    assert run(listed, folder=path).startswith("! ")


def test_wrong_lines_are_said(folder: Path):
    _, read = file_tools(folder)
    assert run(read, path="a.md", first_line=9) == "! the file has lines 1 to 3"
    with pytest.raises(ConfigError, match="not a folder"):
        file_tools(folder / "a.md")
    with pytest.raises(ConfigError, match="name a folder"):
        file_tools()


def searching(words: str) -> ScriptedReply:
    return [ToolCallDelta(0, "p", "search_past", f'{{"words": "{words}"}}'), Ended("tool_calls")]


def test_what_was_said_elsewhere_is_found_and_what_is_said_here_is_not():
    script: list[ScriptedReply] = [searching("kyoto budget"), "800 euros."]
    provider = ScriptedProvider("Noted.", *script)
    with Chatbot(provider, tools=["search_past"], owner="ada") as bot:
        bot.conversation("trip").say("The budget for Kyoto is 800 euros.")
        answer = bot.say("What was my kyoto budget?")
    text = answer.steps[-1].tool_results[0].text
    assert text == "- In “trip”, The user said: The budget for Kyoto is 800 euros."


def test_others_are_not_searched():
    script: list[ScriptedReply] = [searching("kyoto"), "Nothing."]
    store = InMemoryStore()
    with Chatbot(ScriptedProvider("Noted."), store=store, owner="ada") as ada:
        ada.say("We fly to Kyoto.")
    with Chatbot(ScriptedProvider(*script), store=store, owner="tom", tools=["search_past"]) as tom:
        assert tom.say("Kyoto?").steps[-1].tool_results[0].text == "(nothing was found)"


@given(name=st.text(max_size=20), arguments=st.text(max_size=60) | st.just("[" * 5_000) | st.just("9" * 5_000))
def test_whatever_a_model_calls_there_is_one_result_for_it(name: str, arguments: str):
    @tool
    def look(x: int) -> str:
        """Looks."""
        return str(x)

    kept: list[ToolResult] = []

    async def changed(parts: Any) -> None:
        kept[:] = parts

    async def checked(text: str) -> str:
        return text

    async def go() -> tuple[ToolResult, ...]:
        calls = [ToolCall("1", name, arguments), ToolCall("2", "look", arguments), ToolCall("3", "look", '{"x": 1}')]
        running = ToolRun(calls, {"look": look}, CALLER, None, ToolHooks(changed, lambda _: None, lambda _: None, checked))
        await running.run()
        return running.results

    parts = anyio.run(go)
    assert [part.call_id for part in parts] == ["1", "2", "3"]
    assert parts[2].text == "1"
    assert kept == list(parts)
