"""Errors of user code reach the caller or the model; they never end the library."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from anaphora import AsyncChatbot, Chatbot, ScriptedProvider
from anaphora.concurrency import Steps
from anaphora.errors import AnaphoraError
from anaphora.providers.scripted import Step
from anaphora.sync.portal import Portal
from anaphora.tools import run
from anaphora.values.events import Ended, ToolCallDelta
from anaphora.values.message import ToolCall

KINDS = [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, SystemExit, StopIteration, MemoryError]
CALL: list[Step] = [ToolCallDelta(0, "call_x1", "act", "{}"), Ended("tool_calls")]
every_kind = pytest.mark.parametrize("kind", KINDS)


def raising(kind: type[BaseException]) -> Callable[..., Any]:
    def act() -> str:
        """Act."""
        raise kind("boom")

    return act


def raising_later(kind: type[BaseException]) -> Callable[..., Any]:
    async def act() -> str:
        """Act."""
        raise kind("boom")

    return act


def still_works() -> None:
    with Chatbot(ScriptedProvider("well")) as other:
        assert other.say("Are you there?").text == "well"


@every_kind
@pytest.mark.parametrize("make", [raising, raising_later])
def test_what_a_tool_raises_reaches_the_model(kind: type[BaseException], make: Callable[..., Any]):
    provider = ScriptedProvider(CALL, "It failed.")
    with Chatbot(provider, tools=[make(kind)]) as bot:
        answer = bot.say("Act!")
    assert answer.text == "It failed."
    (result,) = provider.requests[-1].messages[-1].tool_results
    assert result.failed
    assert "boom" in result.text or "StopIteration" in result.text
    still_works()


@every_kind
def test_what_confirm_raises_reaches_the_model(kind: type[BaseException]):
    from anaphora.tools import tool

    def confirm(call: ToolCall) -> bool:
        raise kind(call.name)

    provider = ScriptedProvider(CALL, "It failed.")
    with Chatbot(provider, tools=[tool(acting=True)(raising(kind))], confirm=confirm) as bot:
        assert bot.say("Act!").text == "It failed."
    still_works()


@every_kind
def test_what_a_guard_raises_reaches_the_caller(kind: type[BaseException]):
    def check(text: str) -> None:
        raise kind(text)

    with Chatbot(ScriptedProvider("words"), guards=[check]) as bot, pytest.raises(AnaphoraError, match="the guard check failed"):
        bot.say("hi")
    still_works()


@every_kind
def test_what_a_hook_raises_reaches_the_caller(kind: type[BaseException]):
    def before_call(request: Any) -> None:
        raise kind("boom")

    with Chatbot(ScriptedProvider("words", "well"), before_call=before_call) as bot:
        with pytest.raises((kind, RuntimeError)):
            bot.say("hi")
        assert bot.history() == ()
    still_works()


@every_kind
def test_what_a_provider_raises_reaches_the_caller(kind: type[BaseException]):
    with Chatbot(ScriptedProvider([kind("boom")], "well")) as bot:
        with pytest.raises((kind, AnaphoraError)):
            bot.say("hi")
        assert bot.say("again").text == "well"
    still_works()


def test_a_dead_portal_is_replaced():
    portal = Portal()

    async def one() -> int:
        return 1

    assert portal.call(one) == 1
    first = portal._open()
    first.call(first.stop)
    assert portal._running is not None
    portal._running.join(5)
    assert portal.call(one) == 1


@pytest.mark.anyio
async def test_a_tool_that_holds_up_the_event_loop_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr(run, "BLOCKED_SECONDS", 0.005)

    async def act() -> str:
        """Act."""
        end = time.monotonic() + 0.01
        while time.monotonic() < end:
            pass
        return "done"

    async with AsyncChatbot(ScriptedProvider(CALL, "ok"), tools=[act]) as bot:
        answer = await bot.say("Act!")
    assert any(warning.startswith("the tool act held up all other conversations for 0.0 seconds") for warning in answer.warnings)
    assert "the tool act held up" in caplog.text


@pytest.mark.anyio
async def test_a_plain_function_may_block_its_own_thread(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(run, "BLOCKED_SECONDS", 0.05)
    entered = threading.Event()

    def act() -> str:
        """Act."""
        entered.wait(0.1)
        return "done"

    async with AsyncChatbot(ScriptedProvider(CALL, "ok"), tools=[act]) as bot:
        assert (await bot.say("Act!")).warnings == ()


@pytest.mark.anyio
async def test_measured_steps_pass_on_results_and_errors():
    async def work(*, fails: bool) -> str:
        import anyio

        await anyio.lowlevel.checkpoint()
        if fails:
            raise ValueError("no")
        return "yes"

    assert await Steps(work(fails=False)) == "yes"
    with pytest.raises(ValueError, match="no"):
        await Steps(work(fails=True))
