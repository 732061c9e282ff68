"""The real model inside the process. Its weights are fetched once into the cache of whoever runs the tests."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from anaphora import AsyncChatbot, Chatbot
from anaphora.errors import LocalModelError, ProviderError
from anaphora.providers.base import ModelRef, ProviderOptions
from anaphora.providers.local.provider import DEFAULT_SAMPLING, DEFAULT_SYSTEM, LocalProvider, _default_options, open_provider
from anaphora.providers.local.weights import fetch_weights
from anaphora.values.events import Finished
from anaphora.values.message import Message, Options, text_message

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def weights() -> Path:
    return fetch_weights()


def test_it_answers_and_remembers(weights: Path):
    with Chatbot("local") as bot:
        assert "Paris" in bot.conversation("France").say("What is the capital of France?").text
        assert "Rome" in bot.say("What is the capital of Italy?").text
        # Only who remembers what "it" is can answer.
        assert "Rome" in bot.say("What is it famous for?").text


@pytest.mark.slow
def test_the_same_engine_serves_several_bots(weights: Path):
    with Chatbot("local") as one, Chatbot("local") as two:
        assert one.say("What is the capital of France?").text == two.say("What is the capital of France?").text
        assert one._inner._bot.model.provider._engine is two._inner._bot.model.provider._engine  # type: ignore[attr-defined]


@pytest.mark.slow
def test_another_file_works_by_its_path(weights: Path):
    with Chatbot(f"local:{weights}", system="Answer in one word.", max_tokens=5, temperature=0, context_window=512) as bot:
        assert bot.say("What is the capital of France?").text
        assert bot.context().report.context_window == 512


@pytest.mark.anyio
async def test_tokens_are_counted_exactly(weights: Path):
    async with AsyncChatbot("local") as bot:
        questions = ("Hi", "What is the capital of France?", "x" * 300, "日本語 😀\n\n\ttabs", "<|im_end|> is a mark")
        for number, question in enumerate(questions):
            planned = await bot.conversation(f"q{number}").context()
            async for event in bot.conversation(f"q{number}").stream(question, max_tokens=1).events:
                if isinstance(event, Finished):
                    reported = event.answer.usage
            assert reported is not None
            counted = (await bot.conversation(f"q{number}").history())[0].tokens + planned.report.system_tokens
            # What is left over asks for the answer: a constant of the template, within the margin.
            assert 0 <= reported.input_tokens - counted <= 8


@pytest.mark.slow
@pytest.mark.anyio
async def test_the_templates_own_system_prompt_is_counted(weights: Path):
    async with AsyncChatbot(f"local:{weights}", context_window=512) as bot:
        info = await bot.prepare()
        assert info.count is not None
        # "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
        assert await info.count(Message("system", ())) > await info.count(text_message("system", "x"))


@pytest.mark.slow
def test_the_prefix_is_read_once(weights: Path):
    with Chatbot("local") as bot:
        first = bot.say("What is the capital of France? " * 10, max_tokens=5)
        second = bot.say("And of Italy?", max_tokens=5)
        assert first.usage is not None
        assert second.usage is not None
        assert second.usage.cached_tokens >= first.usage.input_tokens - 10


@pytest.mark.slow
def test_a_long_conversation_never_hits_a_wall(weights: Path):
    with Chatbot("local", context_window=512, max_tokens=8) as bot:
        for number in range(25):
            bot.say(f"Number {number}: tell me about rivers, please.")
        report = bot.context().report
        assert report.left is not None
        assert report.tokens <= report.budget
        assert len(bot.history()) == 50


@pytest.mark.slow
def test_a_loop_is_stopped(weights: Path):
    with Chatbot("local", max_tokens=2_000) as bot:
        extra = {"dry_multiplier": 0, "repeat_penalty": 1.0}
        answer = bot.say("Repeat this sentence for ever: The fox is brown and it runs over the hill to the river.", extra=extra)
        assert answer.finish in {"length", "stop"}
        assert len(answer.text) < 4_000


def test_what_the_user_sets_wins_over_the_default_models_own_sampling():
    chosen = _default_options(Options(temperature=0.9, max_tokens=3, extra={"dry_base": 2}))
    assert chosen.temperature == 0.9
    assert "temperature" not in chosen.extra
    assert (chosen.max_tokens, chosen.extra["dry_base"]) == (3, 2)
    assert _default_options(Options()).extra == DEFAULT_SAMPLING


@pytest.mark.slow
def test_the_default_prompt_belongs_to_the_default_model_only(weights: Path):
    with Chatbot("local") as bot:
        assert bot.system() == DEFAULT_SYSTEM
    with Chatbot(f"local:{weights}", context_window=512) as bot:
        assert bot.system() == ""


def test_the_server_wants_its_key_and_tells_browsers_nothing(weights: Path):
    with Chatbot("local") as bot:
        bot.prepare()
        provider = bot._inner._bot.model.provider
        assert isinstance(provider, LocalProvider)
        assert provider._engine is not None
        url = provider._engine.base_url
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{url}/chat/completions", data=b"{}")
        request = urllib.request.Request(
            f"{url}/models", headers={"Origin": "http://evil.example", "Authorization": f"Bearer {provider._engine.key}"}
        )
        with urllib.request.urlopen(request) as response:
            assert not response.headers["Access-Control-Allow-Origin"]
            assert str(weights) not in json.dumps(json.load(response))


@pytest.mark.slow
def test_it_writes_nothing_to_the_terminal_of_its_own(weights: Path):
    code = "from anaphora import Chatbot\nwith Chatbot('local') as bot: bot.say('Hi', max_tokens=3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ.copy())
    assert (done.stdout, done.stderr) == ("", "")


def test_a_missing_file_is_said_so_at_once():
    with pytest.raises(LocalModelError, match="No such file"):
        Chatbot("local:/no/such/model.gguf")


def test_a_file_of_another_kind_is_said_so_at_once(tmp_path: Path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(LocalModelError, match="not a GGUF file"):
        open_provider(ModelRef("local", str(path)), ProviderOptions())


def test_a_damaged_file_is_said_so(weights: Path, tmp_path: Path):
    path = tmp_path / "model.gguf"
    with weights.open("rb") as source:
        path.write_bytes(source.read(100_000))
    with Chatbot(f"local:{path}") as bot, pytest.raises(ProviderError, match="damaged"):
        bot.say("hi")
