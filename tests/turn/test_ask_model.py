"""One answer in the making: another model where one fails, prompts that were cut off in silence, caches that were lost."""

import socket
from pathlib import Path

import pytest
from tests.doubles.dialects import ANSWERS, streamed
from tests.doubles.loopback import Loopback, delta, head, http

from anaphora import AsyncChatbot, Image
from anaphora.errors import AuthenticationFailed, ConnectionFailed, ServerFailed, StreamInterrupted, UnknownModel
from anaphora.providers.base import ModelInfo, Provider
from anaphora.providers.http.service import Service
from anaphora.providers.registry import parse_models
from anaphora.providers.retry import Retries
from anaphora.providers.scripted import ScriptedProvider
from anaphora.values.events import Ended, TextDelta, Warned
from anaphora.values.message import Usage

pytestmark = pytest.mark.anyio
TINY_GIF = bytes.fromhex("47494638396101000100800000ff00000000002c00000000010001000002024401003b")


def script(tmp_path: Path, name: str, *lines: str) -> str:
    path = tmp_path / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return f"scripted:{path}"


async def test_the_next_model_is_asked_where_one_fails_and_the_answer_says_who_gave_it(tmp_path: Path):
    models = f"{script(tmp_path, 'a', 'error: server_failed')},{script(tmp_path, 'b', 'text: from b')}"
    async with AsyncChatbot(models, retries=Retries(attempts=0)) as bot:
        answer = await bot.say("hi")
        (entry,) = [entry for entry in await bot.history() if entry.role == "assistant"]
    assert answer.text == "from b"
    assert entry.model.endswith("b")
    assert "is asked instead" in answer.warnings[0]
    assert "server_failed" not in answer.warnings[0]


async def test_the_last_models_error_is_raised_and_nothing_is_lost(tmp_path: Path):
    models = ",".join(script(tmp_path, name, "error: server_failed") for name in "abc")
    async with AsyncChatbot(models, retries=Retries(attempts=0)) as bot:
        with pytest.raises(ServerFailed):
            await bot.say("hi")
        asked = await bot.unanswered()
    assert asked is not None
    assert asked.text == "hi"


async def test_the_users_own_mistakes_are_not_passed_on(tmp_path: Path):
    models = f"{script(tmp_path, 'a', 'error: authentication_failed')},{script(tmp_path, 'b', 'text: from b')}"
    async with AsyncChatbot(models) as bot:
        with pytest.raises(AuthenticationFailed):
            await bot.say("hi")


async def test_once_a_word_was_shown_no_other_model_goes_on(loopback: Loopback, tmp_path: Path):
    loopback.answer(head() + delta("Once upon"))
    models = f"openai-compatible:m,{script(tmp_path, 'b', 'text: from b')}"
    async with AsyncChatbot(models, base_url=loopback.url, retries=Retries(attempts=0)) as bot:
        reply = bot.stream("hi")
        assert await anext(reply.text) == "Once upon"
        with pytest.raises(StreamInterrupted):
            await reply.answer()


async def test_each_of_the_others_is_tried_once(loopback: Loopback, tmp_path: Path):
    loopback.answer(http(b"{}", status=500))
    models = f"{script(tmp_path, 'a', 'error: server_failed')},openai-compatible:m"
    bot = AsyncChatbot(models, base_url=loopback.url, retries=Retries(attempts=0))
    with pytest.raises(ServerFailed):
        await bot.say("hi")
    assert len(loopback.seen) == 1
    await bot.aclose()


def test_models_with_commas_between_them_are_taken_apart():
    assert [str(ref) for ref in parse_models("groq:a, openai:b,local")] == ["groq:a", "openai:b", "local"]
    assert [str(ref) for ref in parse_models("local:/a,b/c.gguf")] == ["local:/a,b/c.gguf"]
    for misspelled in ("gorq:a,local", "local,gorq:a"):
        with pytest.raises(UnknownModel, match="groq:a"):
            parse_models(misspelled)


async def test_a_prompt_that_was_cut_off_in_silence_is_noticed_and_teaches_nothing():
    long = "All work and no play makes Jack a dull boy. " * 100
    provider = ScriptedProvider([TextDelta("ok"), Ended("stop", Usage(200, 0, 1), "m")])
    async with AsyncChatbot(provider) as bot:
        events = [event async for event in bot.stream(long).events]
        (warned,) = [event.text for event in events if isinstance(event, Warned)]
        assert "read 200 tokens of about 1" in warned
        assert "context_window" in warned
        assert bot._bot.model.estimate.samples == 0


async def test_what_was_learned_of_a_models_tokens_is_known_to_the_next_program(tmp_path: Path):
    long = "All work and no play makes Jack a dull boy. " * 20
    provider: Provider = ScriptedProvider([TextDelta("ok"), Ended("stop", Usage(300, 0, 1), "m")])
    async with AsyncChatbot(provider, store=tmp_path / "chats.db") as bot:
        await bot.say(long)
        learned = bot._bot.model.estimate
    assert learned.samples == 1
    assert learned.error > 0
    async with AsyncChatbot(ScriptedProvider("ok"), store=tmp_path / "chats.db") as bot:
        await bot.say("hi")
        assert bot._bot.model.estimate.bytes_per_token == learned.bytes_per_token


