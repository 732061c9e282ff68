"""Checks a value against a user's JSON schema, with the jsonschema library."""

from __future__ import annotations

from typing import Any

from anaphora.errors import ConfigError, MissingExtra
from anaphora.schema.values import NotOfType
from anaphora.values.codec import Json


def check(value: Any, schema: Json) -> None:
    """Raises NotOfType if the value does not match, ConfigError if the schema is not valid, MissingExtra without jsonschema."""
    kind, errors = _checker(schema)
    mismatch = errors.best_match(kind(schema).iter_errors(value))
    if mismatch is not None:
        where = mismatch.json_path.removeprefix("$").lstrip(".")
        raise NotOfType(f"{where}: {mismatch.message}" if where else mismatch.message)


def check_schema(schema: Json) -> None:
    """Raises ConfigError if a schema is not valid, MissingExtra without jsonschema."""
    _checker(schema)


def _checker(schema: Json) -> tuple[Any, Any]:
    try:
        import jsonschema
    except ImportError as error:
        raise MissingExtra('a JSON schema needs an extra package to be checked: pip install "anaphora[schema]"') from error
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ConfigError(f"the JSON schema is not valid: {error.message}.") from error
    return kind, jsonschema.exceptions
