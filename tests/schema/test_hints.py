"""Schemas of type hints, compared with pydantic's: both must take and refuse the same values, and read the same from them."""

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NamedTuple, NewType, NotRequired, Optional, Union

import jsonschema
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from anaphora.errors import ConfigError
from anaphora.schema.hints import schema_of
from anaphora.schema.strict import strict_form, without_nulls
from anaphora.schema.values import NotOfType, converted, parsed_json


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Line:
    name: str
    price: float
    tags: list[str] = field(default_factory=list)


@dataclass
class Invoice:
    number: int
    lines: list[Line]
    paid: bool = False
    due: dt.date | None = None


@dataclass
class Tree:
    name: str
    children: "list[Tree]" = field(default_factory=list)


class Trip(TypedDict):
    city: str
    nights: NotRequired[int]


class Point(NamedTuple):
    x: float
    y: float = 0.0


class Person(BaseModel):
    name: str
    age: int | None = None
    friends: list["Person"] = []


UserId = NewType("UserId", int)
HINTS: list[Any] = [
    str,
    int,
    float,
    bool,
    None,
    Any,
    str | None,
    Optional[int],  # noqa: UP045 -- both ways of writing it
    Union[int, str],  # noqa: UP007 -- the same
    int | list[str],
    Literal["a", "b"],
    Literal[1, 2],
    Literal["a", 1, None],  # noqa: PYI061 -- the same
    Colour,
    Level,
    list[int],
    list[list[str]],
    Sequence[float],
    set[str],
    frozenset[int],
    tuple[int, str],
    tuple[int, ...],
    dict[str, int],
    Mapping[str, list[bool]],
    dict[str, Line],
    list,
    dict,
    dt.date,
    dt.datetime,
    dt.time,
    uuid.UUID,
    Line,
    Invoice,
    Tree,
    Trip,
    Person,
    list[Person],
    Annotated[str, "a name"],
    UserId,
    list[Colour | None],
    dict[str, str | int | None],
]
VALUES: list[Any] = [
    "a",
    "red",
    "b",
    "",
    0,
    1,
    2,
    2.5,
    -3,
    True,
    False,
    None,
    [],
    [1, 2],
    [1, "x"],
    ["a", "b"],
    [["a"], []],
    [1.5],
    [None, "red"],
    {},
    {"a": 1},
    {"a": [True]},
    {"a": "x", "b": None},
    {"city": "Oslo"},
    {"city": "Oslo", "nights": 3},
    {"city": "Oslo", "nights": "x"},
    {"name": "pen", "price": 1.5},
    {"name": "pen", "price": 2, "tags": ["x"]},
    {"name": "pen"},
    {"number": 3, "lines": [{"name": "pen", "price": 1.5}], "due": "2026-11-22"},
    {"number": 3, "lines": [], "paid": True, "due": None},
    {"number": 3, "lines": [{"price": 1.5}]},
    {"name": "root", "children": [{"name": "leaf"}]},
    {"name": "root", "children": [{"name": 3}]},
    {"name": "Ann", "age": 3, "friends": [{"name": "Bob"}]},
    [{"name": "Ann"}],
    {"a": {"name": "pen", "price": 1}},
    "2026-11-22",
    "2026-11-22T10:00:00",
    "10:30:00",
    "12345678-1234-5678-1234-567812345678",
    "not a date",
]


def strictly(hint: Any, value: Any) -> Any:
    """What pydantic makes of a JSON value; an error class if it refuses."""
    try:
        return TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return ValidationError


def ours(hint: Any, value: Any) -> Any:
    try:
        return converted(hint, value)
    except NotOfType:
        return NotOfType


# The library that checks these formats would be one more to install.
UNCHECKED = (dt.datetime, dt.time)


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_a_hint_reads_what_pydantic_reads(hint: Any):
    for value in VALUES:
        theirs = strictly(hint, value)
        if theirs is not ValidationError:
            assert ours(hint, value) == theirs or is_refused_for_more(hint, value), value


def is_refused_for_more(hint: Any, value: Any) -> bool:
    """Our objects have no further members, so that a misspelled one is noticed."""
    return ours(hint, value) is NotOfType and not is_valid(schema_of(hint), value)


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return bool(jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(value))


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_a_schema_takes_what_pydantics_takes(hint: Any):
    own, theirs = schema_of(hint), TypeAdapter(hint).json_schema()
    jsonschema.Draft202012Validator.check_schema(own)
    for value in VALUES:
        if is_valid(own, value) != is_valid(theirs, value):
            # Only for members that nobody has asked for, which ours does not take.
            assert not is_valid(own, value)
            assert ours(hint, value) is NotOfType


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_what_the_schema_takes_can_be_read(hint: Any):
    for value in VALUES:
        if hint not in UNCHECKED and is_valid(schema_of(hint), value):
            assert ours(hint, value) is not NotOfType, value


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_what_the_strict_form_takes_can_be_read(hint: Any):
    strict = strict_form(schema_of(hint))
    for value in VALUES:
        if strict is not None and hint not in UNCHECKED and is_valid(strict, value):
            assert ours(hint, value) is not NotOfType, value


