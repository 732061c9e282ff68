import itertools

from hypothesis import given
from tests.context.branches import any_branch, dialogue, entries

from anaphora.context.repair import NO_RESULT, repair
from anaphora.message import Message, Text, Thinking, ToolCall, ToolResult, text_message
from anaphora.transcript import Entry

CALL = Message("assistant", (ToolCall("a", "look"),))
RESULT = Message("tool", (ToolResult("a", "seen"),))
ASK = text_message("user", "look")


def test_a_well_formed_branch_is_left_as_it_is():
    branch = dialogue(5)
    pieces, notes = repair(branch)
    assert [piece.message for piece in pieces] == [entry.message for entry in branch]
    assert notes == []


def test_a_call_and_its_result_stay_together():
    pieces, notes = repair(entries(ASK, CALL, RESULT, text_message("assistant", "done"), ASK))
    assert [piece.message.role for piece in pieces] == ["user", "assistant", "tool", "assistant", "user"]
    assert not notes


def test_a_call_without_result_gets_a_placeholder():
    pieces, notes = repair(entries(ASK, CALL, text_message("user", "go on")))
    assert pieces[2].message == Message("tool", (ToolResult("a", NO_RESULT, "look", failed=True),))
    assert "placeholder" in notes[0].reason


def test_a_result_without_its_call_is_left_out():
    pieces, notes = repair(entries(ASK, RESULT, text_message("assistant", "hm"), ASK))
    assert all(piece.message.role != "tool" for piece in pieces)
    assert "left out" in notes[0].reason


def test_messages_before_the_first_user_are_left_out():
    pieces, notes = repair(entries(text_message("assistant", "Hello!"), ASK))
    assert [piece.message for piece in pieces] == [ASK]
    assert "before the first user" in notes[0].reason


def test_two_of_a_role_are_joined():
    pieces, _ = repair(entries(text_message("user", "one"), text_message("user", "two")))
    assert [piece.message.text for piece in pieces] == ["one\n\ntwo"]
    assert pieces[0].sources == ("m0", "m1")


def test_empty_messages_are_left_out_also_with_thinking():
    pieces, _ = repair(entries(ASK, Message("assistant", (Thinking("hm"), Text(""))), ASK))
    assert len(pieces) == 1


def test_a_system_message_inside_is_sent_as_the_users():
    pieces, _ = repair(entries(ASK, text_message("assistant", "ok"), text_message("system", "be brief")))
    assert pieces[-1].message == text_message("user", "[System: be brief]")


@given(any_branch)
def test_whatever_the_branch_roles_are_in_an_order_every_provider_accepts(branch: list[Entry]):
    pieces, _ = repair(branch)
    roles = [piece.message.role for piece in pieces]
    assert roles[0] == "user"
    assert roles[-1] == "user"
    assert "system" not in roles
    assert all(first != second for first, second in itertools.pairwise(roles))


@given(any_branch)
def test_whatever_the_branch_every_call_is_followed_by_its_results(branch: list[Entry]):
    pieces, _ = repair(branch)
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        called = {call.id for call in piece.message.tool_calls}
        answered = {result.call_id for result in after.message.tool_results} if after else set()
        if called:
            assert called == answered
        elif after is not None:
            assert not answered


@given(any_branch)
def test_no_words_of_the_user_are_lost(branch: list[Entry]):
    pieces, _ = repair(branch)
    sent = "".join(piece.message.text for piece in pieces if piece.message.role == "user")
    assert all(entry.text in sent for entry in branch if entry.role == "user")
