"""Personas: named system prompts with options, as Markdown files with a few ``name: value`` lines at their head.

---
description: explains step by step
temperature: 0.3
tools: calculate, now
memory: none
inherits: tutor
---
You are a patient tutor. ...

``memory`` names the parts of memory beyond the window (summary, recall, facts), or is ``none``. With ``inherits``, the parent's
prompt stands before the persona's own, and the parent's values fill the missing ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from anaphora.errors import ConfigError

MEMORY = ("summary", "recall", "facts")
Files = Mapping[str, Path | Traversable]
_KEYS = ("description", "model", "temperature", "max_tokens", "tools", "memory", "inherits")


@dataclass(frozen=True, slots=True)
class Persona:
    """A named system prompt with options. ``tools``: names of built-in tools. ``memory`` None leaves memory as it is."""

    name: str
    prompt: str
    description: str = ""
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    tools: tuple[str, ...] = ()
    memory: tuple[str, ...] | None = None
    inherits: str = ""

    def below(self, parent: Persona) -> Persona:
        """Gives this persona with everything that it inherits from ``parent``."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        merged = {name: getattr(parent, name) if value in {None, ""} else value for name, value in own.items() if name != "tools"}
        prompt = "\n\n".join(filter(None, (parent.prompt, self.prompt)))
        tools = tuple(dict.fromkeys((*parent.tools, *self.tools)))
        return Persona(**{**merged, "name": self.name, "prompt": prompt, "tools": tools, "inherits": ""})


def load_persona(name: str, folder: Path | None = None) -> Persona:
    """Loads a persona with its parents, from the user's ``folder`` first, then from this package. Raises ConfigError."""
    return _inherited(name, _own(folder), _packaged(), ())


def persona_file(path: Path) -> Persona:
    """Loads the persona in a file; its parents are beside the file or in this package. Raises ConfigError."""
    return _inherited(path.stem, {**_own(path.parent), path.stem: path}, _packaged(), ())


def persona_names(folder: Path | None = None) -> list[str]:
    """Gives the names of all personas, sorted."""
    return sorted({**_packaged(), **_own(folder)})


def parse_persona(name: str, source: str) -> Persona:
    """Parses a persona from the text of its file, without its parents. Raises ConfigError with the line."""
    values: dict[str, str] = {}
    prompt = source
    if source.startswith("---\n"):
        head, end, prompt = source[4:].partition("\n---\n")
        if not end:
            raise ConfigError(f"persona {name}: the head begun by '---' is not ended by another '---'.")
        for number, line in enumerate(head.splitlines(), 2):
            key, colon, value = line.partition(":")
            if not colon or key.strip() not in _KEYS:
                raise ConfigError(f"persona {name}, line {number}: use one of {', '.join(_KEYS)}, then a colon.")
            values[key.strip()] = value.strip()
    try:
        return Persona(
            name,
            prompt.strip(),
            values.get("description", ""),
            values.get("model"),
            float(values["temperature"]) if "temperature" in values else None,
            int(values["max_tokens"]) if "max_tokens" in values else None,
            _listed(values.get("tools", "")),
            _memory(values["memory"]) if "memory" in values else None,
            values.get("inherits", ""),
        )
    except ValueError as error:
        raise ConfigError(f"persona {name}: {error}.") from error


def _listed(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (one.strip() for one in text.split(","))))


def _memory(text: str) -> tuple[str, ...]:
    named = _listed(text)
    if named == ("none",):
        return ()
    if not named or not set(named) <= set(MEMORY):
        raise ValueError(f"memory is none, or some of {', '.join(MEMORY)}, not {text!r}")
    return named


def _inherited(name: str, own: Files, package: Files, heirs: tuple[str, ...]) -> Persona:
    """Gives a persona with everything that it inherits. A persona that inherits from its own name means the package's."""
    known = {**package, **own} if name not in heirs else package
    if name in heirs[:-1]:
        raise ConfigError(f"the personas {', '.join(dict.fromkeys(heirs))} inherit from one another.")
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted({**package, **own}))}."
        raise ConfigError(f"there is no persona {name!r}{f', from which {heirs[-1]} inherits' if heirs else ''}. {hint}")
    persona = parse_persona(name, _read(known[name]))
    return persona.below(_inherited(persona.inherits, own, package, (*heirs, name))) if persona.inherits else persona


def _packaged() -> Files:
    found = files("anaphora").joinpath("personas").iterdir()
    return {item.name.removesuffix(".md"): item for item in found if item.name.endswith(".md")}


def _own(folder: Path | None) -> Files:
    return {path.stem: path for path in sorted(folder.glob("*.md"))} if folder is not None and folder.is_dir() else {}


def _read(file: Path | Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the persona file {file} cannot be read: {error}") from error
