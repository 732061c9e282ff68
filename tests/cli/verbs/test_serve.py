"""``anaphora serve``, ``token``, ``owner`` and ``store`` from the command line."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.doubles.postgres import new_database
from tests.doubles.program import PROGRAM, inherited, run

from anaphora import Chatbot
from anaphora.errors import ConfigError
from anaphora.server.serve import Listen, open_socket
from anaphora.settings import config_folder


@contextmanager
def serving(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server as a process, with its address."""
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [*PROGRAM, "serve", "--port", "0", "-m", "scripted:", *arguments]
    process = subprocess.Popen(command, env={**inherited(), **(environment or {})}, **pipes)
    try:
        line = process.stdout.readline() if process.stdout else ""
        assert line.startswith("anaphora serves http://"), process.stderr.read() if process.stderr else ""
        yield line.split()[-1], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_the_terminals_conversations_and_the_servers_are_the_same(tmp_path: Path):
    store = str(tmp_path / "x.db")
    assert run("-m", "scripted:", "--store", store, "hello from the terminal").returncode == 0
    with serving("--store", store) as (url, _):
        listed = httpx2.get(f"{url}/v1/conversations").json()["data"]
        assert [one["title"] for one in listed] == ["hello from the terminal"]
        httpx2.post(f"{url}/v1/responses", json={"input": "and from a client", "conversation": listed[0]["id"]})
    shown = run("show", "1", "--store", store).stdout
    assert "hello from the terminal" in shown
    assert "and from a client" in shown


def test_what_cannot_work_is_refused_with_a_sentence(tmp_path: Path):
    store = ("--store", str(tmp_path / "x.db"))
    open_host = run("serve", "--host", "0.0.0.0", "-m", "scripted:", *store)
    assert open_host.returncode == 2
    assert "anaphora token add NAME" in open_host.stderr.replace("\n", " ")
    several = run("serve", "--workers", "2", "-m", "scripted:", *store)
    assert (several.returncode, "needs Postgres" in several.stderr) == (2, True)
    with serving(*store) as (url, _):
        taken = run("serve", "--port", url.rpartition(":")[2], "-m", "scripted:", *store)
        assert (taken.returncode, "cannot listen" in taken.stderr) == (2, True)
    unknown = run("serve", "-m", "nonsense:x", *store)
    assert (unknown.returncode, "no provider" in unknown.stderr) == (2, True)
    assert "port" in run("serve", "--port", "99999").stderr
    damaged = tmp_path / "damaged.db"
    damaged.write_text("no database at all")
    refused = run("serve", "-m", "scripted:", "--port", "0", "--store", str(damaged))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no database" in refused.stderr.replace("\n", " ")
    with pytest.raises(ConfigError, match="--host"):
        open_socket(Listen("10.9.9.9", 0))


def test_the_settings_of_the_server_are_checked_and_hold(tmp_path: Path):
    folder = config_folder()
    folder.mkdir(parents=True)
    settings = folder / "settings.toml"
    store = ("--store", str(tmp_path / "x.db"))
    for wrong, told in (
        ("[serve]\nmodel = 'x'", "Did you mean models?"),
        ("[serve]\nhosts = 'x'", "must be a list"),
        ("[serve]\nbody_mib = 0", "whole number from 1"),
        ("[serve]\naliases = 5", "must be a table"),
        ("[serve]\ntools = 5", "must be a text"),
        ("[serve]\nmodels = ['nonsense:x']", "no provider 'nonsense'"),
        ("[serve]\nmodels = ['scripted:', 'nonsense:*']", "no provider 'nonsense'"),
        ("[serve.aliases]\na = 'nothing:x'", "no provider 'nothing'"),
        ("[serve]\norigins = ['a.example']", "must be like https://a.example"),
        ("[serve]\norigins = ['*']", "must be like https://a.example"),
        ("[serve]\nhosts = ['http://a.example']", "without http://"),
    ):
        settings.write_text(wrong)
        refused = run("serve", "-m", "scripted:", *store)
        assert (refused.returncode, told in refused.stderr.replace("\n", " ")) == (2, True), refused.stderr
    settings.write_text('[serve]\ntools = "calculate"\n[serve.aliases]\n"gpt-4o-mini" = "scripted:"\n')
    with serving(*store, "--log-format", "json") as (url, process):
        names = [one["id"] for one in httpx2.get(f"{url}/v1/models").json()["data"]]
        assert names == ["gpt-4o-mini", "scripted:"]
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "a secret"}]}
        assert httpx2.post(f"{url}/v1/chat/completions", json=body).json()["model"] == "gpt-4o-mini"
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert {"method": "POST", "status": 200}.items() <= next(
        one for one in events if one["event"] == "request" and one["status"] == 200
    ).items() or events
    assert "a secret" not in log


