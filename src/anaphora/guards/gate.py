"""Guards on a streaming answer. Each guard holds unchecked text back and sees the same texts, however the stream is split."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from anaphora.guards.base import Guard, Refusal
from anaphora.values.events import Ended, ProviderEvent, Refused, TextDelta
from anaphora.values.message import Usage

# A sentence or a line has ended once more text follows. Possessive, so that the result does not depend on the stream's pieces.
_END = re.compile(r"""(?:[.!?…]++["'”’)\]]*+\s++|[。！？]++["'”’」』）]*+\s*+|[^\S\n]*+\n\s*+)(?=\S)""")


class AnswerRefused(Exception):
    """The error of a guard that refuses the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class Gate:
    """All guards of an answer, in order. ``passed``: the text that the last ``feed`` or ``end`` let through all of them."""

    def __init__(self, guards: Sequence[Guard]) -> None:
        self._guards = [one for one in guards if "answer" in one.on]
        self._held = ["" for _ in self._guards]
        self.passed = ""

    def __bool__(self) -> bool:
        return bool(self._guards)

    async def feed(self, text: str) -> None:
        """Checks more of the answer. Raises AnswerRefused and GuardFailed."""
        self.passed = ""
        await self._through(0, text)

    async def end(self) -> None:
        """Checks the held text at the end of the answer. Raises AnswerRefused and GuardFailed."""
        self.passed = ""
        for place, one in enumerate(self._guards):
            rest, self._held[place] = self._held[place], ""
            if rest:
                await self._through(place + 1, await _checked(one, rest))

    async def _through(self, place: int, text: str) -> None:
        """Gives a text to the guard at a place, and its checked text to the next guard."""
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
    """Yields the events of an answer that the guards pass; after a refusal, the refusal and the end. Raises GuardFailed."""
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
