"""Plans a context: system prompt and window, within the budget, with a report. A pure function of the branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from anaphora.context.asides import with_asides
from anaphora.context.budget import Budget, Prompt
from anaphora.context.cache import Sent, unchanged
from anaphora.context.policy import Memory
from anaphora.context.repair import SentMessage
from anaphora.context.verbatim import Verbatim, nothing_verbatim
from anaphora.context.window import WindowCut
from anaphora.errors import ContextTooLong
from anaphora.values.message import Message, text_message
from anaphora.values.report import Asides, Left, Report
from anaphora.values.tokens import Measure, measure_of
from anaphora.values.transcript import Entry


@dataclass(frozen=True, slots=True)
class Context:
    """The messages that one provider call sees. The first ``stable`` of them begin the next call too.

    ``measure`` is what an estimate of their tokens is made from.
    """

    messages: tuple[Message, ...]
    report: Report
    sent: Sent
    stable: int
    measure: Measure = field(default_factory=Measure)

    @property
    def asides(self) -> Asides:
        """The memory's additions to the window."""
        return self.report.asides

    def after(self, before: Sent | None) -> Context:
        """Adds to the report how much of the call before this one is repeated."""
        return self if before is None else replace(self, report=replace(self.report, prefix=unchanged(before, self.sent)))


def plan(
    branch: Sequence[Entry],
    *,
    system: Prompt,
    memory: Memory,
    budget: Budget,
    asides: Asides | None = None,
    window: Verbatim | None = None,
) -> Context:
    """The context of a branch (oldest first). Raises ContextTooLong naming the part that does not fit.

    The end of a branch is enough, if it reaches beyond ``memory``'s limits; ``window`` is its verbatim part, if that is known.
    Where the model's window is only assumed, the newest turn is sent however long it is: the provider knows better.
    What is in ``asides`` goes in as far as there is room beside the window.
    """
    room = budget.prompt - system.tokens
    window = _within(window or verbatim(branch, memory, room), room)
    pieces = window.repaired.pieces
    newest = _newest_turn(pieces)
    if window.tokens > room and not (budget.assumed and newest in {None, 0}):
        raise _too_long(pieces, system, budget.prompt)
    beside = _fitting(asides or Asides(), room - window.tokens)
    sent = with_asides(pieces, beside)
    messages = tuple([piece.message for piece in sent])
    sizes = tuple([piece.tokens for piece in sent])
    measure = window.measure
    if beside.tokens:
        measure = (
            measure
            + measure_of(new.message for new, old in _changed(sent, pieces))
            - measure_of(old.message for new, old in _changed(sent, pieces))
        )
    if system.text:
        first = text_message("system", system.text)
        messages, sizes, measure = (first, *messages), (system.tokens, *sizes), measure + measure_of([first])
    report = _report(window, beside, system, budget)
    # What is quoted with the newest message is gone from the next prompt.
    tailed = (newest or 0) + (1 if system.text else 0)
    # Between the steps of a turn it is not: the next call has all of it.
    is_between = bool(branch) and branch[-1].role == "tool"
    stable = tailed if beside.tail.text and not is_between else len(messages)
    return Context(messages, report, Sent(messages, sizes, report.cut, beside.preamble.text), stable, measure)


def _report(window: Verbatim, beside: Asides, system: Prompt, budget: Budget) -> Report:
    pieces = window.repaired.pieces
    return Report(
        budget=budget.prompt + budget.tools,
        tools_tokens=budget.tools,
        context_window=budget.context_window,
        assumed=budget.assumed,
        exact=budget.exact,
        error=budget.error,
        system_tokens=system.tokens,
        window_messages=len(pieces),
        window_tokens=window.tokens,
        cut=pieces[0].sources[0] if pieces else None,
        left=_left(window.first, beside) if window.branch and window.first.parent else None,
        notes=tuple(window.repaired.notes),
        asides=beside,
    )


def verbatim(branch: Sequence[Entry], memory: Memory, room: int, before: Verbatim | None = None) -> Verbatim:
    """The verbatim part of a branch; ``before`` is that of the last turn, which is gone on with where it can be."""
    limits = memory.limits(room)
    if not branch:
        return nothing_verbatim(limits)
    return Verbatim.of(branch, limits) if before is None else before.grown(branch, limits)


def _within(window: Verbatim, room: int) -> Verbatim:
    """Drops an older turn where the repair's additions (results of tools that never ran) need its room."""
    while window.limits and window.tokens > room and (later := _next_turn(window.branch, window.cut.index)):
        window = Verbatim.at(window.branch, window.limits, WindowCut(later, stays=False))
    return window


def _changed(new: Sequence[SentMessage], old: Sequence[SentMessage]) -> list[tuple[SentMessage, SentMessage]]:
    return [pair for pair in zip(new, old, strict=True) if pair[0] is not pair[1]]


def _newest_turn(pieces: Sequence[SentMessage]) -> int | None:
    return next((index for index in reversed(range(len(pieces))) if pieces[index].starts_turn), None)


def _tokens(pieces: Sequence[SentMessage]) -> int:
    return sum(piece.tokens for piece in pieces)


def _next_turn(branch: Sequence[Entry], after: int) -> int | None:
    return next((index for index in range(after + 1, len(branch)) if branch[index].starts_turn), None)


def _fitting(remembered: Asides, room: int) -> Asides:
    """Gives the asides that fit: without the tail, or without all of them, if need be."""
    for less in (remembered, remembered.without_tail(), remembered.nothing()):
        if less.tokens <= max(room, 0):
            return less
    return remembered.nothing()


def _left(first: Entry, beside: Asides) -> Left:
    """Counts the messages before the window, and those of them that a summary covers."""
    messages = first.before.messages
    unseen = messages
    if beside.summaries:
        from anaphora.context.summary import chain, gaps

        unseen = sum(end - start for start, end in gaps(chain(beside.summaries, messages), messages))
    return Left(messages, first.before.tokens, last=first.parent, reason="older than the window", summarised=messages - unseen)


def _too_long(pieces: Sequence[SentMessage], system: Prompt, limit: int) -> ContextTooLong:
    """Which part is to blame: the system prompt, the newest user message, its tool results, or the history asked for."""
    if system.tokens >= limit:
        part = "the system prompt" if limit > 0 else "the system prompt, with the schemas of tools,"
        return ContextTooLong(part, tokens=system.tokens, limit=limit)
    room = limit - system.tokens
    newest = max((index for index, piece in enumerate(pieces) if piece.starts_turn), default=0)
    if pieces[newest].tokens > room:
        return ContextTooLong("the message", tokens=pieces[newest].tokens, limit=room)
    turn = _tokens(pieces[newest:])
    if turn > room:
        return ContextTooLong("the message with its tool results", tokens=turn, limit=room)
    return ContextTooLong("the whole history", tokens=_tokens(pieces), limit=room)
