"""``anaphora models local`` and ``anaphora models rm``: the weights on this disk, and which others would run here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anaphora.cli.exit import FAILED, OK
from anaphora.cli.terminal.notice import notice
from anaphora.errors import ConfigError
from anaphora.providers.local.hub import hub_folder
from anaphora.providers.local.weights import DEFAULT_WEIGHTS, weights_path

# What the words of a conversation and the program itself take beside the weights, in bytes.
_BESIDE = 1_000_000_000
# Of the machine's memory, what a model may take without bringing everything else to a halt.
_SHARE = 0.6
# So many bytes of weights are read by one processor without keeping anybody waiting.
_PER_CORE = 1_300_000_000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A model that is good for its size; what its weights take, in bytes."""

    name: str
    size: int


# Apache-2.0 all, in the order of their size.
SUGGESTIONS = (
    Suggestion("hf.co/Qwen/Qwen3-0.6B-GGUF:Q8_0", 640_000_000),
    Suggestion("hf.co/Qwen/Qwen3-1.7B-GGUF:Q8_0", 1_830_000_000),
    Suggestion("hf.co/Qwen/Qwen3-4B-GGUF:Q4_K_M", 2_500_000_000),
    Suggestion("hf.co/Qwen/Qwen3-8B-GGUF:Q4_K_M", 5_030_000_000),
)


def local_models() -> int:
    """Print what is there, and what would run; gives the exit code."""
    for name, path in _there():
        size = path.stat().st_size
        part = "  (not whole yet)" if path.suffix == ".part" else ""
        print(f"{name}  {size / 1e9:.2f} GB, {(size + _BESIDE) / 1e9:.1f} GB of memory{part}")
    memory = memory_bytes()
    best = suggested(memory, os.cpu_count() or 1)
    has = f"This machine has {memory / 1e9:.0f} GB of memory. " if memory else ""
    notice(f"{has}A good model for it: anaphora -m local:{best.name} ({best.size / 1e9:.1f} GB, fetched once).")
    return OK


def remove_local(names: Sequence[str]) -> int:
    """Free the disk of these; gives the exit code. Raises ConfigError if none is named."""
    if not names:
        raise ConfigError("which one? anaphora models local lists them.")
    there = dict(_there())
    for name in names:
        path = there.get(name.removeprefix("local:"))
        if path is None:
            notice(f"There is no {name} here: anaphora models local lists what there is.")
            return FAILED
        freed = path.stat().st_size
        path.unlink()
        if path.parent != hub_folder().parent and not any(path.parent.iterdir()):
            path.parent.rmdir()
        notice(f"{name} is gone; {freed / 1e9:.2f} GB are free again.")
    return OK


def suggested(memory: int, cores: int) -> Suggestion:
    """The largest that runs well with so many bytes of memory and processors; the smallest where that is not known."""
    quick = cores * _PER_CORE
    fitting = [one for one in SUGGESTIONS if one.size + _BESIDE <= memory * _SHARE and one.size <= quick]
    return fitting[-1] if fitting else SUGGESTIONS[0]


def memory_bytes() -> int:
    """The machine's memory, or what a container leaves of it; 0 where nobody says."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return physical
    return min(physical, limit)


def _there() -> Iterator[tuple[str, Path]]:
    """The weights on this disk, by the name they are chosen by."""
    default = weights_path()
    if default is not None:
        yield DEFAULT_WEIGHTS.title, default
    for path in sorted([*hub_folder().glob("*/*.gguf"), *hub_folder().glob("*/*.part")]):
        org, _, repo = path.parent.name.partition("--")
        yield f"hf.co/{org}/{repo}:{path.name.removesuffix('.part').removesuffix('.gguf')}", path
