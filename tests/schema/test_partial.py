import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.schema.partial import partial_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("Here it is: ", None),
        ('{"na', {}),
        ('{"name": "An', {"name": "An"}),
        ('{"name": "Anna", "age": 3', {"name": "Anna", "age": 3}),
        ('{"name": "Anna", "tags": ["a", "b', {"name": "Anna", "tags": ["a", "b"]}),
        ('{"a": "\\', {"a": ""}),
        ("```json\n[1, 2]\n``` and words", [1, 2]),
    ],
)
def test_the_value_is_read_as_far_as_it_has_come(text: str, value: object):
    assert partial_json(text) == value


@given(st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3), st.integers(0, 200))
def test_a_whole_value_is_read_whole_and_a_part_of_it_never_fails(value: object, cut: int):
    text = json.dumps(value)
    assert partial_json(text) == value
    partial_json(text[:cut])
