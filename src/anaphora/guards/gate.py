"""Guards on an answer while it streams: each holds back what it has not seen, and sees the same however the text is split."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from anaphora.guards.base import Guard, Refusal
from anaphora.values.events import Ended, ProviderEvent, Refused, TextDelta
from anaphora.values.message import Usage

# The end of a sentence or a line is known once something follows it; possessive, so that it never depends on what came when.
_END = re.compile(r"""(?:[.!?…]++["'”’)\]]*+\s++|[。！？]++["'”’」』）]*+\s*+|[^\S\n]*+\n\s*+)(?=\S)""")


class AnswerRefused(Exception):
    """A guard refused the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class Gate:
    """All guards of an answer, one behind the other. ``passed`` is what all of them let through of what came last."""

    def __init__(self, guards: Sequence[Guard]) -> None:
        self._guards = [one for one in guards if "answer" in one.on]
        self._held = ["" for _ in self._guards]
        self.passed = ""

    def __bool__(self) -> bool:
        return bool(self._guards)

    async def feed(self, text: str) -> None:
        """More of the answer. Raises AnswerRefused and GuardFailed."""
        self.passed = ""
        await self._through(0, text)

    async def end(self) -> None:
        """The answer has ended: what was still held is looked at. Raises AnswerRefused and GuardFailed."""
        self.passed = ""
        for place, one in enumerate(self._guards):
            rest, self._held[place] = self._held[place], ""
            if rest:
                await self._through(place + 1, await _checked(one, rest))

    async def _through(self, place: int, text: str) -> None:
        """Pass a text on to the guard at a place, and what that lets go to the next."""
        if place == len(self._guards):
            self.passed += text
            return
        self._held[place] += text
        one = self._guards[place]
        while one.sees == "sentence" and (found := _END.search(self._held[place])):
            sentence = self._held[place][: found.end()]
            self._held[place] = self._held[place][found.end() :]
            await self._through(place + 1, await _checked(one, sentence))


async def _checked(one: Guard, text: str) -> str:
    verdict = await one.verdict(text)
    if isinstance(verdict, Refusal):
        raise AnswerRefused(verdict)
    return text if verdict is None else verdict


async def guarded_events(
    events: AsyncIterator[ProviderEvent], guards: Sequence[Guard]
) -> AsyncGenerator[ProviderEvent | Refused, None]:
    """Passes on what the guards let through of an answer; after a refusal, the refusal and the end. Raises GuardFailed."""
    gate = Gate(guards)
    usage: Usage | None = None
    try:
        async for event in events:
            if not gate or not isinstance(event, TextDelta | Ended):
                yield event
                continue
            usage = event.usage if isinstance(event, Ended) else None
            await (gate.end() if isinstance(event, Ended) else gate.feed(event.text))
            if gate.passed:
                yield TextDelta(gate.passed)
            if isinstance(event, Ended):
                yield event
    except AnswerRefused as refused:
        if gate.passed:
            yield TextDelta(gate.passed)
        yield Refused(refused.refusal.text)
        yield Ended("content_filter", usage)
