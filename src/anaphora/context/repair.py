"""Makes a branch acceptable to every provider: user first, roles in turn, tool calls and results whole, nothing empty.

The transcript is not touched; what was changed in the view is told in notes. Repairing is deterministic, and what it makes of
the beginning of a branch does not depend on what follows, but for messages that are joined with their neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from anaphora.values.message import Message, Part, Text, Thinking, ToolResult
from anaphora.values.report import Note
from anaphora.values.tokens import Estimate
from anaphora.values.transcript import Entry

NO_RESULT = "(no result: the tool was not run or did not finish)"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message of the view, and the stored messages it came from."""

    message: Message
    tokens: int
    sources: tuple[str, ...]

    @property
    def starts_turn(self) -> bool:
        """True if a window may begin here."""
        return self.message.role == "user"


@dataclass(frozen=True, slots=True)
class Repaired:
    """The view of a branch, what had to be changed, and the calls (id to name) that have no result yet."""

    pieces: list[SentMessage] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    open_calls: dict[str, str] = field(default_factory=dict)


def repair(branch: Sequence[Entry], before: Repaired | None = None) -> Repaired:
    """The view of a branch, oldest first; ``before`` is that of what comes before these messages, and stays as it is."""
    known = before or Repaired()
    pieces, notes, open_calls = [*known.pieces], [*known.notes], {**known.open_calls}
    for entry in branch:
        message = _spoken(entry, open_calls, notes)
        if message is None:
            continue
        if message.role != "tool" and open_calls:
            _add(pieces, _missing_results(open_calls, pieces[-1].sources[-1], notes))
            open_calls.clear()
        open_calls.update({call.id: call.name for call in message.tool_calls})
        for result in message.tool_results:
            open_calls.pop(result.call_id, None)
        # A greeting of the assistant may begin a conversation; nothing else may begin a window.
        is_greeting = entry.parent is None and message.role == "assistant" and not message.tool_calls
        if not pieces and message.role != "user" and not is_greeting:
            notes.append(Note(entry.id, f"left out: {message.role} message before the first user message"))
            open_calls.clear()
            continue
        # A system message gets a mark, which takes tokens too.
        tokens = max(entry.tokens, Estimate().count(message)) if entry.role == "system" else entry.tokens
        if _add(pieces, SentMessage(message, tokens, (entry.id,))):
            notes.append(Note(entry.id, f"joined with the {message.role} message before it"))
    return Repaired(pieces, notes, open_calls)


def _add(pieces: list[SentMessage], piece: SentMessage) -> bool:
    """Append a piece, or join it to the one before if that has the same role; tells whether it was joined."""
    if not pieces or pieces[-1].message.role != piece.message.role:
        pieces.append(piece)
        return False
    first = pieces[-1]
    parts: tuple[Part, ...] = (*first.message.parts, *piece.message.parts)
    if first.message.text and piece.message.text:
        parts = (*first.message.parts, Text("\n\n"), *piece.message.parts)
    pieces[-1] = SentMessage(replace(first.message, parts=parts), first.tokens + piece.tokens, first.sources + piece.sources)
    return True


def _spoken(entry: Entry, open_calls: dict[str, str], notes: list[Note]) -> Message | None:
    """The message as it may be sent, or None if nothing of it can be."""
    message = entry.message
    if message.role == "system":
        notes.append(Note(entry.id, "a system message inside the conversation is sent as the user's"))
        message = Message("user", (Text(f"[System: {message.text}]"),))
    if message.role == "tool":
        known = tuple(part for part in message.parts if isinstance(part, ToolResult) and part.call_id in open_calls)
        if len(known) < len(message.parts):
            notes.append(Note(entry.id, "left out: a tool result whose call is not before it"))
        return Message("tool", known) if known else None
    parts = tuple(part for part in message.parts if not (isinstance(part, Text) and not part.text))
    if not any(not isinstance(part, Thinking) for part in parts):
        notes.append(Note(entry.id, "left out: empty message"))
        return None
    return replace(message, parts=parts)


def _missing_results(open_calls: dict[str, str], after: str, notes: list[Note]) -> SentMessage:
    """Results for calls that never got one: a provider refuses a call without its result."""
    notes.append(Note(after, "a tool call without a result got a placeholder"))
    message = Message("tool", tuple(ToolResult(call, NO_RESULT, name, failed=True) for call, name in open_calls.items()))
    return SentMessage(message, Estimate().count(message), (after,))
