import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.values.codec import part_from_json, parts_from_json, parts_to_json, usage_from_json, usage_to_json
from anaphora.values.message import Image, Message, Part, Text, Thinking, ToolCall, ToolResult, Usage

texts = st.text(st.characters(exclude_categories=["Cs"]))
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, texts),
    st.builds(Image, st.binary(), st.just("image/png")),
    st.builds(Thinking, texts, st.dictionaries(texts, texts)),
    st.builds(ToolCall, texts, texts, texts),
    st.builds(ToolResult, texts, texts, texts, st.booleans()),
)


@given(st.lists(parts))
def test_parts_survive_the_round_trip_through_json(items: list[Part]):
    message = Message("assistant", tuple(items))
    assert parts_from_json(json.loads(json.dumps(parts_to_json(message)))) == message.parts


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("x", "must be an object, not a string"),
        ({"type": "text"}, "'text' must be a string, not null"),
        ({"type": "text", "text": 1}, "not a number"),
        ({"type": "dance"}, "unknown kind of part: 'dance'"),
        ({"type": "image", "media_type": "image/png", "data": "%"}, "not base64"),
        ({"type": "thinking", "text": "", "opaque": []}, "'opaque' must be an object, not a list"),
    ],
)
def test_a_wrong_part_is_named(value: object, reason: str):
    with pytest.raises(ValueError, match=reason):
        part_from_json(value)


def test_parts_must_be_a_list():
    with pytest.raises(ValueError, match=r"must be a list"):
        parts_from_json(1)


def test_usage_survives_and_what_is_unknown_is_left_out():
    usage = Usage(1, 2, 3, 4)
    assert "cost" not in usage_to_json(usage)
    assert usage_from_json({**usage_to_json(usage), "from_the_future": 1}) == usage


@pytest.mark.parametrize("value", [[], {"input_tokens": "1"}, {"output_tokens": True}])
def test_wrong_usage_is_refused(value: object):
    with pytest.raises(ValueError, match="usage"):
        usage_from_json(value)
