"""The files in deploy/ are as true as can be tested without a container engine."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.doubles.program import run

from anaphora.cli.verbs.arguments import verb_arguments

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_container_begins_a_server_that_knows_its_flags():
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    program, *arguments = json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)[1])  # type: ignore[index]
    assert program == "anaphora"
    parsed = verb_arguments(arguments)
    assert parsed
    assert (parsed.verb, parsed.host, parsed.log_format) == ("serve", "0.0.0.0", "json")
    assert '".[server,postgres]"' in text


def test_the_unit_begins_a_server_that_knows_its_flags():
    text = (DEPLOY / "anaphora.service").read_text(encoding="utf-8")
    command = shlex.split(re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1])  # type: ignore[index]
    parsed = verb_arguments(command[1:])
    assert parsed
    assert parsed.store == "/var/lib/anaphora/anaphora.db"
    assert float(re.search(r"TimeoutStopSec=(\d+)", text)[1]) > parsed.grace  # type: ignore[index]


def test_the_replicas_of_the_compose_file_share_a_database_whose_password_stands_in_no_argument():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert services["one"] == services["two"]
    environment = services["one"]["environment"]
    assert "@" not in environment["ANAPHORA_STORE"]
    assert environment["PGHOST"] in services
    assert (DEPLOY / services["one"]["build"]["dockerfile"].removeprefix("deploy/")).exists()
    assert "command" not in services["one"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_the_proxy_takes_its_configuration():
    done = subprocess.run(["haproxy", "-c", "-f", str(DEPLOY / "haproxy.cfg")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_token_of_the_first_person_is_made_as_the_file_says(tmp_path: Path):
    assert run("token", "add", "ada", "--store", str(tmp_path / "x.db")).stdout.startswith("ana_")
