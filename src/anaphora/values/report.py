"""The report on a context: what went in, what stayed out, what was recalled, and why."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from anaphora.values.memory import BlockSummary, Fact

# No; the message is about the user; it appeals to what was said; it depends on whether this owner spoke of what it names.
Kind = Literal["none", "personal", "appeal", "topic"]


@dataclass(frozen=True, slots=True)
class Need:
    """The need of a message for the past, with the reason. ``question`` is the part of it that asks."""

    kind: Kind
    reason: str
    question: str = ""

    @property
    def exists(self) -> bool:
        """False where nothing of the past is asked for."""
        return self.kind != "none"


@dataclass(frozen=True, slots=True)
class Passage:
    """A quoted part of a message, and why it was recalled. ``title`` is shown where passages of one day need telling apart."""

    conversation: str
    title: str
    message: str
    date: str
    speaker: str
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A piece of a document as it is quoted: where it stands, and why. An empty ``place`` is the whole document."""

    document: str
    place: str
    text: str
    reason: str
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """One thing the repair changed, for the report."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """The comparison with the call before: its first ``tokens`` of ``before`` are repeated.

    ``reason`` says why the rest of that is not: empty if only the newest message or what was quoted with it differs.
    """

    tokens: int
    before: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """A text that is put before a message of the window, and its size in tokens."""

    text: str = ""
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Recalled:
    """The need of a message for the past, and the passages that are quoted.

    Of so many places that were ``ranked``, so many are ``left`` out for want of room.
    """

    need: Need = field(default_factory=lambda: Need("none", "recall is off"))
    passages: tuple[Passage, ...] = ()
    ranked: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Asides:
    """The memory's additions to the window, as values and as text; ``notes`` tell what was impossible.

    ``documents`` go in whole, ``excerpts`` are pieces of others.
    """

    facts: tuple[Fact, ...] = ()
    summaries: tuple[BlockSummary, ...] = ()
    recent: tuple[Fact, ...] = ()
    recalled: Recalled = field(default_factory=Recalled)
    preamble: Aside = Aside()
    tail: Aside = Aside()
    notes: tuple[str, ...] = ()
    documents: tuple[Excerpt, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()

    @property
    def passages(self) -> tuple[Passage, ...]:
        """The quoted passages."""
        return self.recalled.passages

    @property
    def tokens(self) -> int:
        """The size of both texts."""
        return self.preamble.tokens + self.tail.tokens

    def without_tail(self) -> Asides:
        """Only what stands before the window."""
        left = self.recalled.left + len(self.passages)
        return replace(self, recent=(), recalled=replace(self.recalled, passages=(), left=left), excerpts=(), tail=Aside())

    def nothing(self) -> Asides:
        """Only what could not be done."""
        return Asides(notes=self.notes, recalled=self.without_tail().recalled)


@dataclass(frozen=True, slots=True)
class Left:
    """Messages that stayed out: how many, their tokens, the last of them, why, and for how many of them a summary stands."""

    messages: int
    tokens: int
    last: str | None
    reason: str
    summarised: int = 0

    @property
    def unseen(self) -> int:
        """The number of messages that the model does not see, not even as a summary."""
        return self.messages - self.summarised


@dataclass(frozen=True, slots=True)
class Report:
    """Sizes in tokens. ``cut`` is the id of the first message of the window; ``exact`` whether a tokenizer counted.

    ``error`` is the share by which estimates were wrong lately. ``remembered`` has the facts, summaries and passages that went
    in; ``tools_tokens`` are schemas; ``prefix`` how much of the call before this one is repeated, None if there was none.
    """

    budget: int
    context_window: int
    assumed: bool
    exact: bool
    system_tokens: int
    window_messages: int
    window_tokens: int
    cut: str | None
    left: Left | None
    notes: tuple[Note, ...] = ()
    asides: Asides = field(default_factory=Asides)
    error: float | None = None
    prefix: Prefix | None = None
    tools_tokens: int = 0

    @property
    def parts(self) -> dict[str, int]:
        """The tokens of each part, in the order in which they are sent, and the room that is left."""
        return {
            "system": self.system_tokens,
            "tools": self.tools_tokens,
            "memory": self.asides.preamble.tokens,
            "window": self.window_tokens,
            "tail": self.asides.tail.tokens,
            "room": self.room,
        }

    @property
    def tokens(self) -> int:
        """All that is sent."""
        return self.system_tokens + self.tools_tokens + self.window_tokens + self.asides.tokens

    @property
    def room(self) -> int:
        """The tokens that are left of the budget."""
        return self.budget - self.tokens

    def lines(self) -> list[tuple[str, str]]:
        """Everything that there is to say: what it is about, and what there is to say of it."""
        about = "" if self.exact else "about "
        wrong = "" if self.exact or self.error is None else f" (estimates were off by {self.error:.0%} lately)"
        window = f"{self.context_window} tokens" + (" (assumed: the provider does not say)" if self.assumed else "")
        lines = [
            ("context window", f"{window}; what the budget leaves is for the answer"),
            ("budget", f"{self.budget} tokens, {about}{self.tokens} used, {self.room} left{wrong}"),
            ("system prompt", f"{self.system_tokens} tokens"),
        ]
        if self.tools_tokens:
            lines.append(("tools", f"{self.tools_tokens} tokens of schemas"))
        has = self.asides
        if has.preamble.tokens:
            parts = [_counted(has.facts, "fact"), _counted(has.summaries, "summary")]
            parts += [_counted(has.documents, "document")] * bool(has.documents)
            lines.append(("memory", f"{', '.join(parts)}, {has.preamble.tokens} tokens"))
        lines.append(("window", f"{self.window_messages} messages, {self.window_tokens} tokens"))
        if has.tail.tokens:
            parts = [_counted(has.recent, "fact"), _counted(has.passages, "passage")]
            parts += [_counted(has.excerpts, "piece")] * bool(has.excerpts)
            lines.append(("tail", f"{', '.join(parts)}, {has.tail.tokens} tokens, with the newest message"))
        lines.append(("left out", self._left()))
        lines += [("fact", fact.text) for fact in (*has.facts, *has.recent)]
        lines += [("document", f"{one.document}, whole, {one.tokens} tokens") for one in has.documents]
        lines += [("document", f"{one.document}: {one.place} ({one.reason})") for one in has.excerpts]
        lines += [("summary", f"messages {one.start + 1} to {one.end}, {one.size.tokens} tokens") for one in has.summaries]
        recalled = has.recalled
        lines.append(("need", f"{'no' if recalled.need.kind == 'none' else 'yes'}: {recalled.need.reason}"))
        if recalled.ranked:
            room = f", {recalled.left} left out for want of room" if recalled.left else ""
            lines.append(("recall", f"{recalled.ranked} places ranked, {len(has.passages)} sent{room}"))
        lines += [("recalled", f"{one.date} {one.speaker}: {_short(one.text)} ({one.reason})") for one in has.passages]
        if self.prefix is not None:
            why = f": {self.prefix.reason}" if self.prefix.reason else ""
            lines.append(("prefix", f"{self.prefix.tokens} of the {self.prefix.before} tokens sent before are unchanged{why}"))
        lines += [("note", note.reason) for note in self.notes]
        return lines + [("note", note) for note in has.notes]

    def __str__(self) -> str:
        return "\n".join(f"{name:14}  {text}" for name, text in self.lines())

    def _left(self) -> str:
        if self.left is None:
            return "nothing"
        summarised = (
            f"; {self.left.summarised} of them are summarised, {self.left.unseen} not shown" if self.left.summarised else ""
        )
        return f"{self.left.messages} messages, {self.left.tokens} tokens: {self.left.reason}{summarised}"


def _counted(things: tuple[object, ...], name: str) -> str:
    if len(things) == 1:
        return f"1 {name}"
    return f"{len(things)} {name[:-1] + 'ies' if name.endswith('y') else name + 's'}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"
