"""Personas: named system prompts with options, as Markdown files with a few ``name: value`` lines at their head.

---
description: explains step by step
temperature: 0.3
---
You are a patient tutor. ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from anaphora.errors import ConfigError

_KEYS = {"description", "model", "temperature", "max_tokens"}


@dataclass(frozen=True, slots=True)
class Persona:
    """A system prompt and what goes with it."""

    name: str
    prompt: str
    description: str = ""
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


def load_persona(name: str, folder: Path | None = None) -> Persona:
    """The persona of that name, from the user's ``folder`` first, then from this package. Raises ConfigError."""
    known = dict(_sources(folder))
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}."
        raise ConfigError(f"there is no persona {name!r}. {hint}")
    return parse_persona(name, known[name])


def persona_names(folder: Path | None = None) -> list[str]:
    """All names, sorted."""
    return sorted(dict(_sources(folder)))


def parse_persona(name: str, source: str) -> Persona:
    """A persona from the text of its file. Raises ConfigError with the line."""
    values: dict[str, str] = {}
    prompt = source
    if source.startswith("---\n"):
        head, end, prompt = source[4:].partition("\n---\n")
        if not end:
            raise ConfigError(f"persona {name}: the head begun by '---' is not ended by another '---'.")
        for number, line in enumerate(head.splitlines(), 2):
            key, colon, value = line.partition(":")
            if not colon or key.strip() not in _KEYS:
                raise ConfigError(f"persona {name}, line {number}: use one of {', '.join(sorted(_KEYS))}, then a colon.")
            values[key.strip()] = value.strip()
    try:
        return Persona(
            name,
            prompt.strip(),
            values.get("description", ""),
            values.get("model"),
            float(values["temperature"]) if "temperature" in values else None,
            int(values["max_tokens"]) if "max_tokens" in values else None,
        )
    except ValueError as error:
        raise ConfigError(f"persona {name}: {error}.") from error


def _sources(folder: Path | None) -> Iterator[tuple[str, str]]:
    """Names and texts; later ones win."""
    for item in files("anaphora").joinpath("personas").iterdir():
        if item.name.endswith(".md"):
            yield item.name.removesuffix(".md"), item.read_text(encoding="utf-8")
    if folder is not None and folder.is_dir():
        for path in sorted(folder.glob("*.md")):
            try:
                yield path.stem, path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"the persona file {path} cannot be read: {error}") from error
