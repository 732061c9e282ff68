"""Guards: functions that pass a text (None), change it (a text) or refuse it (a Refusal)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from anaphora.concurrency import is_cancelled, run_in_thread
from anaphora.errors import ConfigError, GuardFailed, error_text
from anaphora.values.message import repaired_text

Side = Literal["message", "answer", "result"]
Sees = Literal["sentence", "whole"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The text for the user in place of a refused message or answer."""

    text: str


Verdict = str | Refusal | None
Check = Callable[[str], Verdict | Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Guard:
    """A check, and the texts that it sees: the user's ``message``, the model's ``answer``, the ``result`` of a tool.

    It ``sees`` an answer sentence by sentence, each before the user does, or whole, at its end. A guard that ``hides`` checks a
    message before it is stored; other guards check the stored message.
    """

    check: Check
    on: frozenset[Side]
    sees: Sees = "whole"
    hides: bool = False

    @property
    def name(self) -> str:
        """The name of the check's function."""
        return getattr(self.check, "__name__", type(self.check).__name__)

    async def verdict(self, text: str) -> Verdict:
        """Gives the guard's verdict on a text. Raises GuardFailed if the check raises or gives a value of another type."""
        try:
            if inspect.iscoroutinefunction(self.check):
                said = await self.check(text)
            else:
                said = await run_in_thread(self.check, text, abandon=True)
                said = await said if inspect.isawaitable(said) else said
        except BaseException as error:
            if is_cancelled():
                raise
            raise GuardFailed(f"the guard {self.name} failed, so nothing was passed on: {error_text(error)}") from error
        if isinstance(said, str):
            return repaired_text(said)
        if isinstance(said, Refusal):
            return Refusal(repaired_text(said.text))
        if said is None:
            return said
        raise GuardFailed(f"the guard {self.name} must give None, a text or a Refusal, not {said!r}.")


def guard(
    *, on: Collection[Side] | Side = ("message", "answer"), sees: Sees = "whole", hides: bool = False
) -> Callable[[Check], Guard]:
    """Turns a function into a guard, as a decorator. Raises ConfigError."""
    sides = frozenset((on,) if isinstance(on, str) else on)
    if not sides or not sides <= set(get_args(Side)):
        raise ConfigError(f"a guard is on {', '.join(get_args(Side))}, not {on!r}.")
    if sees not in get_args(Sees):
        raise ConfigError(f"a guard sees an answer by sentence or whole, not {sees!r}.")
    return lambda check: Guard(check, sides, sees, hides)


def chosen_guards(guards: Iterable[Any]) -> tuple[Guard, ...]:
    """Gives guards; a plain function becomes a guard of message and answer. Raises ConfigError."""
    found: list[Guard] = []
    for one in guards:
        if not isinstance(one, Guard) and (not callable(one) or inspect.isclass(one)):
            raise ConfigError(f"a guard is a function or a Guard, not {one!r}.")
        found.append(one if isinstance(one, Guard) else guard()(one))
    return tuple(found)


async def guarded(guards: Sequence[Guard], side: Side, text: str) -> tuple[str, Refusal | None]:
    """Lets the guards of a side check a text in order, until one refuses it. Gives the text, and the refusal if there is one.

    Raises GuardFailed.
    """
    for one in guards:
        if side in one.on:
            verdict = await one.verdict(text)
            if isinstance(verdict, Refusal):
                return text, verdict
            text = text if verdict is None else verdict
    return text, None
