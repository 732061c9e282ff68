import json

import pytest
from tests.doubles.loopback import Loopback, http, stream

from anaphora import AsyncChatbot
from anaphora.errors import ConfigError, MissingKey, ModelNotFound, UnreadableAnswer
from anaphora.providers.base import ModelRef, ProviderOptions
from anaphora.providers.http.service import open_provider

pytestmark = pytest.mark.anyio
MODELS = http(json.dumps({"data": [{"id": "llama-3.3-70b"}, {"id": "qwen-3-32b"}]}).encode())


async def test_an_unknown_model_suggests_the_nearest_the_service_has(loopback: Loopback):
    loopback.answer(http(b'{"error": {"message": "no such model"}}', status=404))
    loopback.about["/models"] = MODELS
    async with AsyncChatbot("openai-compatible:llama-3.3-7b", base_url=loopback.url) as bot:
        with pytest.raises(ModelNotFound, match=r"Did you mean llama-3\.3-70b"):
            await bot.say("hi")


async def test_if_the_service_lists_nothing_the_error_stands_alone(loopback: Loopback):
    loopback.answer(http(b'{"error": {"message": "no such model"}}', status=404))
    loopback.about["/models"] = http(b"<html>", status=200, kind="text/html")
    async with AsyncChatbot("openai-compatible:x", base_url=loopback.url) as bot:
        with pytest.raises(ModelNotFound, match="no model 'x'"):
            await bot.say("hi")


async def test_the_models_of_a_service_can_be_listed(loopback: Loopback):
    provider = open_provider(ModelRef("openai-compatible"), ProviderOptions(base_url=loopback.url))
    loopback.about["/models"] = MODELS
    assert await provider.models() == {"llama-3.3-70b": None, "qwen-3-32b": None}
    loopback.about["/models"] = http(b'{"models": []}')
    with pytest.raises(UnreadableAnswer):
        await provider.models()
    await provider.aclose()


async def test_the_services_own_name_for_the_longest_answer_is_used(loopback: Loopback):
    loopback.answer(stream("ok"))
    async with AsyncChatbot("openai:gpt-x", base_url=loopback.url, api_key="sk-1", max_tokens=7) as bot:
        await bot.say("hi")
    assert loopback.seen[0].json["max_completion_tokens"] == 7
    assert loopback.seen[0].json["model"] == "gpt-x"
    assert loopback.seen[0].headers["authorization"] == "Bearer sk-1"


async def test_deltas_that_arrive_in_one_read_are_delivered_together(loopback: Loopback):
    words = [f"word{number} " for number in range(500)]
    loopback.answer(stream(*words))
    async with AsyncChatbot("openai-compatible:m", base_url=loopback.url) as bot:
        texts = [text async for text in bot.stream("hi")]
    assert "".join(texts) == "".join(words)
    assert len(texts) < 100


async def test_a_client_outlives_its_event_loop(loopback: Loopback):
    # What a program does that calls asyncio.run twice with one bot is in test_http; here one bot serves one loop after another.
    for _ in range(2):
        loopback.answer(stream("ok"))
    bot = AsyncChatbot("openai-compatible:m", base_url=loopback.url)
    assert (await bot.say("one")).text == "ok"
    bot._bot.model.provider._http._loop = None  # type: ignore[attr-defined]
    assert (await bot.say("two")).text == "ok"
    await bot.aclose()


@pytest.mark.parametrize("key", ["sk-ä", "sk 1", "sk\n1"])
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(key: str):
    with pytest.raises(ConfigError, match="copy it again") as caught:
        open_provider(ModelRef("openai", "m"), ProviderOptions(api_key=key))
    assert key not in str(caught.value)


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROQ_API_KEY", "  ")
    with pytest.raises(MissingKey, match="GROQ_API_KEY"):
        open_provider(ModelRef("groq", "m"), ProviderOptions())


def test_the_key_is_read_from_its_variable_and_trimmed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROQ_API_KEY", " gsk_1\n")
    provider = open_provider(ModelRef("groq", "m"), ProviderOptions())
    assert provider._http._headers == {"authorization": "Bearer gsk_1"}