def test_a_strict_form_requires_everything_and_null_stands_for_missing():
    strict = strict_form(schema_of(Line))
    assert strict is not None
    assert strict["required"] == ["name", "price", "tags"]
    assert strict["properties"]["tags"] == {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]}
    assert converted(Line, {"name": "pen", "price": 1, "tags": None}) == Line("pen", 1.0)
    assert without_nulls({"name": "x", "price": 1, "tags": None}, schema_of(Line)) == {"name": "x", "price": 1}


@pytest.mark.parametrize("hint", [dict[str, int], dict, Any, tuple[int, str], set[int]])
def test_what_has_no_strict_form_has_none(hint: Any):
    assert strict_form(schema_of(hint)) is None


def test_a_class_that_contains_itself_is_a_definition():
    schema = schema_of(Tree)
    assert schema["$ref"] == "#/$defs/Tree"
    assert schema["$defs"]["Tree"]["properties"]["children"] == {"type": "array", "items": {"$ref": "#/$defs/Tree"}}


def test_what_is_annotated_is_said():
    assert schema_of(Annotated[int, "in years"]) == {"type": "integer", "description": "in years"}


@pytest.mark.parametrize("hint", [bytes, complex, object(), dict[tuple[int, int], str], type, Literal[b"x"]])
def test_what_json_cannot_be_is_an_error(hint: Any):
    with pytest.raises(ConfigError, match="JSON"):
        schema_of(hint)


@pytest.mark.parametrize(
    ("hint", "value", "result"),
    [
        (int, "5", 5),
        (int, 5.0, 5),
        (float, "2.5", 2.5),
        (bool, "True", True),
        (Decimal, 2.5, Decimal("2.5")),
        (dt.timedelta, "PT1H30M", dt.timedelta(hours=1.5)),
        (dt.timedelta, "-P2DT3S", -dt.timedelta(days=2, seconds=3)),
        (Point, {"x": 1}, Point(1.0)),
        (set[int], [1, 1, 2], {1, 2}),
        (int | str, "5", "5"),
        (float | int, 3, 3),
    ],
)
def test_what_models_write_is_converted(hint: Any, value: Any, result: Any):
    assert converted(hint, value) == result


@pytest.mark.parametrize(
    ("hint", "value", "reason"),
    [
        (int, "5.5", "it must be a whole number"),
        (int, "9" * 5_000, "a whole number"),
        (float, "nan", "a number"),
        (float, float("inf"), "a number"),
        (Decimal, "NaN", "a number"),
        (str, 5, "a text, not 5"),
        (Invoice, {"number": 1, "lines": [{"name": "x"}]}, r"lines\[0\]: 'price' is missing"),
        (Invoice, {"number": 1, "lines": [], "x": 2}, "'x' does not belong there"),
        (dt.date, "yesterday", "a date like"),
        (dt.timedelta, "P", "a duration"),
        (tuple[int, int], [1], "it must have 2 items"),
        (Colour, "green", 'one of "red", "blue"'),
    ],
)
def test_what_is_wrong_is_said_with_its_place(hint: Any, value: Any, reason: str):
    with pytest.raises(NotOfType, match=reason):
        converted(hint, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ("Here it is:\n\n```\n[1, 2]\n```\nDone.", [1, 2]),
        ('The answer is {"a": 1}.', {"a": 1}),
        (" 5 ", 5),
        ("```\n" + "\n" * 20_000 + "[1]\n```", [1]),
    ],
)
def test_json_is_found_in_what_models_write(text: str, value: Any):
    assert parsed_json(text) == value


@pytest.mark.parametrize("text", ["", "no", "{", "[" * 100_000, "NaN", '{"a": NaN}', "9" * 5_000])
def test_what_is_no_json_is_said(text: str):
    with pytest.raises(NotOfType, match="not valid JSON"):
        parsed_json(text)


def test_nulls_go_wherever_a_strict_form_put_them():
    class Strict(BaseModel):
        model_config = {"extra": "forbid"}
        a: int = 3

    assert converted(Strict, {"a": None}).a == 3
    assert converted(list[Strict] | None, [{"a": None}])[0].a == 3
    nested = {"anyOf": [schema_of(Line), {"type": "null"}]}
    assert without_nulls({"name": "x", "price": 1, "tags": None}, nested) == {"name": "x", "price": 1}
    assert strict_form({"type": "object", "additionalProperties": False}) is not None
