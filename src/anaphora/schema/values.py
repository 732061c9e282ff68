"""Checks a model's JSON against a type hint, and converts it if nothing is lost.

Models may write a whole number as 5.0 or "5", a number as "2.5", a boolean as "true". No other forms are guessed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import enum
import json
import math
import re
import types
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin

from anaphora.schema.hints import LISTS, Field, class_fields, is_pydantic, is_typed_dict, without_extras
from anaphora.schema.strict import without_nulls

_DURATION = re.compile(r"(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_MOST_DIGITS = 400


class NotOfType(ValueError):
    """The error for a value of another type; the message says where and why."""


def parsed_json(text: str) -> Any:
    """Parses the JSON value in a text, perhaps in a Markdown fence or with words around it. Raises NotOfType."""
    stripped = text.strip()
    for candidate in (stripped, _fenced(stripped), _outermost(stripped)):
        if candidate:
            with contextlib.suppress(ValueError, RecursionError):
                return json.loads(candidate, parse_constant=_no_constant)
    try:
        json.loads(stripped, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotOfType(f"it is not valid JSON: {error}") from None
    except (ValueError, RecursionError):
        pass
    raise NotOfType("it is not valid JSON")


def converted(hint: Any, value: Any, where: str = "") -> Any:
    """Converts a JSON value to a type. ``where`` is its place, for the error. Raises NotOfType."""
    hint, _ = without_extras(hint)
    if hint is Any or hint is object:
        return value
    if is_pydantic(hint):
        return _pydantic(hint, value, where)
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return _union(get_args(hint), value, where)
    if origin is Literal:
        return _one_of(get_args(hint), value, where)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        chosen = _one_of([one.value for one in hint], value, where)
        return next(one for one in hint if one.value == chosen and type(one.value) is type(chosen))
    fields = class_fields(hint)
    if fields is not None:
        return _object(hint, fields, value, where)
    return _plain(hint, origin or hint, value, where)


def converted_fields(fields: Sequence[Field], value: Any, where: str = "") -> dict[str, Any]:
    """Converts the members of an object, by name. Raises NotOfType for a missing, unknown or wrong member.

    Optional members may be missing; null counts as missing for them, as in strict schemas.
    """
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    known = {one.name: one for one in fields}
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise NotOfType(f"{_at(where)}{unknown[0]!r} does not belong there; there are {', '.join(known) or 'none'}")
    missing = [one.name for one in fields if one.required and one.name not in value]
    if missing:
        raise NotOfType(f"{_at(where)}{missing[0]!r} is missing")
    found: dict[str, Any] = {}
    for name, one in value.items():
        field = known[name]
        if one is None and not field.required and not _takes_null(field.hint):
            continue
        found[name] = converted(field.hint, one, f"{where}.{name}" if where else name)
    return found


def _plain(hint: Any, origin: Any, value: Any, where: str) -> Any:
    if hint in _SCALARS:
        return _SCALARS[hint](value, where)
    inside = get_args(hint)
    if origin in LISTS:
        return _list(origin, inside[0] if inside else Any, value, where)
    if origin is tuple:
        return _tuple(inside, value, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where, "an object", value)
        kinds = inside or (str, Any)
        return {converted(kinds[0], key, where): converted(kinds[1], one, f"{where}.{key}") for key, one in value.items()}
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return hint(_text(value, where))
    raise NotOfType(f"{_at(where)}{hint!r} is not a type that JSON can be")


def _list(origin: Any, inside: Any, value: Any, where: str) -> Any:
    if not isinstance(value, list):
        raise _wrong(where, "a list", value)
    items = [converted(inside, one, f"{where}[{index}]") for index, one in enumerate(value)]
    if origin in {set, frozenset} or "Set" in str(origin):
        return frozenset(items) if origin is frozenset else set(items)
    return items


def _tuple(inside: Sequence[Any], value: Any, where: str) -> Any:
    if not isinstance(value, list):
        raise _wrong(where, "a list", value)
    if not inside or (len(inside) == 2 and inside[1] is Ellipsis):
        return tuple(_list(list, inside[0] if inside else Any, value, where))
    if len(value) != len(inside):
        raise NotOfType(f"{_at(where)}it must have {len(inside)} items, not {len(value)}")
    return tuple(converted(kind, one, f"{where}[{index}]") for index, (kind, one) in enumerate(zip(inside, value, strict=True)))


def _object(hint: Any, fields: Sequence[Field], value: Any, where: str) -> Any:
    found = converted_fields(fields, value, where)
    if is_typed_dict(hint):
        return found
    try:
        return hint(**found)
    except (TypeError, ValueError) as error:
        raise NotOfType(f"{_at(where)}{error}") from error


def _pydantic(hint: Any, value: Any, where: str) -> Any:
    try:
        return hint.model_validate(without_nulls(value, hint.model_json_schema()))
    except ValueError as error:
        errors: Any = getattr(error, "errors", None)
        first = errors()[0] if callable(errors) else {}
        place = ".".join(str(one) for one in (where, *first.get("loc", ())) if one != "")
        raise NotOfType(f"{_at(place)}{first.get('msg', error)}") from None


def _union(members: Sequence[Any], value: Any, where: str) -> Any:
    """Converts a value to the first type that fits; a type that needs no conversion goes first."""
    reasons: list[str] = []
    found: list[Any] = []
    for one in members:
        try:
            result = converted(one, value, where)
        except NotOfType as error:
            reasons.append(str(error))
        else:
            if type(result) is type(value) and result == value:
                return result
            found.append(result)
    if not found:
        raise NotOfType(reasons[0] if len(set(reasons)) == 1 else f"{_at(where)}it is none of: {'; '.join(reasons)}")
    return found[0]


def _one_of(choices: Sequence[Any], value: Any, where: str) -> Any:
    for one in choices:
        if type(one) is type(value) and one == value:
            return one
    raise NotOfType(f"{_at(where)}it must be one of {', '.join(map(json.dumps, choices))}, not {_shown(value)}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, "a text", value)
    return value


def _whole(value: Any, where: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", value.strip()) and len(value) < _MOST_DIGITS:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not value.is_integer()):
        raise _wrong(where, "a whole number", value)
    return int(value)


def _number(value: Any, where: str) -> float:
    if isinstance(value, str) and value.isascii():
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(where, "a number", value)
    try:
        return float(value)
    except OverflowError:
        raise _wrong(where, "a number", value) from None


def _truth(value: Any, where: str) -> bool:
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise _wrong(where, "true or false", value)
    return value


def _nothing(value: Any, where: str) -> None:
    if value is not None:
        raise _wrong(where, "null", value)


def _read(name: str, read: Callable[[str], Any]) -> Callable[[Any, str], Any]:
    def scalar(value: Any, where: str) -> Any:
        try:
            return read(str(value) if type(value) in {int, float} else _text(value, where))
        except NotOfType:
            raise
        except (ValueError, ArithmeticError):
            raise _wrong(where, name, value) from None

    return scalar


def _decimal(text: str) -> decimal.Decimal:
    number = decimal.Decimal(text)
    if not number.is_finite():
        raise ValueError(text)
    return number


def _duration(text: str) -> dt.timedelta:
    """Parses an ISO 8601 duration of days and smaller units."""
    found = _DURATION.fullmatch(text)
    if found is None or text[-1] in "PT":
        raise ValueError(text)
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups()[1:])
    length = dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if found[1] else length


_SCALARS: dict[Any, Callable[[Any, str], Any]] = {
    str: _text,
    int: _whole,
    float: _number,
    bool: _truth,
    type(None): _nothing,
    None: _nothing,
    dt.date: _read("a date like 2026-11-22", dt.date.fromisoformat),
    dt.datetime: _read("a date and time like 2026-11-22T10:00:00", dt.datetime.fromisoformat),
    dt.time: _read("a time like 10:00", dt.time.fromisoformat),
    dt.timedelta: _read("a duration like PT1H30M", _duration),
    decimal.Decimal: _read("a number", _decimal),
    uuid.UUID: _read("a UUID", uuid.UUID),
}


def _takes_null(hint: Any) -> bool:
    hint, _ = without_extras(hint)
    return hint in {None, type(None), Any, object} or any(map(_takes_null, get_args(hint) if _is_union(hint) else ()))


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in {Union, types.UnionType}


def _fenced(text: str) -> str:
    """Gives the text in the first fence of Markdown."""
    _, fence, inside = text.partition("```")
    inside, end, _ = inside.partition("```")
    return inside.partition("\n")[2].strip() if fence and end else ""


def _outermost(text: str) -> str:
    """Gives the text from the first brace or bracket to the last."""
    starts = [place for place in (text.find("{"), text.find("[")) if place >= 0]
    end = max(text.rfind("}"), text.rfind("]"))
    return text[min(starts) : end + 1] if starts and end > min(starts) else ""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _wrong(where: str, wanted: str, value: Any) -> NotOfType:
    return NotOfType(f"{_at(where)}it must be {wanted}, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:59]}…"
