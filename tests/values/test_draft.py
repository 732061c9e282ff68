from anaphora.values.draft import AnswerDraft
from anaphora.values.events import Ended, Event, TextDelta, ThinkingDelta, ToolCallDelta, joined
from anaphora.values.message import Message, Text, Thinking, ToolCall


def test_deltas_fold_to_a_message_whose_parts_are_in_the_order_in_which_they_came():
    draft = AnswerDraft()
    for event in (
        ToolCallDelta(1, "b", "second", "{}"),
        TextDelta("Hel"),
        ThinkingDelta("hm"),
        TextDelta("lo"),
        ToolCallDelta(0, "a", "first", '{"x"'),
        ToolCallDelta(0, arguments=":1}"),
    ):
        draft.add(event)
    first, second = ToolCall("a", "first", '{"x":1}'), ToolCall("b", "second", "{}")
    assert draft.message() == Message("assistant", (second, Text("Hel"), Thinking("hm"), Text("lo"), first))
    assert draft.message().text == "Hello"


def test_what_is_opaque_ends_a_block_of_thinking():
    draft = AnswerDraft()
    for event in (
        ThinkingDelta("h"),
        ThinkingDelta("m"),
        ThinkingDelta("", {"signature": "a"}),
        ThinkingDelta("so", {"signature": "b"}),
        ThinkingDelta("then"),
        ThinkingDelta("", {"signature": "c", "of": "next part"}),
        TextDelta("Hi"),
    ):
        draft.add(event)
    assert draft.message().parts == (
        Thinking("hm", {"signature": "a"}),
        Thinking("so", {"signature": "b"}),
        Thinking("then"),
        Thinking("", {"signature": "c", "of": "next part"}),
        Text("Hi"),
    )


def test_an_empty_draft_is_false_and_an_empty_message():
    assert not AnswerDraft()
    assert AnswerDraft().message() == Message("assistant", ())


def test_a_character_split_over_two_deltas_is_joined():
    draft = AnswerDraft()
    draft.add(TextDelta("\ud83d"))
    draft.add(TextDelta("\ude00"))
    assert draft.message().text == "😀"


def test_a_call_without_id_or_arguments_gets_them():
    draft = AnswerDraft()
    draft.add(ToolCallDelta(0, name="look"))
    assert draft.message().tool_calls == (ToolCall("call_0", "look", "{}"),)


def test_neighbouring_texts_are_joined_and_nothing_else_is():
    events: list[Event] = [TextDelta("a"), TextDelta("b"), ThinkingDelta("c"), TextDelta("d"), TextDelta("e")]
    assert joined(events) == [TextDelta("ab"), ThinkingDelta("c"), TextDelta("de")]
    assert Ended("stop").usage is None
