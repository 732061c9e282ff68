"""A message that grows is stored piece by piece, and is the same when it is put together again."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.values.growth import grown, growth
from anaphora.values.message import Message, Part, Text, Thinking, ToolCall, ToolResult

TEXTS = st.text(max_size=20)
PARTS: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, TEXTS),
    st.builds(Thinking, TEXTS, st.just({"signature": "s"})),
    st.builds(ToolCall, st.just("call"), st.just("name"), TEXTS),
)


@st.composite
def steps(draw: st.DrawFn) -> list[Message]:
    """A message in the order in which it grows."""
    message = Message("assistant", (draw(PARTS),))
    found = [message]
    for _ in range(draw(st.integers(0, 6))):
        last = message.parts[-1]
        if draw(st.booleans()):
            field = "arguments" if isinstance(last, ToolCall) else "text"
            longer: Part = replace(last, **{field: getattr(last, field) + draw(TEXTS)})
            message = replace(message, parts=(*message.parts[:-1], longer))
        else:
            message = replace(message, parts=(*message.parts, draw(PARTS)))
        found.append(message)
    return found


@given(steps())
def test_the_pieces_together_are_the_message(messages: list[Message]):
    message = messages[0]
    for before, after in pairwise(messages):
        added = growth(before, after)
        assert added is not None
        message = grown(message, json.loads(json.dumps(added)))
    assert message == messages[-1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((Text("abc"),), (Text("abd"),)),
        ((Text("abc"),), (Text("ab"),)),
        ((Text("a"), Text("b")), (Text("a"),)),
        ((Text("a"), Text("b")), (Text("x"), Text("bc"))),
        ((Text("a"),), (Thinking("ab"),)),
        ((ToolCall("1", "f", "{"),), (ToolCall("1", "g", "{}"),)),
        ((Thinking("a", {"s": 1}),), (Thinking("ab", {"s": 2}),)),
        ((ToolResult("1", "a"),), (ToolResult("1", "ab"),)),
        ((), (Text("a"),)),
    ],
)
def test_what_has_changed_otherwise_is_written_as_a_whole(before: tuple[Part, ...], after: tuple[Part, ...]):
    assert growth(Message("assistant", before), Message("assistant", after)) is None


@pytest.mark.parametrize("added", [[], [5], ["a", 5], ["a", {"type": "what"}], None])
def test_a_piece_that_is_none_is_an_error(added: Any):
    with pytest.raises((ValueError, TypeError)):
        grown(Message("assistant", (Text("a"),)), added)
