"""Tools and calls in the form that strict services take."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.providers.wires.tool_form import arguments_object, arguments_text, call_name, fitted_tools, refused_tool
from anaphora.tools.base import Caller, Tool


async def run(arguments: dict[str, Any], caller: Caller) -> str:
    return f"{arguments} {caller}"


def made(name: str = "attach", description: str = "Attach.", **schema: Any) -> Tool:
    return Tool(name, description, {"type": "object", **schema}, run)


@given(st.text())
def test_every_text_becomes_the_text_of_an_object_and_an_object_stays_as_it_is(text: str):
    assert isinstance(json.loads(arguments_text(text)), dict)
    written = json.dumps({"text": text})
    assert json.loads(arguments_text(written)) == arguments_object(written)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ('{"city":  "Paris"}', '{"city":  "Paris"}'),
        ("", "{}"),
        ("null", '{"arguments": null}'),
        ("[1]", '{"arguments": [1]}'),
        ('{"city": "Par', '{"arguments": "{\\"city\\": \\"Par"}'),
        ('{"a": NaN}', '{"arguments": "{\\"a\\": NaN}"}'),
        ('{"a": "\\ud83d"}', '{"a": "\\ufffd"}'),
        ("[" * 100_000, json.dumps({"arguments": "[" * 100_000})),
    ],
)
def test_arguments_that_are_no_object_are_put_into_one(text: str, sent: str):
    assert arguments_text(text) == sent


@given(st.text())
def test_every_name_becomes_one_that_services_take(name: str):
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call_name(name))


@pytest.mark.parametrize(
    ("name", "sent"), [("functions.look", "functions_look"), ("", "unknown"), ("x" * 80, "x" * 64), ("look", "look")]
)
def test_a_name_keeps_what_it_can(name: str, sent: str):
    assert call_name(name) == sent


@pytest.mark.parametrize("word", ["anyOf", "oneOf"])
def test_choices_at_the_top_of_a_schema_are_said_in_words(word: str):
    properties = {"url": {"type": "string"}, "text": {"type": "string"}}
    choice: dict[str, Any] = {word: [{"required": ["url"]}, {"required": ["text"]}]}
    (fitted,), left = fitted_tools([made(properties=properties, **choice)])
    assert fitted.parameters == {"type": "object", "properties": properties}
    assert fitted.description == "Attach. Give url or text."
    assert left == ""


def test_parts_that_all_hold_are_joined():
    parts = [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"$ref": "#/$defs/B"}]
    schema: dict[str, Any] = {"allOf": parts, "$defs": {"B": {"properties": {"b": {"type": "integer"}}, "required": ["b"]}}}
    (fitted,), _ = fitted_tools([made(**schema)])
    assert fitted.parameters["properties"] == {"a": {"type": "string"}, "b": {"type": "integer"}}
    assert fitted.parameters["required"] == ["a", "b"]
    assert "allOf" not in fitted.parameters


def test_a_schema_that_only_points_elsewhere_is_looked_up():
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {"type": "string"}}}}}
    (fitted,), _ = fitted_tools([Tool("a", "", schema, run)])
    assert fitted.parameters["properties"] == {"a": {"type": "string"}}
    assert fitted.parameters["type"] == "object"


def test_a_usual_tool_is_left_alone():
    tools = [made(properties={"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}})]
    assert fitted_tools(tools, most=128, longest=1_024) == (tuple(tools), "")


def test_long_descriptions_are_cut_and_too_many_tools_are_left_out_and_said():
    fitted, left = fitted_tools([made(f"t{number}", "d" * 3_000) for number in range(150)], most=128, longest=1_024)
    assert [tool.name for tool in fitted] == [f"t{number}" for number in range(128)]
    assert {len(tool.description) for tool in fitted} == {1_024}
    assert left == "22 tools are left out: this service takes at most 128"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("tools.1.custom.input_schema: input_schema does not support oneOf", "b"),
        ("Invalid 'tools[2].function.name': string does not match", "c"),
        ("Invalid schema for function 'a': 'uri' is not a valid format.", "a"),
        ("GenerateContentRequest.tools[0].function_declarations[1].parameters: unknown", "b"),
        ("the functions 'a' and 'b' clash", None),
        ("the request was refused", None),
        ("tools[7] is wrong", None),
    ],
)
def test_the_tool_that_an_error_names_is_found(message: str, name: str | None):
    found = refused_tool(message, [made(one) for one in "abc"])
    assert (found and found.name) == name


@pytest.mark.parametrize(
    "parameters",
    [None, [], True, {"type": "object", "anyOf": 5}, {"type": "object", "properties": {"a": {"default": float("nan")}}}],
)
def test_a_schema_that_is_none_ends_no_conversation(parameters: Any):
    (fitted,), _ = fitted_tools([Tool("attach", "Attach.", parameters, run)])
    json.dumps(fitted.parameters, allow_nan=False)