async def test_why_the_cache_was_missed_is_told():
    def cached(tokens: int) -> list[TextDelta | Ended]:
        return [TextDelta("ok"), Ended("stop", Usage(1_000, tokens, 1), "m")]

    async with AsyncChatbot(ScriptedProvider(cached(0), cached(900), cached(950), cached(0), cached(10))) as bot:
        losses = [(await bot.say(text)).cache_loss for text in "abc"]
        await bot.use(system="Another one.")
        losses += [(await bot.say("d")).cache_loss, (await bot.say("e")).cache_loss]
    assert losses == ["", "", "", "the system prompt changed", ""]


async def test_one_conversation_goes_on_through_all_dialects(loopback: Loopback, tmp_path: Path):
    store = tmp_path / "chats.db"
    answers = dict(zip(ANSWERS, ("one", "two", "three", "four"), strict=True))
    loopback.about["/api/show"] = http(b"{}", status=404)
    conversation = ""
    for provider in [*answers, *answers]:
        loopback.answer(streamed(provider, answers[provider]))
        async with AsyncChatbot(f"{provider}:m", base_url=loopback.url, api_key="sk-1", store=store, context_window=8_000) as bot:
            chat = bot.conversation(conversation or "trip")
            conversation = chat.id
            await chat.say(f"to {provider}")
            history = await chat.history()
    said = [entry.text for entry in history]
    assert said[1::2] == ["one", "two", "three", "four"] * 2
    assert history[3].message.thinking == "hm"
    for seen, provider in zip(loopback.seen, [*answers, *answers], strict=True):
        assert ("sig" in seen.body.decode()) == (provider == "anthropic" and seen is not loopback.seen[1])
    last = loopback.seen[-1].json["messages"]
    assert [message["content"] for message in last if message["role"] != "system"] == said[:-1]


async def test_a_key_an_address_and_a_window_go_to_the_first_of_several_services_only(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-own")
    options = {"base_url": loopback.url, "api_key": "gsk-canary", "context_window": 5_000}
    async with AsyncChatbot("groq:a,openai:gpt-5.4-mini,groq:b", **options) as bot:  # type: ignore[arg-type]
        second, third = bot._bot.models[1:]
        assert isinstance(second.provider, Service)
        assert isinstance(third.provider, Service)
        assert (second.provider.base_url, second.provider._key) == ("https://api.openai.com/v1", "sk-own")
        assert (third.provider.base_url, third.provider._key) == (loopback.url, "gsk-canary")
        assert (await second.budget(None)).context_window == 272_000
        assert (await third.budget(None)).context_window == 5_000


async def test_a_model_that_cannot_answer_this_is_passed_over(tmp_path: Path):
    failing, good = script(tmp_path, "a", "error: server_failed"), script(tmp_path, "b", "text: from b")
    models = f"{failing},groq:openai/gpt-oss-120b,{good}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROQ_API_KEY", "k")
        async with AsyncChatbot(models, retries=Retries(attempts=0)) as bot:
            # The second is known to be blind.
            answer = await bot.say("What is this?", images=[Image(TINY_GIF, "image/gif")])
    assert answer.text == "from b"


async def test_a_picture_teaches_nothing_about_words():
    provider = ScriptedProvider([TextDelta("ok"), Ended("stop", Usage(1_700, 0, 1), "m")])
    async with AsyncChatbot(provider) as bot:
        answer = await bot.say("word " * 60, images=[Image(TINY_GIF, "image/gif")])
        assert answer.warnings == ()
        assert bot._bot.model.estimate.samples == 0


async def test_a_server_that_was_away_is_asked_again_for_the_window(loopback: Loopback):
    port = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{port.getsockname()[1]}/v1"
    port.close()
    bot = AsyncChatbot("ollama:m", base_url=url)
    assert (await bot.prepare()).context_window is None
    loopback.about["/api/show"] = http(b'{"model_info": {"llama.context_length": 4096}}')
    provider = bot._bot.model.provider
    assert isinstance(provider, Service)
    provider._http._base_url = loopback.url.removesuffix("/v1")
    assert (await bot.prepare()).context_window == 4_096
    await bot.aclose()


class Away(ScriptedProvider):
    """Cannot even be prepared."""

    name = "away"

    async def prepare(self, model: str, /) -> ModelInfo:
        raise ConnectionFailed("away: cannot connect.", provider="away")


async def test_after_another_model_answered_the_next_message_is_answered_too(tmp_path: Path):
    models = f"{script(tmp_path, 'a', 'text: never')},scripted:"
    async with AsyncChatbot(models, titles=True, retries=Retries(attempts=0)) as bot:
        bot._bot.model.provider = Away()
        # The first one's title is still being waited for when the second is said.
        assert (await bot.say("one")).text == "You said: one"
        assert (await bot.say("two")).text == "You said: two"
        assert len(await bot.history()) == 4


async def test_a_server_that_is_away_is_asked_for_its_window_once_a_turn(tmp_path: Path):
    class Counted(ScriptedProvider):
        prepared = 0

        async def prepare(self, model: str, /) -> ModelInfo:
            self.prepared += 1
            return await super().prepare(model)

    provider = Counted("one", "two", context_window=None)
    async with AsyncChatbot(provider) as bot:
        await bot.say("a")
        await bot.wait_for_background()
        first = provider.prepared
        await bot.say("b")
        await bot.wait_for_background()
    assert provider.prepared - first == 1
