"""Runs what the documentation shows: every Python block, every command, every chat, every settings file.

The word after a fence's language says what the block needs: ``local`` the real small model, ``vendors`` services with
keys (a server on this machine stands for them), ``server`` our own server, ``scripted`` nothing; what is ``shown`` runs
elsewhere. Lines beginning with ``# >`` are expected output.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from tests.doubles.dialects import streamed
from tests.doubles.loopback import Loopback, stream
from tests.doubles.program import Terminal
from tests.doubles.server import scripted_server

from anaphora.personas.persona import parse_persona
from anaphora.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What .ci/run does itself, in fresh environments.
SETUP = re.compile(r'pip install (-e )?"\.\[[a-z,]+\]" && ')
# An address in the documentation; a server on this machine answers for it too.
SERVER = "http://127.0.0.1:8080/v1"
OURS = "http://127.0.0.1:8765"
EVERYWHERE = """
import dataclasses
from anaphora.providers.models.vendors import VENDORS
for name, vendor in VENDORS.items():
    if vendor.base_url:
        VENDORS[name] = dataclasses.replace(vendor, base_url={url!r})
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what it needs, and where it stands."""

    page: Path
    line: int
    language: str
    needs: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    source = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+) ?(\w*)\n(.*?)^```$", source, re.MULTILINE | re.DOTALL):
        yield Block(page, source[: match.start()].count("\n") + 1, match[1], match[2], match[3])


ALL = [block for page in PAGES for block in blocks(page)]


def of(language: str) -> list[Block]:
    return [block for block in ALL if block.language == language]


def expected(block: Block) -> list[str]:
    return [line[4:] for line in block.text.splitlines() if line.startswith("# > ")]


def check(output: str, lines: list[str], *, exactly: bool) -> None:
    """The lines stand there in this order. A model's words may differ on another machine, the facts may not."""
    position = 0
    for line in lines:
        for words in [line] if exactly else re.findall(r"\b[A-Z0-9]\w*", line):
            found = output.find(words, position if exactly else 0)
            assert found >= 0, f"{words!r} is not in the rest of:\n{output}"
            position = found + len(words) if exactly else position


def ran(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command prints; it must end well."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def environment(tmp_path: Path, loopback: Loopback) -> dict[str, str]:
    """A folder with a file or two, keys, and services that answer from this machine."""
    for _ in range(20):
        loopback.answer(stream("Danube, ", "Rhine, ", "Volga."))
    for path, name in (("/messages", "anthropic"), (":streamGenerateContent", "gemini"), ("/api/chat", "ollama")):
        loopback.about[path] = streamed(name, "Danube, Rhine, Volga.")
    Image.new("RGB", (8, 4), "red").save(tmp_path / "photo.png")
    (tmp_path / "notes.txt").write_text("Rivers are long.\n", encoding="utf-8")
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(EVERYWHERE.format(url=loopback.url), encoding="utf-8")
    keys = {f"{name}_API_KEY": "k" for name in ("OPENAI", "ANTHROPIC", "GEMINI", "GROQ", "TOGETHER", "OPENROUTER", "MY")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"SERVER": loopback.url, "PYTHONPATH": str(site), "PATH": path, **keys}


def without_keys(environment: dict[str, str]) -> dict[str, str]:
    """No key, and no Ollama either: what remains is the local model."""
    site = Path(environment["PYTHONPATH"]) / "sitecustomize.py"
    site.write_text(EVERYWHERE.format(url="http://127.0.0.1:1/v1"), encoding="utf-8")
    return {name: value for name, value in environment.items() if not name.endswith("_API_KEY")}


@pytest.mark.local
@pytest.mark.parametrize("page", [page for page in PAGES if of("python")], ids=lambda page: page.name)
def test_the_python_of_a_page_runs_from_its_top_to_its_end(page: Path, tmp_path: Path, environment: dict[str, str]):
    shown = [block for block in of("python") if block.page == page]
    program = tmp_path / "page.py"
    source = "".join(block.text + "\nprint()\n" for block in shown)
    with ExitStack() as stack:
        if any(block.needs == "server" for block in shown):
            source = source.replace(OURS, stack.enter_context(scripted_server(echo=True)).url)
        program.write_text(source.replace(SERVER, environment["SERVER"]), encoding="utf-8")
        output = ran([sys.executable, str(program)], tmp_path, environment)
    for block in shown:
        check(output, expected(block), exactly=block.needs != "local")


@pytest.mark.slow
@pytest.mark.local
@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_every_command_does_its_work(block: Block, tmp_path: Path, environment: dict[str, str]):
    commands = SETUP.sub("", block.text).replace(SERVER, environment["SERVER"])
    if commands.strip() == "pytest" or block.needs == "shown":
        return  # this is it, or it needs another machine
    if block.needs != "vendors":
        environment = without_keys(environment)
    assert ran(["bash", "-eo", "pipefail", "-c", commands], tmp_path, environment).strip()


@pytest.mark.slow
@pytest.mark.local
@pytest.mark.parametrize("block", of("console"), ids=str)
def test_every_chat_goes_as_it_is_shown(block: Block, environment: dict[str, str]):
    command, *lines = block.text.splitlines()
    arguments = shlex.split(command.removeprefix("$ anaphora"))
    with Terminal(*arguments, environment=without_keys(environment), seconds=60) as terminal:
        terminal.wait_for("Ctrl-D leaves.")
        for line in lines:
            if line.startswith("> "):
                terminal.enter(line[2:])
            elif block.needs == "local":
                for words in re.findall(r"\b[A-Z0-9]\w*", line):
                    terminal.wait_for(words)
            else:
                terminal.wait_for(line)
        assert terminal.exit_code() == 0


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_every_settings_file_is_read(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "anaphora").mkdir()
    (tmp_path / "anaphora" / "settings.toml").write_text(block.text, encoding="utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings(environment={}) != Settings()


@pytest.mark.parametrize("block", of("markdown"), ids=str)
def test_every_persona_is_read(block: Block):
    assert parse_persona("shown", block.text).prompt


def test_no_block_is_left_out():
    assert {block.language for block in ALL} <= {"python", "sh", "console", "toml", "markdown"}
    assert sum(page.read_text(encoding="utf-8").count("```") for page in PAGES) == 2 * len(ALL)


def test_the_readme_is_short_and_begins_with_the_two_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 150
    commands = [line for line in lines[:20] if SETUP.match(line)]
    assert [SETUP.match(line)[0] for line in commands] == [  # type: ignore[index]
        'pip install ".[local,docs]" && ',
        'pip install -e ".[local,dev]" && ',
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("script", sorted((ROOT / "bench").glob("*.py")), ids=lambda script: script.name)
def test_every_bench_script_is_named_beside_its_numbers(script: Path):
    assert f"bench/{script.name}" in (ROOT / "docs" / "explanation" / "benchmarks.md").read_text(encoding="utf-8")
