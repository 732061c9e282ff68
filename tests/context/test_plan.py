import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.branches import any_branch, dialogue, entries

from anaphora.context.budget import ASSUMED_WINDOW, Budget, Prompt, budget_for
from anaphora.context.plan import plan
from anaphora.context.policy import Memory
from anaphora.context.window import FitContext, FullHistory, LastMessages, LastTokens, LastTurns
from anaphora.errors import ContextTooLong
from anaphora.values.message import Message, ToolCall, ToolResult, text_message
from anaphora.values.tokens import Estimate
from anaphora.values.transcript import Entry

SYSTEM = Prompt("Be brief.", 7)
memories = st.sampled_from(
    [
        Memory(),
        Memory(FullHistory()),
        Memory(LastMessages(4)),
        Memory(LastTurns(2)),
        Memory(LastTokens(80)),
        Memory(FitContext(60, 1.0)),
    ]
)


def budget(prompt: int) -> Budget:
    return Budget(prompt, 0, 0)


def test_the_system_prompt_is_first_and_survives_every_cut():
    context = plan(dialogue(50), system=SYSTEM, memory=Memory(LastTurns(1)), budget=budget(1_000))
    assert context.messages[0] == text_message("system", "Be brief.")
    assert len(context.messages) == 4


def test_without_a_system_prompt_none_is_sent():
    assert plan(dialogue(1), system=Prompt(), memory=Memory(), budget=budget(1_000)).messages[0].role == "user"


def test_the_report_tells_what_went_in_and_what_stayed_out():
    branch = dialogue(20)
    report = plan(branch, system=SYSTEM, memory=Memory(), budget=budget(300)).report
    assert report.left is not None
    assert report.window_messages + report.left.messages == len(branch)
    assert report.tokens + report.room == 300
    assert report.left.last == branch[report.left.messages - 1].id
    assert report.cut == branch[report.left.messages].id
    text = str(report)
    assert "older than the window" in text
    assert f"{report.left.messages} messages" in text


def test_nothing_left_out_is_said_too():
    assert "left out        nothing" in str(plan(dialogue(2), system=SYSTEM, memory=Memory(), budget=budget(1_000)).report)


@pytest.mark.parametrize(
    ("branch", "system", "memory", "part"),
    [
        (dialogue(1), Prompt("long", 500), Memory(), "the system prompt"),
        (entries(text_message("user", "x" * 4_000)), SYSTEM, Memory(), "the message"),
        (
            entries(
                text_message("user", "go"),
                Message("assistant", (ToolCall("a", "t"),)),
                Message("tool", (ToolResult("a", "y" * 4_000),)),
            ),
            SYSTEM,
            Memory(),
            "the message with its tool results",
        ),
        (dialogue(60), SYSTEM, Memory(FullHistory()), "the whole history"),
    ],
)
def test_what_is_too_long_is_named_with_its_size(branch: list[Entry], system: Prompt, memory: Memory, part: str):
    with pytest.raises(ContextTooLong) as caught:
        plan(branch, system=system, memory=memory, budget=budget(300))
    assert caught.value.part == part
    assert caught.value.tokens > caught.value.limit
    assert str(caught.value.tokens - caught.value.limit) in str(caught.value)


def test_an_unknown_window_is_assumed_small_and_said_so():
    assumed = budget_for(None, max_tokens=None, exact=False)
    assert assumed.context_window == ASSUMED_WINDOW
    assert "assumed" in str(plan(dialogue(1), system=SYSTEM, memory=Memory(), budget=assumed).report)


def test_room_is_kept_for_the_answer_and_for_errors_in_counting():
    assert budget_for(10_000, max_tokens=500, exact=False).prompt == 10_000 - 500 - 500
    assert budget_for(10_000, max_tokens=500, exact=True).prompt == 10_000 - 500 - 16
    assert budget_for(200_000, max_tokens=None, exact=False).answer == 4_096


@given(any_branch, memories, st.integers(30, 900))
def test_the_invariants_hold_for_any_branch(branch: list[Entry], memory: Memory, room: int):
    try:
        context = plan(branch, system=SYSTEM, memory=memory, budget=budget(room))
    except ContextTooLong as error:
        assert error.tokens > error.limit  # noqa: PT017 - either outcome keeps the invariants
        return
    roles = [message.role for message in context.messages]
    assert roles[0] == "system"
    assert roles.count("system") == 1
    assert context.messages[-1].text.endswith("newest")
    assert roles[1] == "user" or (roles[1] == "assistant" and branch[0].parent is None)
    assert context.report.tokens <= room
    calls = {call.id for message in context.messages for call in message.tool_calls}
    results = {result.call_id for message in context.messages for result in message.tool_results}
    assert calls == results


@given(any_branch, memories, st.integers(30, 900))
def test_equal_input_gives_equal_output(branch: list[Entry], memory: Memory, room: int):
    def attempt() -> object:
        try:
            return plan(branch, system=SYSTEM, memory=memory, budget=budget(room))
        except ContextTooLong as error:
            return str(error)

    assert attempt() == attempt()


@given(st.lists(st.integers(1, 60), min_size=3, max_size=60), st.integers(250, 900), memories)
def test_between_two_moves_the_earlier_context_is_a_prefix_of_the_later(sizes: list[int], room: int, memory: Memory):
    roles = ("user", "assistant")
    branch = entries(*[text_message(roles[index % 2], "w" * size) for index, size in enumerate(sizes)])  # type: ignore[arg-type]
    before: tuple[Message, ...] = ()
    cut: str | None = None
    for length in range(1, len(branch) + 1, 2):
        try:
            context = plan(branch[:length], system=SYSTEM, memory=memory, budget=budget(room))
        except ContextTooLong:
            return
        if context.report.cut == cut:
            assert context.messages[: len(before)] == before
        before, cut = context.messages, context.report.cut


def test_sizes_are_those_frozen_in_the_transcript():
    branch = dialogue(3)
    assert plan(branch, system=Prompt(), memory=Memory(), budget=budget(999)).report.tokens == sum(
        Estimate().count(entry.message) for entry in branch
    )