def test_tokens_are_added_listed_and_removed(tmp_path: Path):
    store = ("--store", str(tmp_path / "x.db"))
    added = run("token", "add", "ada", "--rate", "60/min", "--daily-cost", "0.5", "--expires", "30", "--remember", *store)
    shown = added.stdout.strip()
    assert shown.startswith("ana_")
    assert len(shown) >= 43
    assert "--owner me shares them" in added.stderr.replace("\n", " ")
    assert shown not in Path(store[1]).read_bytes().decode("latin-1")
    assert run("token", "add", "ada", *store).returncode == 2
    listed = run("token", "list", *store).stdout
    assert "ada: owner ada, 60 requests a minute, $0.5 a day, remembers lists, expires in 30 days" in listed
    (told,) = json.loads(run("token", "list", "--json", *store).stdout)
    assert (told["name"], "hash" in told) == ("ada", False)
    with serving("--host", "127.0.0.1", *store) as (url, _):
        assert httpx2.get(f"{url}/v1/models").status_code == 401
        assert httpx2.get(f"{url}/v1/models", headers={"authorization": f"Bearer {shown}"}).status_code == 200
    assert run("token", "remove", "ada", *store).returncode == 0
    assert run("token", "remove", "ada", *store).returncode == 1
    assert run("token", "add", *store).returncode == 2
    assert "no tokens" in run("token", "list", *store).stderr


def test_everything_of_an_owner_is_exported_or_deleted(tmp_path: Path):
    path, out = tmp_path / "x.db", tmp_path / "out.json"
    for owner in ("ada", "bob"):
        with Chatbot("scripted:", store=path, owner=owner) as bot:
            bot.say(f"words of {owner}")
            bot.facts.add(f"a fact of {owner}")
    store = ("--store", str(path))
    assert run("owner", "export", "ada", "-o", str(out), *store).returncode == 0
    assert "words of ada" in out.read_text()
    assert "bob" not in out.read_text()
    assert run("owner", "export", "ada", *store).returncode == 2
    missing = tmp_path / "nobody.json"
    assert run("owner", "export", "nobody", "-o", str(missing), *store).returncode == 1
    assert not missing.exists()
    assert run("owner", "delete", "ada", *store).returncode == 2
    assert run("owner", "delete", "ada", "--yes", *store).returncode == 0
    assert run("owner", "delete", "ada", "--yes", *store).returncode == 1
    with Chatbot("scripted:", store=path, owner="bob") as bot:
        assert len(bot.conversations()) == len(bot.facts.list()) == 1
    assert b"words of ada" not in path.read_bytes()


def test_a_store_is_copied_checked_and_backed_up(tmp_path: Path):
    path, url = tmp_path / "x.db", new_database()
    with Chatbot("scripted:", store=path, owner="me") as bot:
        bot.say("lentils with rice")
    copied = run("store", "copy", str(path), url)
    assert copied.returncode == 0
    assert "messages                2          2" in copied.stdout
    assert run("store", "copy", str(path), url).returncode == 2
    assert "lentils" in run("search", "lentils", "--store", url).stdout
    assert run("store", "check", "--store", url).returncode == 0
    for number, where in enumerate((url, str(path))):
        backup = tmp_path / f"backup{number}.db"
        assert run("store", "backup", str(backup), "--store", where).returncode == 0
        assert "lentils" in run("search", "lentils", "--store", str(backup)).stdout
        assert run("store", "backup", str(backup), "--store", where).returncode == 2
    assert run("store", "copy", str(path)).returncode == 2
    assert run("store", "backup").returncode == 2
    damaged = tmp_path / "damaged.db"
    damaged.write_text("no database at all")
    for where, code in ((str(path), 0), (str(damaged), 1), (str(tmp_path / "missing"), 2)):
        assert run("store", "check", where).returncode == code
    assert run("store", "check", str(path), "more").returncode == 2
    assert run("store", "copy", str(tmp_path / "missing"), url).returncode == 2


@pytest.mark.slow
def test_the_store_may_come_from_the_environment(tmp_path: Path):
    url = new_database()
    assert run("token", "add", "ada", environment={"ANAPHORA_STORE": url}).returncode == 0
    assert "ada" in run("token", "list", environment={"ANAPHORA_STORE": url}).stdout
    with serving("--workers", "2", environment={"ANAPHORA_STORE": url}) as (address, _):
        assert httpx2.get(f"{address}/readyz").status_code == 200
        assert httpx2.get(f"{address}/v1/models").status_code == 401
    assert not list(tmp_path.iterdir())
