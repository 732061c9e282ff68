"""The JSON schema of a Python type hint (https://json-schema.org, draft 2020-12, as far as model providers read it).

Dataclasses, TypedDict and named tuples become objects that allow no further properties; pydantic's models bring their own schema.
The schema of a class stands in place; only a class that contains itself becomes a definition.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin

from anaphora.errors import ConfigError
from anaphora.values.codec import Json

_SIMPLE: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    Any: {},
    object: {},
    dt.date: {"type": "string", "format": "date"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.time: {"type": "string", "format": "time"},
    dt.timedelta: {"type": "string", "format": "duration"},
    decimal.Decimal: {"type": "number"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    dict: {"type": "object"},
    list: {"type": "array", "items": {}},
}
UNIQUE = (set, frozenset, AbstractSet, typing.AbstractSet)
LISTS = (list, Sequence, Iterable, *UNIQUE)


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A property of an object: its name and its type hint; ``required`` if it must be there."""

    name: str
    hint: Any
    required: bool


def schema_of(hint: Any) -> Json:
    """Gives the schema of a type hint. Raises ConfigError for a type that JSON cannot express."""
    maker = _Maker()
    schema = maker.schema(hint)
    return {**schema, "$defs": maker.definitions} if maker.definitions else schema


def object_schema(fields: Sequence[Field], texts: Mapping[str, str] | None = None) -> Json:
    """Gives the schema of an object with these properties; ``texts`` describe them by name. Raises ConfigError."""
    maker = _Maker()
    schema = maker.properties(fields, texts or {})
    return {**schema, "$defs": maker.definitions} if maker.definitions else schema


def is_pydantic(hint: Any) -> bool:
    """True for a pydantic class, which has its own schema and its own check."""
    return isinstance(hint, type) and hasattr(hint, "model_json_schema") and hasattr(hint, "model_validate")


def class_fields(hint: Any) -> list[Field] | None:
    """Gives the properties of a dataclass, a TypedDict or a named tuple; None for any other type. Raises ConfigError."""
    if dataclasses.is_dataclass(hint):
        hints = _hints(hint)
        return [Field(one.name, hints[one.name], _has_no_default(one)) for one in dataclasses.fields(hint) if one.init]
    if is_typed_dict(hint):
        required = hint.__required_keys__
        return [Field(name, one, name in required) for name, one in _hints(hint).items()]
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        hints = _hints(hint)
        defaults = getattr(hint, "_field_defaults", {})
        return [Field(name, hints.get(name, Any), name not in defaults) for name in hint._fields]
    return None


def is_typed_dict(hint: Any) -> bool:
    """True for a TypedDict, from typing or typing_extensions."""
    return isinstance(hint, type) and hasattr(hint, "__required_keys__") and hasattr(hint, "__total__")


def without_extras(hint: Any) -> tuple[Any, str]:
    """Unwraps a hint (Annotated, Required, NewType, an alias); gives the plain hint and its description (may be empty)."""
    text = ""
    while True:
        origin = get_origin(hint)
        if origin is typing.Annotated:
            hint, *said = get_args(hint)
            # Pydantic's Field has a description.
            texts = (one if isinstance(one, str) else getattr(one, "description", None) for one in said)
            text = text or next((one for one in texts if one), "")
        elif origin in {typing.Required, typing.NotRequired, typing.Final, typing.ClassVar}:
            (hint,) = get_args(hint)
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif hasattr(hint, "__value__"):
            # ``type Name = …`` of Python 3.12.
            hint = hint.__value__
        else:
            return hint, text


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _hints(cls: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigError(f"the types of {getattr(cls, '__name__', cls)} cannot be read: {error}.") from error


class _Maker:
    """A maker of one schema. It puts classes that contain themselves into ``definitions``."""

    def __init__(self) -> None:
        self.definitions: dict[str, Json] = {}
        self._open: list[Any] = []
        self._recursive: set[Any] = set()

    def schema(self, hint: Any) -> Json:
        hint, text = without_extras(hint)
        schema = self._plain(hint)
        return {**schema, "description": text} if text else schema

    def properties(self, fields: Sequence[Field], texts: Mapping[str, str]) -> Json:
        properties = {one.name: self.schema(one.hint) for one in fields}
        for name, text in texts.items():
            if name in properties and text:
                properties[name] = {**properties[name], "description": text}
        required = [one.name for one in fields if one.required]
        return {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _plain(self, hint: Any) -> Json:
        try:
            if hint in _SIMPLE:
                return dict(_SIMPLE[hint])
        except TypeError:
            pass
        origin = get_origin(hint)
        if origin in {Union, types.UnionType}:
            return self._union(get_args(hint))
        if origin is Literal:
            return _choice(list(get_args(hint)))
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return _choice([one.value for one in hint])
        if isinstance(hint, type) and issubclass(hint, PurePath):
            return {"type": "string", "format": "path"}
        if is_pydantic(hint):
            return self._pydantic(hint)
        fields = class_fields(hint)
        return self._collection(hint, origin or hint) if fields is None else self._class(hint, fields)

    def _union(self, members: Sequence[Any]) -> Json:
        return {"anyOf": [self.schema(one) for one in members]}

    def _collection(self, hint: Any, origin: Any) -> Json:
        inside = get_args(hint)
        if origin in LISTS or (isinstance(origin, type) and origin in {list, set, frozenset}):
            items = self.schema(inside[0]) if inside else {}
            return {"type": "array", "items": items, **({"uniqueItems": True} if origin in UNIQUE else {})}
        if origin is tuple:
            return self._tuple(inside)
        if origin in {dict, Mapping, typing.MutableMapping}:
            if not inside:
                return {"type": "object"}
            if without_extras(inside[0])[0] not in {str, int, Any}:
                raise ConfigError(f"{hint} has keys that JSON does not have: use str.")
            return {"type": "object", "additionalProperties": self.schema(inside[1])}
        raise ConfigError(
            f"{hint!r} cannot be written as JSON: use str, int, float, bool, list, dict, Literal, Enum, a date, a dataclass, "
            "a TypedDict or a pydantic model."
        )

    def _tuple(self, inside: Sequence[Any]) -> Json:
        if not inside:
            return {"type": "array", "items": {}}
        if len(inside) == 2 and inside[1] is Ellipsis:
            return {"type": "array", "items": self.schema(inside[0])}
        size = len(inside)
        return {"type": "array", "prefixItems": [self.schema(one) for one in inside], "minItems": size, "maxItems": size}

    def _class(self, hint: Any, fields: Sequence[Field]) -> Json:
        name = hint.__name__
        if hint in self._open:
            self._recursive.add(hint)
            return {"$ref": f"#/$defs/{name}"}
        self._open.append(hint)
        schema = self.properties(fields, {})
        self._open.pop()
        if hint in self._recursive:
            self.definitions[name] = schema
            return {"$ref": f"#/$defs/{name}"}
        return schema

    def _pydantic(self, hint: Any) -> Json:
        schema: Json = hint.model_json_schema()
        self.definitions.update(schema.pop("$defs", {}))
        return schema


def _choice(values: list[Any]) -> Json:
    kinds = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string"}
    if any(type(value) not in kinds for value in values):
        raise ConfigError(f"one of {values!r} cannot be written as JSON: use texts and numbers.")
    found = {kinds[type(value)] for value in values}
    return {"enum": values, **({"type": found.pop()} if len(found) == 1 else {})}
