"""The shape of an answer: its schema, and the conversion of the answer's text."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any, TypedDict

from anaphora.errors import ConfigError
from anaphora.schema.check import check, check_schema
from anaphora.schema.hints import schema_of
from anaphora.schema.strict import without_nulls
from anaphora.schema.values import converted, parsed_json
from anaphora.values.codec import Json

_KINDS: dict[str, Any] = {
    "text": str,
    "str": str,
    "string": str,
    "int": int,
    "integer": int,
    "number": float,
    "float": float,
    "bool": bool,
    "boolean": bool,
    "date": dt.date,
    "list": list[str],
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON schema, and the type of the answer's value; without a type the value is plain JSON."""

    schema: Json
    hint: Any = None

    @property
    def instruction(self) -> str:
        """The instruction for a model without a mode for schemas."""
        return f"Answer with one JSON value that matches this JSON schema, and with nothing else:\n{json.dumps(self.schema)}"

    def read(self, text: str) -> Any:
        """Reads the value in an answer. Raises NotOfType."""
        value = parsed_json(text)
        if self.hint is not None:
            return converted(self.hint, value)
        value = without_nulls(value, self.schema)
        check(value, self.schema)
        return value


def shape_of(into: Any) -> Shape:
    """Gives the shape of a dataclass, a TypedDict, a pydantic model, any type hint, or a JSON schema. Raises ConfigError."""
    if isinstance(into, Shape):
        return into
    if isinstance(into, dict):
        check_schema(into)
        return Shape(into)
    return Shape(schema_of(into), into)


def shape_in_words(text: str) -> Shape:
    """Parses a shape like ``name, age int, tags list``: names, each with a kind (text by default). Raises ConfigError."""
    members: dict[str, Any] = {}
    if not text.strip():
        raise ConfigError("a shape needs names, for example: name, age int")
    for one in text.split(","):
        name, _, kind = one.strip().partition(" ")
        kind = kind.strip().lower() or "text"
        if not name.isidentifier() or kind not in _KINDS:
            raise ConfigError(f"{one.strip()!r} is not a name and a kind. Kinds: {', '.join(_KINDS)}. For example: name, age int")
        members[name] = _KINDS[kind]
    return shape_of(TypedDict("Answer", members))  # type: ignore[operator]
