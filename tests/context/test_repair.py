import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.branches import any_branch, dialogue, entries

from anaphora.context.repair import NO_RESULT, SentMessage, repair
from anaphora.values.message import Message, Text, Thinking, ToolCall, ToolResult, text_message
from anaphora.values.report import Note
from anaphora.values.transcript import Entry

CALL = Message("assistant", (ToolCall("a", "look"),))
RESULT = Message("tool", (ToolResult("a", "seen"),))
ASK = text_message("user", "look")


def repaired(branch: Sequence[Entry]) -> tuple[list[SentMessage], list[Note]]:
    found = repair(branch)
    return found.pieces, found.notes


def test_a_well_formed_branch_is_left_as_it_is():
    branch = dialogue(5)
    pieces, notes = repaired(branch)
    assert [piece.message for piece in pieces] == [entry.message for entry in branch]
    assert notes == []


def test_a_call_and_its_result_stay_together():
    pieces, notes = repaired(entries(ASK, CALL, RESULT, text_message("assistant", "done"), ASK))
    assert [piece.message.role for piece in pieces] == ["user", "assistant", "tool", "assistant", "user"]
    assert not notes


def test_a_call_without_result_gets_a_placeholder():
    pieces, notes = repaired(entries(ASK, CALL, text_message("user", "go on")))
    assert pieces[2].message == Message("tool", (ToolResult("a", NO_RESULT, "look", failed=True),))
    assert "placeholder" in notes[0].reason


def test_a_result_without_its_call_is_left_out():
    pieces, notes = repaired(entries(ASK, RESULT, text_message("assistant", "hm"), ASK))
    assert all(piece.message.role != "tool" for piece in pieces)
    assert "left out" in notes[0].reason


def test_messages_before_the_first_user_are_left_out():
    pieces, notes = repaired(entries(ASK, text_message("assistant", "Hello!"), ASK)[1:])
    assert [piece.message for piece in pieces] == [ASK]
    assert "before the first user" in notes[0].reason


def test_a_greeting_of_the_assistant_begins_a_conversation():
    pieces, notes = repaired(entries(text_message("assistant", "Hello!"), ASK))
    assert [piece.message for piece in pieces] == [text_message("assistant", "Hello!"), ASK]
    assert not notes


def test_two_of_a_role_are_joined():
    pieces, _ = repaired(entries(text_message("user", "one"), text_message("user", "two")))
    assert [piece.message.text for piece in pieces] == ["one\n\ntwo"]
    assert pieces[0].sources == ("m0", "m1")


def test_empty_messages_are_left_out_also_with_thinking():
    pieces, _ = repaired(entries(ASK, Message("assistant", (Thinking("hm"), Text(""))), ASK))
    assert len(pieces) == 1


def test_a_system_message_inside_is_sent_as_the_users():
    pieces, _ = repaired(entries(ASK, text_message("assistant", "ok"), text_message("system", "be brief")))
    assert pieces[-1].message == text_message("user", "[System: be brief]")


@given(any_branch)
def test_whatever_the_branch_roles_are_in_an_order_every_provider_accepts(branch: list[Entry]):
    pieces, _ = repaired(branch)
    roles = [piece.message.role for piece in pieces]
    assert roles[0] == "user" or (roles[0] == "assistant" and branch[0].parent is None)
    assert roles[-1] == "user"
    assert "system" not in roles
    assert all(first != second for first, second in itertools.pairwise(roles))


@given(any_branch)
def test_whatever_the_branch_every_call_is_followed_by_its_results(branch: list[Entry]):
    pieces, _ = repaired(branch)
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        called = {call.id for call in piece.message.tool_calls}
        answered = {result.call_id for result in after.message.tool_results} if after else set()
        if called:
            assert called == answered
        elif after is not None:
            assert not answered


@given(any_branch)
def test_no_words_of_the_user_are_lost(branch: list[Entry]):
    pieces, _ = repaired(branch)
    sent = "".join(piece.message.text for piece in pieces if piece.message.role == "user")
    assert all(entry.text in sent for entry in branch if entry.role == "user")


@given(any_branch, st.integers(0, 60))
def test_a_branch_that_grew_is_repaired_as_if_it_were_new(branch: list[Entry], place: int):
    before = repair(branch[:place])
    pieces = list(before.pieces)
    assert repair(branch[place:], before) == repair(branch)
    assert before.pieces == pieces
