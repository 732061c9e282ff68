"""A run as HTML that grows: finished blocks once, and the last one as often as it changes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from html import escape
from typing import Any

from anaphora.errors import AnaphoraError
from anaphora.server.error_bodies import api_error
from anaphora.server.event_log import RunClosed, RunEvent
from anaphora.server.run_keeper import RunKeeper
from anaphora.server.web.markdown import block_html
from anaphora.values.events import (
    ConfirmationRequested,
    Refused,
    Retrying,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolEnded,
    ToolStarted,
    Warned,
)
from anaphora.values.markdown_blocks import markdown_blocks


class PageFold:
    """Turns the events of a run into the steps that the page shows."""

    def __init__(self) -> None:
        self._tail = ""
        self._done = 0
        self._thinking = ""
        self._calls: dict[int, str] = {}

    def feed(self, events: list[RunEvent]) -> list[dict[str, Any]]:  # noqa: C901 -- a case for each kind
        """Takes events that came together, and gives what the page is to show."""
        told: list[dict[str, Any]] = []
        for event in events:
            match event:
                case TextDelta(text) | Refused(text):
                    self._tail += text
                case ThinkingDelta(text, _):
                    self._thinking += text
                    told.append({"kind": "thinking", "text": text})
                case ToolCallDelta(index, _, name, _) if name:
                    self._calls[index] = name
                    told.append({"kind": "tool", "name": name})
                case ToolStarted(call):
                    told.append({"kind": "tool", "name": call.name, "arguments": call.arguments})
                case ToolEnded(result):
                    told += self._break()
                    told.append({"kind": "result", "name": result.name, "text": result.text[:2_000], "failed": result.failed})
                case ConfirmationRequested(call):
                    told.append({"kind": "confirm", "call": call.id, "name": call.name, "arguments": call.arguments})
                case Warned(text):
                    told.append({"kind": "warning", "text": text})
                case Retrying():
                    told.append({"kind": "warning", "text": f"trying again: {event.error}"})
                case RunClosed(status, error):
                    told += [*self._grown(), *self._break()]
                    told.append({"kind": "end", "status": status, "error": None if error is None else error.get("message")})
                case _:
                    continue
        return [*self._grown(), *told] if told and told[-1]["kind"] != "end" else told or self._grown()

    def _grown(self) -> list[dict[str, Any]]:
        """Gives the blocks that are finished now, and the one that still grows."""
        if not self._tail:
            return []
        *done, tail = markdown_blocks(self._tail) or [self._tail]
        told = [self._block(block) for block in done]
        self._tail = tail
        return [*told, {"kind": "tail", "html": block_html(tail)}]

    def _break(self) -> list[dict[str, Any]]:
        """Ends the block that still grows."""
        tail, self._tail = self._tail, ""
        return [self._block(tail), {"kind": "tail", "html": ""}] if tail.strip() else []

    def _block(self, block: str) -> dict[str, Any]:
        self._done += 1
        return {"kind": "block", "number": self._done, "html": block_html(block)}


async def page_stream(keeper: RunKeeper, owner: str, run_id: str) -> AsyncGenerator[bytes, None]:
    """Yields what the page shows of a run, from its start to its end."""
    fold = PageFold()
    try:
        async with aclosing(keeper.follow(owner, run_id)) as batches:
            async for batch in batches:
                told = fold.feed([event for _, event in batch])
                if told:
                    yield b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in told)
    except AnaphoraError as error:
        told_error = {"kind": "end", "status": "failed", "error": escape(str(api_error(error)))}
        yield b"data: %b\n\n" % json.dumps(told_error).encode()
