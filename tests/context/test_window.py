import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.branches import sized

from anaphora.context.policy import Memory
from anaphora.context.window import FitContext, FullHistory, LastMessages, LastTokens, LastTurns, Limit, Window, cut, reach
from anaphora.errors import ConfigError
from anaphora.values.message import Role, text_message
from anaphora.values.transcript import START, Entry, Extent


def branch_of(*sizes: tuple[Role, int]) -> list[Entry]:
    return sized(*((text_message(role, "x"), size) for role, size in sizes))


def dialogue(*sizes: int) -> list[Entry]:
    return branch_of(*(("assistant" if index % 2 else "user", size) for index, size in enumerate(sizes)))


def cut_of(window: Window, branch: list[Entry], room: int) -> int:
    return cut(branch, window.limits(room))


roles: st.SearchStrategy[Role] = st.sampled_from(["user", "assistant", "tool"])
items = st.lists(st.tuples(roles, st.integers(0, 50)), max_size=60)
branches = items.map(lambda rest: branch_of(("user", 5), *rest))
windows = st.one_of(
    st.just(FitContext()),
    st.builds(FitContext, st.integers(1, 300), st.floats(0.05, 1)),
    st.integers(1, 30).flatmap(lambda n: st.builds(LastMessages, st.just(n), st.none() | st.integers(1, n))),
    st.integers(1, 12).flatmap(lambda n: st.builds(LastTurns, st.just(n), st.none() | st.integers(1, n))),
    st.integers(1, 300).flatmap(lambda n: st.builds(LastTokens, st.just(n), st.none() | st.integers(1, n))),
)


def test_full_history_keeps_everything():
    assert cut_of(FullHistory(), dialogue(*[100] * 9), 10) == 0


def test_the_cut_stays_until_the_limit_and_then_jumps():
    window = LastTurns(4, keep=2)
    cuts = [cut_of(window, dialogue(*[1] * length), 1_000) for length in range(1, 24, 2)]
    assert cuts == [0, 0, 0, 0, 0, 6, 6, 6, 12, 12, 12, 18]


def test_after_a_move_about_what_is_to_be_kept_remains():
    window = FitContext(keep=0.2)
    held = []
    before = 0
    for length in range(1, 400, 2):
        branch = dialogue(*[10] * length)
        now = cut_of(window, branch, 1_000)
        if now != before:
            held.append(10 * (length - now))
        before = now
    assert len(held) == 4
    assert all(abs(tokens - 200) <= 20 for tokens in held)


def test_slide_is_the_classic_sliding_window():
    window = LastMessages(3, slide=True)
    assert [cut_of(window, dialogue(*[1] * length), 1_000) for length in range(1, 10, 2)] == [0, 0, 2, 4, 6]


def test_last_turns_counts_earlier_turns_beside_the_newest_message():
    window = LastTurns(2, slide=True)
    assert [cut_of(window, dialogue(*[1] * length), 1_000) for length in (1, 3, 5, 7, 9)] == [0, 0, 0, 2, 4]


@pytest.mark.parametrize("window", [LastTurns(1), LastTurns(2), LastTurns(3), LastMessages(3), LastMessages(4), LastMessages(5)])
def test_the_smallest_windows_hold_the_turn_before_the_newest_message(window: Window):
    held = [length - cut_of(window, dialogue(*[1] * length), 1_000) for length in range(3, 80, 2)]
    assert min(held) >= 3


@given(st.one_of(windows), branches, st.integers(1, 400))
def test_the_turn_before_is_there_wherever_the_limits_allow_it(window: Window, branch: list[Entry], room: int):
    limits = window.limits(room)
    turns = [index for index, entry in enumerate(branch) if entry.starts_turn]
    if len(turns) < 2:
        return
    both = branch[turns[-2] :]
    held = sum((entry.extent for entry in both), START)
    if all(getattr(held, limit.unit) <= limit.most for limit in limits):
        assert cut_of(window, branch, room) <= turns[-2]


