"""Branches for the tests of context planning."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from anaphora.values.message import Message, Part, Text, Thinking, ToolCall, ToolResult, text_message
from anaphora.values.tokens import Estimate
from anaphora.values.transcript import START, Entry, Size


def entries(*messages: Message) -> list[Entry]:
    """Messages as a store would give them, sized by the estimate."""
    sizes = [Estimate().count(message) for message in messages]
    return sized(*zip(messages, sizes, strict=True))


def sized(*messages: tuple[Message, int]) -> list[Entry]:
    """Messages as a store would give them, of these sizes in tokens."""
    branch: list[Entry] = []
    for number, (message, tokens) in enumerate(messages):
        parent = branch[-1] if branch else None
        before = START if parent is None else parent.before + parent.extent
        up = None if parent is None else parent.id
        branch.append(Entry(f"m{number}", up, number, message, "complete", Size(tokens), 0.0, before=before))
    return branch


def dialogue(turns: int, words: int = 10) -> list[Entry]:
    """A well-formed conversation that ends with a user message."""
    messages = [
        text_message("user" if index % 2 == 0 else "assistant", f"word{index} " * words) for index in range(2 * turns - 1)
    ]
    return entries(*messages)


_calls = st.builds(ToolCall, st.sampled_from("abcd"), st.just("look"), st.just("{}"))
_results = st.builds(ToolResult, st.sampled_from("abcd"), st.text(max_size=20))
_texts = st.builds(Text, st.text(max_size=60))


def _message(role: str, parts: Sequence[Part]) -> Message:
    return Message(role, tuple(parts))  # type: ignore[arg-type]


_any_message = st.one_of(
    st.builds(_message, st.just("user"), st.lists(_texts, min_size=0, max_size=2)),
    st.builds(
        _message, st.just("assistant"), st.lists(st.one_of(_texts, _calls, st.builds(Thinking, st.text(max_size=9))), max_size=3)
    ),
    st.builds(_message, st.just("tool"), st.lists(_results, min_size=1, max_size=2)),
    st.builds(_message, st.just("system"), st.lists(_texts, min_size=1, max_size=1)),
)

# Any sequence at all, as a file from anywhere may hold it, with a real user message at its end.
any_branch = st.lists(_any_message, max_size=25).map(lambda messages: entries(*messages, text_message("user", "newest")))
