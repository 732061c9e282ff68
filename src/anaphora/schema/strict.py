"""The form of a schema that OpenAI's strict mode wants: every property is required, and no others are allowed.

https://platform.openai.com/docs/guides/structured-outputs. An optional property becomes nullable, and null counts as missing
when the value is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anaphora.values.codec import Json

# The keywords that strict mode does not support.
_UNKNOWN = frozenset({"prefixItems", "uniqueItems", "allOf", "oneOf", "not", "if", "patternProperties", "dependentRequired"})
_NULL = {"type": "null"}


def strict_form(schema: Json) -> Json | None:
    """Gives the strict form of a schema; None if it has none, for example for an object with free names."""
    try:
        return _strict(schema)
    except _HasNone:
        return None


def without_nulls(value: Any, schema: Json) -> Any:
    """Turns a value of the strict form into a value of the schema: drops null from optional properties that do not allow it."""
    return _without_nulls(value, schema, schema.get("$defs", {}))


class _HasNone(Exception):
    """The error for a schema without a strict form."""


def _strict(schema: Any) -> Json:
    # An empty schema, true and false have no strict form.
    if not isinstance(schema, Mapping) or not schema or _UNKNOWN & schema.keys():
        raise _HasNone
    result = dict(schema)
    result.pop("default", None)
    for name in ("$defs", "definitions"):
        if name in schema:
            result[name] = {key: _strict(one) for key, one in schema[name].items()}
    if "anyOf" in schema:
        result["anyOf"] = [_strict(one) for one in schema["anyOf"]]
    if "items" in schema:
        result["items"] = _strict(schema["items"])
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties", True) is not False:
            raise _HasNone
        required = schema.get("required", ())
        properties = {name: _strict(one) for name, one in schema.get("properties", {}).items()}
        result["properties"] = {name: one if name in required else _or_null(one) for name, one in properties.items()}
        result["required"] = list(properties)
    return result


def _or_null(schema: Json) -> Json:
    if schema == _NULL or _NULL in schema.get("anyOf", ()):
        return schema
    text = {"description": schema["description"]} if "description" in schema else {}
    return {"anyOf": [{name: value for name, value in schema.items() if name != "description"}, _NULL], **text}


def _without_nulls(value: Any, schema: Any, definitions: Mapping[str, Any]) -> Any:
    if not isinstance(schema, Mapping):
        return value
    if "$ref" in schema:
        return _without_nulls(value, definitions.get(str(schema["$ref"]).rpartition("/")[2]), definitions)
    if isinstance(value, list):
        return [_without_nulls(one, schema.get("items"), definitions) for one in value]
    if "anyOf" in schema:
        fitting = [one for one in schema["anyOf"] if _may_be(value, one, definitions)]
        return _without_nulls(value, fitting[0], definitions) if fitting else value
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, Mapping):
        return value
    required = schema.get("required", ())
    return {
        name: _without_nulls(one, properties.get(name), definitions)
        for name, one in value.items()
        if one is not None or name in required or name not in properties or _takes_null(properties[name])
    }


def _may_be(value: Any, schema: Any, definitions: Mapping[str, Any]) -> bool:
    """True if a list or an object may match this schema: all members of the object are among the schema's properties."""
    if isinstance(schema, Mapping) and "$ref" in schema:
        schema = definitions.get(str(schema["$ref"]).rpartition("/")[2])
    if not isinstance(schema, Mapping):
        return False
    if isinstance(value, list):
        return schema.get("type") == "array"
    return (
        isinstance(value, dict) and isinstance(schema.get("properties"), Mapping) and value.keys() <= schema["properties"].keys()
    )


def _takes_null(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return True
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    enum = schema.get("enum")
    named = "null" in kinds or (kind is None and not schema.keys() & {"enum", "const", "anyOf", "$ref", "properties"})
    return named or (enum is not None and None in enum) or any(map(_takes_null, schema.get("anyOf", ())))
