"""The texts with which models are asked for summaries and facts, one file each."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def prompt(name: str) -> str:
    """The text of ``NAME.md``."""
    return (files(__package__) / f"{name}.md").read_text(encoding="utf-8").strip()