def test_a_window_that_holds_less_than_a_turn_says_so():
    assert "holds less than a turn" in Memory(LastMessages(2)).notes[0]
    assert Memory(LastMessages(3)).notes == Memory(LastTurns(1)).notes == ()


def test_slide_and_keep_exclude_each_other():
    with pytest.raises(ConfigError, match="leave keep out"):
        LastTurns(5, 2, slide=True)


def test_last_tokens_counts_tokens():
    assert cut_of(LastTokens(100, keep=100), dialogue(40, 40, 40), 1_000) == 2


def test_a_window_by_messages_is_cut_by_tokens_too_when_they_do_not_fit():
    assert cut_of(LastMessages(100), dialogue(*[50] * 9), 120) == 8


def test_a_window_by_turns_that_do_not_fit_still_moves_in_blocks():
    cuts = {cut_of(LastTurns(500), dialogue(*[10] * length), 1_000) for length in range(1, 1_000, 2)}
    assert 8 < len(cuts) < 24


def test_the_newest_turn_is_never_dropped():
    assert cut_of(FitContext(), dialogue(10, 10, 999), 100) == 2


def test_a_long_message_that_makes_the_cut_move_is_still_there_for_the_next_question():
    window = FitContext(keep=0.2)
    before = dialogue(*[100] * 8, 500)
    # The turn before goes along, wherever a block begins.
    assert cut_of(window, before, 1_000) == 6
    assert cut_of(window, dialogue(*[100] * 8, 500, 100, 100), 1_000) == 8


@given(windows, branches, st.integers(1, 400))
def test_a_cut_is_a_turns_start_or_the_very_beginning(window: Window, branch: list[Entry], room: int):
    first = cut_of(window, branch, room)
    assert first == 0 or branch[first].starts_turn


@given(windows, branches, st.integers(1, 400))
def test_what_is_held_fits_or_is_only_the_newest_turn(window: Window, branch: list[Entry], room: int):
    first = cut_of(window, branch, room)
    newest = max(index for index, entry in enumerate(branch) if entry.starts_turn)
    assert first == newest or sum(entry.tokens for entry in branch[first:]) <= room


@given(windows, branches, st.integers(1, 400))
def test_the_cut_only_moves_forward_as_the_branch_grows(window: Window, branch: list[Entry], room: int):
    cuts = [cut_of(window, branch[:length], room) for length in range(1, len(branch) + 1)]
    assert cuts == sorted(cuts)


@given(windows, branches, st.integers(1, 400))
def test_the_end_of_a_branch_is_enough_to_find_the_cut(window: Window, branch: list[Entry], room: int):
    limits = window.limits(room)
    start, extent = len(branch), START
    while start > 0:
        start -= 1
        extent += branch[start].extent
        if branch[start].starts_turn and extent.exceeds(reach(limits)):
            break
    assert branch[start:][cut(branch[start:], limits)] == branch[cut(branch, limits)]


# What is kept after a move holds the turn before, too.
@given(st.lists(st.integers(1, 10), min_size=1, max_size=80), st.integers(200, 400))
def test_a_block_window_moves_less_often_than_a_sliding_one(sizes: list[int], room: int):
    def moves(window: Window) -> int:
        return len({cut_of(window, dialogue(*sizes[:length]), room) for length in range(1, len(sizes) + 1, 2)})

    assert moves(FitContext(keep=0.2)) <= moves(FitContext(keep=1.0))


def test_a_branch_must_be_read_back_to_where_a_limit_is_passed():
    most = reach((Limit("tokens", 100, 20), Limit("turns", 3, 1), Limit("tokens", 80, 20)))
    assert (most.turns, most.tokens) == (3, 80)
    assert Extent(10_000, 3, 80).exceeds(most) is False
    assert Extent(10, 4, 0).exceeds(most) is True


def test_a_window_by_messages_holds_as_many_as_it_may_whatever_their_share_of_the_room():
    for length in range(21, 400, 2):
        branch = dialogue(*[40] * length)
        assert length - cut_of(LastMessages(20, keep=20), branch, 1_000) == 19


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
