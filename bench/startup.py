"""How long a user waits for `anaphora --version` and `--help`, beside bare Python and `llm --version`, in one run.

usage: python bench/startup.py [--rounds 20]        (needs the extra `bench`; run it by the Python anaphora is installed in)

The commands take turns; each figure is the median of its rounds, in milliseconds. The last line is one JSON object
with these and the ratios to Python's own start and to llm's.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def found(program: str) -> str:
    """Where a program is: beside this Python first."""
    path = shutil.which(program, path=PATH)
    if path is None:
        raise SystemExit(f'there is no {program}: pip install ".[bench]"')
    return path


COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "version": [found("anaphora"), "--version"],
    "help": [found("anaphora"), "--help"],
    "import": [sys.executable, "-c", "import anaphora"],
    "llm_version": [found("llm"), "--version"],
}


def milliseconds(command: list[str]) -> float:
    """One run of a command, from its start to its end."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begun) * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="start-up time of the terminal program")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    for command in COMMANDS.values():
        milliseconds(command)  # the first run compiles and fills the disk's cache
    rounds = [{name: milliseconds(command) for name, command in COMMANDS.items()} for _ in range(arguments.rounds)]
    figures = {name: round(statistics.median(one[name] for one in rounds), 1) for name in COMMANDS}
    for name, figure in figures.items():
        print(f"{name:12} {figure:8.1f} ms")
    for name in ("version", "help", "import"):
        figures[f"{name}_by_python"] = round(figures[name] / figures["python"], 2)
        figures[f"{name}_by_llm"] = round(figures[name] / figures["llm_version"], 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
