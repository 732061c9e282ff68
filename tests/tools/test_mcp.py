"""MCP servers: their tools beside our own, their failures, and what they may not do."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from anaphora import AsyncChatbot, Chatbot, ScriptedProvider
from anaphora.errors import ConfigError
from anaphora.tools.mcp_config import server_configs
from anaphora.values.events import Ended, ToolCallDelta

SERVER = Path(__file__).parent.parent / "doubles" / "mcp_server.py"


def config(tmp_path: Path, **more: Any) -> dict[str, Any]:
    demo = {"command": sys.executable, "args": [str(SERVER), str(tmp_path / "written")]}
    return {"mcpServers": {"demo": demo, **more}}


def call(name: str, arguments: str = "{}") -> list[Any]:
    return [ToolCallDelta(0, f"id_{name}", name, arguments), Ended("tool_calls")]


def result(provider: ScriptedProvider, request: int = -1) -> str:
    return provider.requests[request].messages[-1].tool_results[0].text


def add(a: int) -> int:
    """Ours."""
    return a


def test_tools_of_a_server_stand_beside_our_own(tmp_path: Path):
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps(config(tmp_path)), encoding="utf-8")
    provider = ScriptedProvider(call("demo__add", '{"a": 2, "b": 3}'), "5", "Bye.")
    with Chatbot(provider, tools=[add], mcp=path) as bot:
        assert bot.say("Add").text == "5"
        bot.say("Bye")
    names = [tool.name for tool in provider.requests[0].tools]
    assert names == ["add", "demo__add", "demo__advice", "demo__write", "demo__die"]
    assert [tool.acting for tool in provider.requests[0].tools] == [False, False, False, True, False]
    assert result(provider, 1) == "5"
    assert provider.requests[0].tools == provider.requests[2].tools


@pytest.mark.anyio
async def test_it_works_in_every_event_loop(tmp_path: Path):
    provider = ScriptedProvider(call("demo__add", '{"a": 2, "b": 3}'), "5")
    async with AsyncChatbot(provider, mcp=config(tmp_path)) as bot:
        await bot.say("Add")
    assert result(provider) == "5"


def test_a_server_that_dies_in_mid_call_is_a_result_and_is_there_again_afterwards(tmp_path: Path):
    provider = ScriptedProvider(call("demo__die"), "Oh.", call("demo__add", '{"a": 1, "b": 1}'), "2")
    with Chatbot(provider, mcp=config(tmp_path)) as bot:
        assert bot.say("Die").text == "Oh."
        assert result(provider) == "Error: the MCP server demo failed: Connection closed"
        bot.say("Add")
    assert result(provider) == "2"


def test_a_server_that_is_not_there_is_told_once_and_harms_nobody(tmp_path: Path):
    more = {
        "gone": {"command": "no-such-program"},
        "broken": {"command": sys.executable, "args": ["-c", "raise SystemExit('boom')"]},
    }
    provider = ScriptedProvider("Hi.", "Ho.")
    with Chatbot(provider, mcp=config(tmp_path, **more)) as bot:
        first, second = bot.say("Hi"), bot.say("Ho")
        assert set(first.warnings) == {
            "the MCP server gone cannot be used: there is no program 'no-such-program'",
            "the MCP server broken cannot be used: Connection closed (boom)",
        }
        assert second.warnings == ()
        assert "no-such-program" in str(second.context)
    assert len(provider.requests[0].tools) == 4


def test_wrong_arguments_are_the_servers_to_refuse(tmp_path: Path):
    provider = ScriptedProvider(call("demo__add", '{"a": "x"}'), "Sorry.")
    with Chatbot(provider, mcp=config(tmp_path)) as bot:
        assert bot.say("Add").text == "Sorry."
    assert provider.requests[-1].messages[-1].tool_results[0].failed


def test_what_a_server_says_makes_nobody_act_unasked(tmp_path: Path):
    # A model that obeys whatever it reads: in the description first, then in the result.
    provider = ScriptedProvider(
        call("demo__write", '{"text": "pwned"}'), call("demo__advice"), call("demo__write", '{"text": "pwned"}'), "Done."
    )
    with Chatbot(provider, mcp=config(tmp_path), system="Be good.") as bot:
        bot.say("Give me advice")
        assert len(bot.facts) == 0
    assert not (tmp_path / "written").exists()
    for request in provider.requests:
        assert [message.text for message in request.messages if message.role == "system"] == ["Be good."]


def test_what_is_allowed_is_done(tmp_path: Path):
    provider = ScriptedProvider(call("demo__write", '{"text": "hello"}'), "Done.")
    with Chatbot(provider, mcp=config(tmp_path), confirm=lambda made: made.name == "demo__write") as bot:
        bot.say("Write hello")
    assert (tmp_path / "written").read_text(encoding="utf-8") == "hello"


def test_a_server_over_http_is_reached_with_its_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, SERVER, str(tmp_path / "x"), str(port)], stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            monkeypatch.setenv("DEMO_TOKEN", "t0ken")
            web = {"url": f"http://127.0.0.1:{port}/mcp", "headers": {"Authorization": "Bearer ${DEMO_TOKEN}"}}
            provider = ScriptedProvider(call("web__add", '{"a": 20, "b": 3}'), "23")
            with Chatbot(provider, mcp={"mcpServers": {"web": web}}) as bot:
                bot.say("Add")
        finally:
            process.kill()
    assert result(provider) == "23"


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")


def test_nothing_of_mcp_is_loaded_without_servers():
    said = "from anaphora import Chatbot, ScriptedProvider; import sys; Chatbot(ScriptedProvider('x')).say('y')"
    code = f"{said}; print('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_variables_are_filled_in_and_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DEMO_KEY", "s3cret")
    (one,) = server_configs({"mcpServers": {"x": {"command": "y", "env": {"KEY": "${DEMO_KEY}"}}}})
    assert one.env == {"KEY": "s3cret"}
    assert "s3cret" not in repr(one)


@pytest.mark.parametrize(
    ("source", "reason"),
    [({}, "there is no object"), ({"mcpServers": []}, "no object"), ("/no/such/file.json", "cannot be read")],
)
def test_a_configuration_without_servers_is_an_error_that_says_where(source: Any, reason: str):
    with pytest.raises(ConfigError, match=reason):
        Chatbot(ScriptedProvider(), mcp=source)


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ({}, "'x' in mcp needs either a command or a url"),
        ({"command": "a", "url": "b"}, "either a command or a url"),
        ({"command": "a", "args": [["b"]]}, "hold texts"),
        ({"command": "a", "args": "b"}, "args is a list"),
        ({"command": "a", "env": {"KEY": None}}, "env and headers"),
        ({"command": "${NO_SUCH_VARIABLE_HERE}"}, "wants the variable NO_SUCH_VARIABLE_HERE, which is not set"),
        ({"command": "a", "env": {"KEY": "$NO_SUCH_VARIABLE_HERE"}}, "wants the variable NO_SUCH_VARIABLE_HERE"),
        ({"url": "https://h", "headers": {"a": "${input:token}"}}, "has ${input:token}, which only another program can fill in"),
        (5, "is no JSON object"),
    ],
)
def test_a_server_that_is_described_wrongly_is_told_and_the_others_work(server: Any, reason: str):
    assert "NO_SUCH_VARIABLE_HERE" not in os.environ
    first, second = server_configs({"mcpServers": {"x": server, "y": {"command": "z"}}})
    assert reason in first.problem
    assert (second.command, second.problem) == ("z", "")
    with Chatbot(ScriptedProvider("ok"), mcp={"mcpServers": {"x": server}}) as bot:
        answer = bot.say("hi")
    assert answer.text == "ok"
    assert any(reason in warning for warning in answer.warnings)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Bearer ${MY_TOKEN}", "Bearer s3cr3t"),
        ("Bearer ${env:MY_TOKEN}", "Bearer s3cr3t"),
        ("Bearer $MY_TOKEN", "Bearer s3cr3t"),
        ("Bearer ${NO_SUCH_VARIABLE_HERE:-none}", "Bearer none"),
        ("Bearer ${MY_TOKEN:-none}", "Bearer s3cr3t"),
        ("Bearer ${NO_SUCH_VARIABLE_HERE:-}", "Bearer "),
        ("costs $5", "costs $5"),
    ],
)
def test_variables_are_put_in_as_other_programs_write_them(written: str, meant: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MY_TOKEN", "s3cr3t")
    (one,) = server_configs({"mcpServers": {"s": {"httpUrl": "https://h/mcp", "headers": {"Authorization": written}}}})
    assert (one.headers["Authorization"], one.url, one.problem) == (meant, "https://h/mcp", "")


def test_files_of_other_programs_are_read(tmp_path: Path):
    path = tmp_path / "mcp.json"
    source = """\ufeff{
      // my servers
      "mcp": {
        "github.com/acme/tool": {"type": "local", "command": ["npx", "-y"], "args": [5], "environment": {"A": 1, "B": true}},
        "My Server": {"command": "x", "args": ["https://h/*not a comment*/", "$HOME_OF_NOBODY"]}, /* the last */
        "off": {"command": "x", "enabled": false},
      },
    }"""
    path.write_text(source, encoding="utf-8")
    first, second = server_configs(path)
    assert (first.command, first.args, first.env) == ("npx", ("-y", "5"), {"A": "1", "B": "true"})
    assert second.args == ("https://h/*not a comment*/", "$HOME_OF_NOBODY")


def test_a_server_may_be_switched_off():
    assert server_configs({"mcpServers": {"x": {"command": "y", "disabled": True}}}) == ()
