"""The tokens that a prompt may take."""

from __future__ import annotations

from dataclasses import dataclass

from anaphora.errors import ConfigError, ContextTooLong

# What a provider's own context window is taken to be where nobody says.
ASSUMED_WINDOW = 8_192


_MOST_KEPT_FOR_ANSWER = 4_096


@dataclass(frozen=True, slots=True)
class Budget:
    """The room there is, in tokens: the model's window without the room for the answer and a margin for errors in counting.

    ``error`` is the share by which estimates were wrong lately, if that is known. ``tools`` is what must be sent beside the
    messages: the schemas of tools, and of the answer.
    """

    context_window: int
    answer: int
    margin: int
    assumed: bool = False
    exact: bool = False
    error: float | None = None
    tools: int = 0

    @property
    def prompt(self) -> int:
        """The tokens that messages may take."""
        return self.context_window - self.answer - self.margin - self.tools


def budget_for(context_window: int | None, *, max_tokens: int | None, exact: bool, longest: int | None = None) -> Budget:
    """The budget for a model: ``context_window`` None is assumed small; a quarter (at most 4,096) is kept for the answer.

    The model's ``longest`` answer is never exceeded.

    Raises ContextTooLong if the answer alone, as long as ``max_tokens`` allows, fills the window.
    """
    size = ASSUMED_WINDOW if context_window is None else context_window
    answer = min(size // 4, longest or _MOST_KEPT_FOR_ANSWER, _MOST_KEPT_FOR_ANSWER) if max_tokens is None else max_tokens
    if context_window is None:
        # A guess must not refuse what was asked for.
        answer = min(answer, size // 2)
    # An exact count still leaves out what a chat template puts around the whole.
    margin = 16 if exact else size // 20
    if size <= answer + margin:
        raise ContextTooLong("the answer's limit (max_tokens)", tokens=answer, limit=size - margin)
    return Budget(size, answer, margin, assumed=context_window is None, exact=exact)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system prompt and its size; ``text`` may be empty."""

    text: str = ""
    tokens: int = 0


def check_part(part: object, share: object, model: object = None) -> None:
    """Raises ConfigError for a share or a model's name that cannot be."""
    check_number(part, "share", share, 0.001, 0.5)
    if model is not None and not isinstance(model, str):
        raise ConfigError(f"{part!r}: model must be a text like 'openai:gpt-5.4-mini'.")


def check_number(part: object, name: str, value: object, least: float, most: float) -> None:
    """Raises ConfigError for what is no number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConfigError(f"{part!r}: {name} must be a number from {least:g} to {most:g}.")
