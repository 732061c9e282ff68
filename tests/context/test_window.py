from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.context.window import FitContext, FullHistory, LastMessages, LastTokens, LastTurns, Window
from anaphora.errors import ConfigError


@dataclass(frozen=True)
class Item:
    tokens: int
    starts_turn: bool


def dialogue(*sizes: int) -> list[Item]:
    return [Item(size, index % 2 == 0) for index, size in enumerate(sizes)]


items = st.lists(st.builds(Item, st.integers(0, 50), st.booleans()), max_size=60)
branches = items.map(lambda rest: [Item(5, starts_turn=True), *rest])
windows = st.one_of(
    st.just(FitContext()),
    st.builds(FitContext, st.integers(1, 300), st.floats(0.05, 1)),
    st.integers(1, 30).flatmap(lambda n: st.builds(LastMessages, st.just(n), st.none() | st.integers(1, n))),
    st.integers(1, 12).flatmap(lambda n: st.builds(LastTurns, st.just(n), st.none() | st.integers(1, n))),
    st.integers(1, 300).flatmap(lambda n: st.builds(LastTokens, st.just(n), st.none() | st.integers(1, n))),
)


def test_full_history_keeps_everything():
    assert FullHistory().cut(dialogue(*[100] * 9), 10) == 0


def test_the_cut_stays_until_the_limit_and_then_jumps():
    window = LastMessages(6, keep=2)
    cuts = [window.cut(dialogue(*[1] * length), 1_000) for length in range(1, 20, 2)]
    assert cuts == [0, 0, 0, 6, 6, 6, 12, 12, 12, 18]


def test_keep_equal_to_the_limit_is_the_classic_sliding_window():
    window = LastMessages(3, keep=3)
    assert [window.cut(dialogue(*[1] * length), 1_000) for length in range(1, 10, 2)] == [0, 0, 2, 4, 6]


def test_last_turns_counts_the_new_one():
    window = LastTurns(2, keep=2)
    assert [window.cut(dialogue(*[1] * length), 1_000) for length in (1, 3, 5, 7)] == [0, 0, 2, 4]


def test_last_tokens_counts_tokens():
    assert LastTokens(100, keep=100).cut(dialogue(40, 40, 40), 1_000) == 2


def test_a_window_by_messages_is_cut_by_tokens_too_when_they_do_not_fit():
    assert LastMessages(100).cut(dialogue(*[50] * 9), 120) == 8


def test_dropping_by_messages_counts_for_the_tokens():
    # Never more than 40 tokens are held, so the room of 50 never forces a second cut.
    window = LastMessages(4, keep=4)
    assert window.cut(dialogue(*[10] * 21), 50) == LastMessages(4, keep=4).cut(dialogue(*[10] * 21), 10_000)


def test_the_newest_turn_is_never_dropped():
    assert FitContext().cut(dialogue(10, 10, 999), 100) == 2


@given(windows, branches, st.integers(1, 400))
def test_a_cut_is_a_turns_start_or_the_very_beginning(window: Window, branch: list[Item], room: int):
    cut = window.cut(branch, room)
    assert cut == 0 or branch[cut].starts_turn


@given(windows, branches, st.integers(1, 400))
def test_what_is_held_fits_or_is_only_the_newest_turn(window: Window, branch: list[Item], room: int):
    cut = window.cut(branch, room)
    newest = max(index for index, item in enumerate(branch) if item.starts_turn)
    assert cut == newest or sum(item.tokens for item in branch[cut:]) <= room


@given(windows, branches, st.integers(1, 400))
def test_the_cut_only_moves_forward_as_the_branch_grows(window: Window, branch: list[Item], room: int):
    cuts = [window.cut(branch[:length], room) for length in range(1, len(branch) + 1)]
    assert cuts == sorted(cuts)


@given(branches, st.integers(60, 400))
def test_a_block_window_moves_less_often_than_a_sliding_one(branch: list[Item], room: int):
    def moves(window: Window) -> int:
        return len({window.cut(branch[:length], room) for length in range(1, len(branch) + 1)})

    assert moves(FitContext(keep=0.2)) <= moves(FitContext(keep=1.0))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: LastMessages(0),
        lambda: LastMessages(5, keep=6),
        lambda: LastTurns(2, keep=0),
        lambda: LastTokens(-1),
        lambda: FitContext(0),
        lambda: FitContext(keep=0),
        lambda: FitContext(keep=1.5),
    ],
)
def test_a_window_that_cannot_work_is_refused_at_once(wrong):
    with pytest.raises(ConfigError, match="must be"):
        wrong()
