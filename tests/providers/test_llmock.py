"""Seven services as an independent project plays them, with its verdict on how their faults are taken.

What is buffered is tried again where that may help, and the verdict must be clean. What was displayed must not be tried again,
which that judge cannot see: there the error and the words that are kept are what counts.
"""

from collections.abc import Iterator

import pytest

from anaphora import AsyncChatbot, Retries
from anaphora.chat.options import ChatbotOptions
from anaphora.errors import ProviderError, StreamInterrupted
from anaphora.providers.base import Deadlines

pytest.importorskip("llmock", reason="needs the extra dev")

from llmock.pytest_plugin import LLMock
from llmock.testing import LLMockServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.anyio,
    # The server's framework and its own sockets, not ours.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
PATHS = {
    "openai": "/v1",
    "anthropic": "/anthropic/v1",
    "gemini": "/gemini/v1beta",
    "groq": "/groq/openai/v1",
    "together": "/together/v1",
    "mistral": "/mistral/v1",
    "xai": "/xai/v1",
}
# Where the service goes silent on purpose; elsewhere a busy machine may take its time.
IMPATIENT = Deadlines(between_chunks=0.3)


@pytest.fixture(scope="module")
def server() -> Iterator[LLMockServer]:
    with LLMockServer() as running:
        yield running


@pytest.fixture
def judge(server: LLMockServer) -> LLMock:
    return LLMock(server).reset()


@pytest.fixture(params=PATHS)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def bot(request: pytest.FixtureRequest, service: str, server: LLMockServer) -> AsyncChatbot:
    url = server.url + PATHS[service]
    stalls = "stall" in request.node.callspec.params.values()
    return AsyncChatbot(
        f"{service}:m",
        base_url=url,
        api_key="k",
        context_window=8_000,
        deadlines=IMPATIENT if stalls else None,
        retries=Retries(first_delay=0.1),
    )


async def test_an_answer_comes(bot: AsyncChatbot, judge: LLMock):
    judge.reply("Paris.")
    async with bot:
        answer = await bot.say("What is the capital of France?")
    assert answer.text == "Paris."
    assert answer.usage is not None
    assert answer.finish == "stop"
    judge.assert_resilient(strict=True)


@pytest.mark.parametrize("fault", ["rate_limit", "outage", "disconnect", "truncate", "corrupt"])
async def test_a_buffered_answer_outlives_every_passing_fault(bot: AsyncChatbot, judge: LLMock, fault: str):
    match fault:
        case "rate_limit":
            judge.rate_limit(times=1, retry_after=0.1)
        case "outage":
            judge.fail(503, times=1)
        case "disconnect":
            judge.disconnect(after_chunks=2)
        case "truncate":
            judge.truncate(after_chunks=2)
        case "corrupt":
            judge.corrupt(after_chunks=2)
    async with bot:
        assert (await bot.say("What is the capital of France?")).text
        assert len(await bot.history()) == 2
    judge.assert_resilient()


@pytest.mark.parametrize("fault", ["disconnect", "truncate", "corrupt", "stall"])
async def test_a_displayed_answer_that_broke_is_kept_and_never_taken_for_whole(bot: AsyncChatbot, judge: LLMock, fault: str):
    if fault == "stall":
        judge.stall(after_chunks=4, seconds=0.6)
    else:
        getattr(judge, fault)(after_chunks=4)
    shown = ""
    async with bot:
        reply = bot.stream("What is the capital of France?")
        with pytest.raises(StreamInterrupted):  # noqa: PT012 -- what is shown until then
            async for text in reply:
                shown += text
        asked = await bot.unanswered()
        assert asked is not None
        (kept,) = await bot._bot.store.children(bot._open.scope, asked.id)
    assert shown
    assert (kept.status, kept.text) == ("interrupted", shown)
    assert len(judge.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_what_is_the_users_to_mend_is_not_asked_again(bot: AsyncChatbot, judge: LLMock, status: int):
    judge.fail(status, times=None)
    async with bot:
        with pytest.raises(ProviderError) as caught:
            await bot.say("What is the capital of France?")
    assert caught.value.status == status
    judge.assert_resilient()


@pytest.mark.parametrize("fault", [None, "malformed_arguments", "unknown_tool"])
async def test_a_tool_is_called_also_where_the_model_calls_it_wrongly_first(
    server: LLMockServer, judge: LLMock, service: str, fault: str | None
):
    def look(at: str) -> str:
        """Look at something."""
        return f"seen: {at}"

    if fault is not None:
        judge.break_tool_call(fault)
        judge.call_tool("look", {"at": "map"})
    judge.call_tool("look", {"at": "map"})
    judge.reply("It is a map.")
    options = ChatbotOptions(tools=[look], base_url=server.url + PATHS[service], api_key="k", context_window=8_000)
    async with AsyncChatbot(f"{service}:m", **options) as chatbot:
        answer = await chatbot.say("What is there?")
    assert answer.text == "It is a map."
    results = [result for step in answer.steps for result in step.tool_results]
    assert [result.failed for result in results] == ([True, False] if fault else [False])
    assert results[-1].text == "seen: map"
    judge.assert_resilient(strict=True)
