"""Tokens counted as OpenAI counts them."""

import pytest
from tests.doubles.loopback import Loopback, stream

from anaphora import AsyncChatbot
from anaphora.providers.models.openai_tokens import encoding_of, exact_counter
from anaphora.values.message import Image, Message, Text, ToolCall, text_message

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-5.4-mini", "o200k_base"),
        ("gpt-4o", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("llama-3.3-70b", None),
        ("gpt-oss-120b", None),
    ],
)
def test_every_model_has_its_vocabulary(model: str, encoding: str | None):
    assert encoding_of(model) == encoding


async def test_messages_are_counted_exactly():
    # "hello world" has two tokens in both vocabularies (tiktoken's own documentation), and a message four around it.
    for model in ("gpt-4o", "gpt-4"):
        count = await exact_counter(model)
        assert count is not None
        assert await count(text_message("user", "hello world")) == 6
        assert await count(text_message("user", "<|endoftext|>")) > 6
        assert await count(Message("user", (Text("hello world"), Image(b"", "image/png")))) == 1_006
        assert await count(Message("assistant", (ToolCall("a", "look", "{}"),))) > 8
    assert await exact_counter("llama") is None


async def test_a_conversation_with_openai_is_counted_exactly_and_with_others_as_well_as_is_known(loopback: Loopback):
    long = "All work and no play makes Jack a dull boy. " * 20
    for model, is_exact in (("openai:gpt-5.4-mini", True), ("groq:openai/gpt-oss-120b", False)):
        loopback.answer(stream("ok"))
        async with AsyncChatbot(model, base_url=loopback.url, api_key="k") as bot:
            report = (await bot.say(long)).context
            assert report is not None
            assert report.exact is is_exact
            assert "off by" not in str(report)
            later = (await bot.context()).report
            assert ("estimates were off by" in str(later)) is not is_exact
