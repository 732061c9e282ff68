"""Runs the tools that a message calls: all at once, each within its limits. A failure becomes a result."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import anyio

from anaphora.concurrency import Steps, is_cancelled, run_in_thread
from anaphora.errors import error_text
from anaphora.schema.strict import without_nulls
from anaphora.tools.base import BadCall, Caller, Confirm, Tool, ToolFailed
from anaphora.values.message import ToolCall, ToolResult, repaired_text

# Stored before a tool runs: the model gets this result if the program dies meanwhile.
UNFINISHED = "(no result: it was started, but the program ended before it did. It may or may not have done its work.)"
STOPPED = "(no result: the user stopped it. It may or may not have done its work.)"
REFUSED = "(not run: the user said no.)"
NOBODY_TO_ASK = "(not run: it acts in the world, and there is nobody who could allow it.)"
MOST_OF_AN_ERROR = 2_000
# Guards see no more of a result, in characters.
MOST_OF_A_RESULT = 2_000_000
# An asynchronous function that holds up the event loop for longer is reported.
BLOCKED_SECONDS = 1.0


def _ignored(*_: object) -> None:
    """Takes a report that nobody reads."""


@dataclass(frozen=True, slots=True)
class ToolHooks:
    """The functions to which a run of tools reports.

    ``changed`` is awaited when there are new results to store. ``started`` and ``ended`` report one call; ``blocked`` reports one
    whose function held up the event loop, and for how many seconds. ``checked`` gives the text of a result after the guards.
    """

    changed: Callable[[Sequence[ToolResult]], Awaitable[None]]
    started: Callable[[ToolCall], None]
    ended: Callable[[ToolResult], None]
    checked: Callable[[str], Awaitable[str]]
    blocked: Callable[[ToolCall, float], None] = _ignored


class ToolRun:
    """The run of a message's tool calls, with their results. With a ``refusal`` none is run, and the model is told why.

    An error of our own does not disturb the other calls: it is raised when all have ended.
    """

    def __init__(
        self,
        calls: Sequence[ToolCall],
        tools: Mapping[str, Tool],
        caller: Caller,
        confirm: Confirm | None,
        hooks: ToolHooks,
        *,
        refusal: str = "",
    ) -> None:
        self.bad = 0
        self.stopped = False
        self._calls = calls
        self._tools = tools
        self._caller = caller
        self._confirm = confirm
        self._hooks = hooks
        self._refusal = refusal
        self._results: dict[str, ToolResult] = {}
        self._failure: BaseException | None = None
        self._confirming = anyio.Lock()

    @property
    def results(self) -> tuple[ToolResult, ...]:
        """The results so far, in the order of the calls."""
        return tuple(self._results[call.id] for call in self._calls if call.id in self._results)

    async def run(self) -> None:
        """Runs all calls. A cancelled call gets the result STOPPED."""
        try:
            async with anyio.create_task_group() as group:
                for call in self._calls:
                    group.start_soon(self._one, call)
        except anyio.get_cancelled_exc_class():
            self.stopped = True
            for call in self._calls:
                found = self._results.get(call.id)
                if found is not None and found.text == UNFINISHED:
                    self._results[call.id] = replace(found, text=STOPPED)
            raise
        if self._failure is not None:
            raise self._failure

    async def _one(self, call: ToolCall) -> None:
        try:
            await self._called(call)
        except BaseException as error:
            if is_cancelled():
                raise
            # The others go on; it is raised when all have ended.
            self._failure = self._failure or error

    async def _called(self, call: ToolCall) -> None:
        tool = self._tools.get(call.name)
        try:
            if self._refusal:
                raise BadCall(self._refusal)
            if tool is None:
                raise BadCall(self._unknown(call.name))
            arguments = without_nulls(_arguments(call), tool.parameters)
            if tool.acting and not await self._is_allowed(call):
                return await self._end(call, NOBODY_TO_ASK if self._confirm is None else REFUSED, failed=True)
            self._results[call.id] = ToolResult(call.id, UNFINISHED, call.name, failed=True)
            await self._hooks.changed(self.results)
            self._hooks.started(call)
            with anyio.fail_after(tool.seconds) as limit:
                steps = Steps(tool.run(arguments, self._caller))
                text = str(await steps)
            if steps.longest > BLOCKED_SECONDS:
                self._hooks.blocked(call, steps.longest)
        except ToolFailed as error:
            self.bad += isinstance(error, BadCall)
            await self._end(call, f"Error: {error}", failed=True)
        except TimeoutError as error:
            ran_out = tool is not None and limit.cancelled_caught
            reason = f"it took longer than {tool.seconds:g} seconds" if tool and ran_out else error
            await self._end(call, f"Error: {reason}", failed=True)
        except BaseException as error:
            if is_cancelled():
                raise
            # A user's function may raise anything.
            await self._end(call, f"Error: {error_text(error)}", failed=True)
        else:
            await self._end(call, text, failed=False, most=tool.most)

    async def _end(self, call: ToolCall, text: str, *, failed: bool, most: int | None = None) -> None:
        # Guards see the whole text before it is cut: they cannot recognise half a secret.
        text = shortened(text, max(most or 0, MOST_OF_A_RESULT))
        text = shortened(await self._hooks.checked(repaired_text(text)), most or MOST_OF_AN_ERROR)
        result = ToolResult(call.id, text, call.name, failed)
        self._results[call.id] = result
        await self._hooks.changed(self.results)
        self._hooks.ended(result)

    async def _is_allowed(self, call: ToolCall) -> bool:
        if self._confirm is None:
            return False
        # One question at a time, since a person answers it.
        async with self._confirming:
            if inspect.iscoroutinefunction(self._confirm):
                return bool(await self._confirm(call))
            answer = await run_in_thread(self._confirm, call, abandon=True)
            return bool(await answer if inspect.isawaitable(answer) else answer)

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name, self._tools, n=1)
        return f"there is no tool {name!r}. " + (f"Did you mean {near[0]}?" if near else f"There are: {', '.join(self._tools)}.")


def shortened(text: str, most: int) -> str:
    """Gives the text with its middle left out, if it has more than ``most`` characters."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    return f"{text[:head]}\n… ({len(text) - most} characters left out) …\n{text[len(text) - (most - head) :]}"


def _arguments(call: ToolCall) -> dict[str, object]:
    try:
        value = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else "it is nested too deeply, or has a number too long"
        raise BadCall(f"the arguments are not valid JSON: {reason}") from None
    if not isinstance(value, dict):
        raise BadCall("the arguments must be a JSON object.")
    return value
