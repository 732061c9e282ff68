"""Functions as tools: their schema, what a model is told of them, how they are called."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Literal

import anyio
import anyio.lowlevel
import pytest

from anaphora.errors import ConfigError
from anaphora.tools import tool
from anaphora.tools.base import Caller, Tool, ToolFailed

CALLER = Caller("me", "c")


class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclass
class Place:
    city: str
    country: str = "FR"


def run(made: Tool, **arguments: object) -> str:
    return anyio.run(made.run, arguments, CALLER)


def test_hints_and_docstring_become_schema_and_texts():
    @tool
    def get_weather(place: Place, day: date, unit: Unit = Unit.C, kind: Literal["short", "long"] | None = None) -> str:
        """The weather at a place.

        Rain included.

        Args:
            place: where
            day: when
        """
        return f"{place} {day} {unit} {kind}"

    assert get_weather.name == "get_weather"
    assert get_weather.description == "The weather at a place.\n\nRain included."
    assert get_weather.parameters == {
        "type": "object",
        "properties": {
            "place": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
                "description": "where",
            },
            "day": {"type": "string", "format": "date", "description": "when"},
            "unit": {"enum": ["celsius", "fahrenheit"], "type": "string"},
            "kind": {"anyOf": [{"enum": ["short", "long"], "type": "string"}, {"type": "null"}]},
        },
        "required": ["place", "day"],
        "additionalProperties": False,
    }
    said = run(get_weather, place={"city": "Lyon"}, day="2026-11-22", unit="fahrenheit")
    assert said == "Place(city='Lyon', country='FR') 2026-11-22 Unit.F None"


@pytest.mark.parametrize(
    "docstring",
    [
        "Adds.\n\nArgs:\n    x: the first",
        "Adds.\n\n:param x: the first",
        "Adds.\n\nParameters\n----------\nx : int\n    the first",
    ],
    ids=["google", "sphinx", "numpy"],
)
def test_parameters_are_described_in_every_style_of_docstring(docstring: str):
    def add(x: int) -> int:
        return x

    add.__doc__ = docstring
    assert tool(add).parameters["properties"]["x"]["description"] == "the first"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"x": "5"}, "6"),
        ({"x": 5.0}, "6"),
        ({"x": 5.5}, "the arguments are wrong: x: it must be a whole number, not 5.5"),
        ({"x": True}, "the arguments are wrong: x: it must be a whole number, not true"),
        ({}, "the arguments are wrong: 'x' is missing"),
        ({"x": 1, "y": 2}, "the arguments are wrong: 'y' does not belong there; there are x"),
    ],
)
def test_arguments_are_checked_and_converted_first(arguments: dict[str, object], said: str):
    @tool
    def more(x: int) -> int:
        return x + 1

    try:
        got = run(more, **arguments)
    except ToolFailed as error:
        got = str(error)
    assert got == said


def test_an_asynchronous_function_is_awaited_and_an_object_can_be_called():
    @tool
    async def later() -> str:
        await anyio.lowlevel.checkpoint()
        return "now"

    class Adder:
        """Adds."""

        def __call__(self, x: int) -> int:
            return x + 1

    assert run(later) == "now"
    assert run(tool(name="add")(Adder()), x=1) == "2"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (None, "(done)"),
        ("text", "text"),
        ({"a": 1, "b": date(2026, 1, 2)}, '{"a": 1, "b": "2026-01-02"}'),
        ([Place("Köln", "DE")], '[{"city": "Köln", "country": "DE"}]'),
        ({"x"}, '["x"]'),
        (2.5, "2.5"),
    ],
)
def test_a_result_is_told_as_text(result: object, said: str):
    @tool
    def give() -> object:
        return result

    assert run(give) == said


def test_a_pydantic_model_is_taken_and_given():
    from pydantic import BaseModel, Field

    class Booking(BaseModel):
        nights: int = Field(ge=1, description="how many")

    @tool
    def book(booking: Booking) -> Booking:
        return booking

    assert book.parameters["properties"]["booking"]["properties"]["nights"]["minimum"] == 1
    assert run(book, booking={"nights": 2}) == '{"nights": 2}'
    with pytest.raises(ToolFailed, match=r"booking\.nights: Input should be greater than or equal to 1"):
        run(book, booking={"nights": 0})


def test_the_caller_is_given_and_not_shown():
    @tool
    def who(caller: Caller) -> str:
        return caller.owner

    assert who.parameters["properties"] == {}
    assert run(who) == "me"


def no_hint(x):
    return x


def positional(x: int, /) -> int:
    return x


def many(*x: int) -> None:
    """Any number."""


def unwritable(x: bytes) -> None:
    """No JSON."""


@pytest.mark.parametrize(
    ("function", "reason"),
    [(no_hint, "no type hint"), (positional, "by name"), (many, "by name"), (unwritable, "cannot be written as JSON")],
)
def test_what_no_model_could_call_is_an_error_at_once(function, reason: str):
    with pytest.raises(ConfigError, match=reason):
        tool(function)


def test_a_name_that_providers_refuse_is_an_error():
    with pytest.raises(ConfigError, match="no name for a tool"):
        tool(lambda: None)
    assert tool(name="nothing")(lambda: None).name == "nothing"
