"""Summaries: which stretches of a branch get one, what they are made of, and which of them are shown.

A summary is always made of the original messages, also one that takes the place of several older ones. A stretch is
summarised when it is clear that it will leave the window next, so that the summary is there when the window moves and
nothing that was sent before changes in between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from anaphora.context.own_words import abridged
from anaphora.context.policy import HEADING_TOKENS
from anaphora.context.prompts import prompt
from anaphora.context.quoting import fenced, quoted
from anaphora.values.memory import BlockSummary
from anaphora.values.message import Message, Options, text_message
from anaphora.values.transcript import Entry

_LEAST_MESSAGES = 6
_LEAST_ANSWER = 300
_WORDS_PER_TOKEN = 0.7
_BYTES_PER_TOKEN = 3
# Shorter pieces of messages say nothing.
_LEAST_PIECE = 80
_REFUSAL = re.compile(
    r"\A\W*(?:I(?:'m| am) sorry|I can(?:'t|not|’t)|I(?:'m| am) (?:unable|not able)|Sorry|As an AI|I won(?:'t|’t))", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of a branch to be summarised: from the one with ``start`` before it up to ``end`` messages."""

    start: int
    end: int
    since: int


def chain(summaries: Sequence[BlockSummary], window: int) -> list[BlockSummary]:
    """The summaries to show before a window that begins after ``window`` messages, oldest first: few that cover the most."""
    usable = [one for one in summaries if one.since <= window and one.end <= window]
    shown: list[BlockSummary] = []
    place = 0
    while True:
        # The one that reaches furthest from here; if none begins by now, the next one after the gap.
        begun = [one for one in usable if one.start <= place < one.end]
        later = [one for one in usable if one.start > place]
        if begun:
            shown.append(max(begun, key=lambda one: one.end))
        elif later:
            shown.append(min(later, key=lambda one: (one.start, -one.end)))
        else:
            return shown
        place = shown[-1].end


def gaps(shown: Sequence[BlockSummary], window: int) -> list[tuple[int, int]]:
    """The stretches before the window that no summary stands for: from, to."""
    result = []
    place = 0
    for one in shown:
        if one.start > place:
            result.append((place, one.start))
        place = max(place, one.end)
    if place < window:
        result.append((place, window))
    return result


def due(summaries: Sequence[BlockSummary], window: int, following: int | None, *, most: int) -> list[Stretch]:
    """The stretches to summarise: what has left the window, what leaves it next, and, beyond ``most``, several older ones in one.

    ``following`` is where the window will begin after its next move, if that is known.
    """
    target = window if following is None else following
    shown = chain(summaries, target)
    stretches = []
    for start, end in gaps(shown, target):
        # What is left out already is not to wait for the next move.
        places = [start, window, end] if start < window < end else [start, end]
        stretches += [Stretch(first, last, since=last) for first, last in pairwise(places)]
    # What is still too short to be summarised holds up nothing.
    if len(shown) > most + bool(stretches):
        stretches.append(Stretch(0, shown[len(shown) - most // 2 - 1].end, since=target))
    return stretches


def is_worth_it(entries: Sequence[Entry], length: int) -> bool:
    """True if a summary of so many tokens is much shorter than its messages, and there is something to summarise."""
    said = [entry for entry in entries if _spoken(entry)]
    return bool(said) and (len(said) >= _LEAST_MESSAGES or sum(entry.tokens for entry in said) >= 3 * length)


def within(shown: Sequence[BlockSummary], room: int) -> list[BlockSummary]:
    """As many of the newest as ``room`` tokens hold, oldest first."""
    kept: list[BlockSummary] = []
    for one in reversed(shown):
        room -= one.size.tokens + HEADING_TOKENS
        if room < 0:
            break
        kept.append(one)
    return kept[::-1]


def answer_tokens(length: int) -> int:
    """How long the answer may be: a model may think before it writes, and what is too long is shortened."""
    return max(2 * length, _LEAST_ANSWER)


def summary_request(
    entries: Sequence[Entry], *, length: int, room: int, own_prompt: str | None = None
) -> tuple[list[Message], Options]:
    """Makes the request for a summary of these messages within ``length`` tokens; the request takes at most ``room``."""
    words = int(length * _WORDS_PER_TOKEN)
    system = (own_prompt or prompt("summary")).replace("{words}", str(words))
    ending = f"\n\nWrite the notes of this part now, in at most {words} words."
    left = room - (len(system) + len(ending)) // _BYTES_PER_TOKEN - 40
    material = fenced(originals(entries, max(left, _LEAST_PIECE) * _BYTES_PER_TOKEN), "conversation")
    return [text_message("system", system), text_message("user", material + ending)], Options(
        max_tokens=max(2 * length, _LEAST_ANSWER)
    )


def originals(entries: Sequence[Entry], most_bytes: int) -> str:
    """The messages as text, shortened where they are too long together: long ones first, then answers, then evenly."""
    said = [(entry.role, text) for entry in entries if (text := _spoken(entry))]
    piece = max((len(text) for _, text in said), default=0)
    while _bytes(said, piece) > most_bytes and piece > _LEAST_PIECE:
        piece = piece * 3 // 4
    if _bytes(said, piece) > most_bytes:
        said = [(role, text) for role, text in said if role == "user"] or said
    if (size := _bytes(said, piece)) > most_bytes:
        kept = max(len(said) * most_bytes // size, 1)
        said = [said[index * len(said) // kept] for index in range(kept)]
    return "\n\n".join(f"{role.capitalize()}: {_cut(text, piece)}" for role, text in said)


def accepted(text: str, *, length: int) -> str | None:
    """The summary in what a model answered, at most ``length`` tokens; None if there is none in it."""
    plain = text.strip().strip("`").strip()
    if not plain or _REFUSAL.search(plain) or "<conversation>" in plain:
        return None
    most = length * 5
    if len(plain.encode()) > most:
        whole = plain.encode()[:most].decode("utf-8", "ignore")
        end = max(whole.rfind(mark) for mark in (". ", "! ", "? ", "。", "\n", "; "))
        plain = whole[: end + 1].strip() if end > len(whole) // 2 else f"{whole.rstrip()}…"
    return plain


def _spoken(entry: Entry) -> str:
    """Gives the words of a message without tool results and quoted text: the answers tell of those."""
    used = "".join(f" (used the tool {call.name})" for call in entry.message.tool_calls)
    return quoted(abridged(entry.message) + used).strip() if entry.role in {"user", "assistant"} else ""


def _bytes(said: Sequence[tuple[str, str]], piece: int) -> int:
    return sum(min(len(text), piece) * len(text.encode()) // max(len(text), 1) + 14 for _, text in said)


def _cut(text: str, most: int) -> str:
    """The beginning and the end of a long text."""
    return text if len(text) <= most else f"{text[: most * 2 // 3].rstrip()} … {text[-most // 3 :].lstrip()}"
