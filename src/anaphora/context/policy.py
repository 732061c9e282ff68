"""The memory's policy: which parts a memory has, and their shares of the budget."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from anaphora.context.budget import check_number, check_part
from anaphora.context.window import LEAST_MESSAGES, FitContext, Limit, Window
from anaphora.errors import ConfigError

RECALL_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Recall:
    """Quotes what was said earlier, where the newest message asks for it.

    Half of ``share`` of the budget is kept free always; all that the window leaves may be used. ``floor`` is the share of what a
    question's words tell that must be found around a message for it to be quoted (0 to 1). With ``conversations`` the owner's
    other conversations are searched too, where the owner is named. ``embedder`` adds vectors to words:
    ``"openai:text-embedding-3-small"``, ``"ollama:nomic-embed-text"``, ``"local:/path/to/model.gguf"``, or a function (also
    an async one) from texts to rows of numbers.
    """

    share: float = RECALL_SHARE
    floor: float = 0.45
    conversations: bool = True
    embedder: object = None

    @property
    def kept_free(self) -> float:
        """The share of the budget that the window never takes."""
        return self.share / 2

    def __post_init__(self) -> None:
        check_part(self, self.share)
        check_number(self, "floor", self.floor, 0, 1)


FACTS_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Facts:
    """Shows the model what is known of the user; ``share`` of the budget may be used.

    With ``learn`` new facts are found in what the user says, in the background, by ``model`` (``"provider:model"``); None is
    the one that answers, unless that is too small to do it.
    """

    learn: bool = False
    share: float = FACTS_SHARE
    model: str | None = None

    def __post_init__(self) -> None:
        check_part(self, self.share, self.model)


SUMMARY_SHARE = 0.15


# Of more summaries, or of fewer where the room is small, the older ones are made into one.
_MOST = 4


# What is said above each of them.
HEADING_TOKENS = 16


_SHORTEST, _LONGEST = 40, 500


@dataclass(frozen=True, slots=True)
class Summary:
    """Keeps a summary of what has left the window. ``share`` of the budget may be used.

    ``model`` (``"provider:model"``) writes them; None is the one that answers, unless that is too small to do it. ``prompt`` is a
    system prompt of your own for it; ``{words}`` in it becomes the longest length in words.
    """

    share: float = SUMMARY_SHARE
    model: str | None = None
    prompt: str | None = None

    def __post_init__(self) -> None:
        check_part(self, self.share, self.model)
        if self.prompt is not None and not str(self.prompt).strip():
            raise ConfigError("Summary(prompt=…) must be a text that says how a summary is written.")

    def length(self, room: int) -> int:
        """How long one summary may be where so many tokens may be sent."""
        return min(max(int(self.share * room / _MOST), _SHORTEST), _LONGEST)

    def most(self, room: int) -> int:
        """Of how many summaries the older ones are made into one."""
        return max(min(int(self.share * room) // (self.length(room) + HEADING_TOKENS), _MOST), 1)


@dataclass(frozen=True, slots=True)
class Memory:
    """The policy that turns a transcript into a context. What is None is not done. ``reserved``: tokens for documents.

    ``chosen`` are the names of the parts that the user asked for, which a tiny model is given whole too.
    """

    window: Window = field(default_factory=FitContext)
    summary: Summary | None = None
    recall: Recall | None = None
    facts: Facts | None = None
    reserved: int = 0
    chosen: frozenset[str] = frozenset()

    def for_tiny(self) -> Memory:
        """The memory of a tiny model: without summaries, which lead it astray, unless they were asked for by name."""
        return self if "summary" in self.chosen else replace(self, summary=None)

    def limits(self, room: int) -> tuple[Limit, ...]:
        """Gives the limits of the window where ``room`` tokens may be sent. The other parts keep their shares.

        Also while they need them not: the window must not move because something was recalled.
        """
        recall = int(self.recall.kept_free * room) if self.recall else 0
        return self.window.limits(room - self.standing(room) - recall)

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about a window that is too small."""
        small = any(limit.unit == "messages" and limit.most < LEAST_MESSAGES for limit in self.window.limits(1))
        return (f"{self.window!r} holds less than a turn: the model does not see the question before",) if small else ()

    def standing(self, room: int) -> int:
        """The tokens that summaries, facts and documents may take."""
        return sum(int(part.share * room) for part in (self.summary, self.facts) if part) + self.reserved
