import json
from dataclasses import replace

import pytest
from platformdirs import user_config_path
from tests.doubles.loopback import Loopback, http

from anaphora import Chatbot, ScriptedProvider
from anaphora.cli.options import bot_options, choose_model
from anaphora.errors import ConfigError
from anaphora.personas.persona import Persona
from anaphora.providers.models.vendors import VENDORS
from anaphora.settings import Settings


@pytest.fixture
def ollama(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """An Ollama that says it has two models, at the address where the catalog looks for it."""
    vendor = VENDORS["ollama"]
    monkeypatch.setitem(VENDORS, "ollama", type(vendor)("ollama", loopback.url, None))
    return loopback


def test_the_settings_come_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert choose_model(Settings(model="groq:x")) == ("groq:x", "")


def test_then_the_persona(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    assert choose_model(Settings(), Persona("p", "x", model="local"))[0] == "local"


def test_then_a_provider_whose_key_is_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROQ_API_KEY", "gsk-x")
    model, why = choose_model(Settings())
    assert model == f"groq:{VENDORS['groq'].model}"
    assert "GROQ_API_KEY is set" in why


def test_then_a_running_ollama(ollama: Loopback):
    ollama.answer(http(json.dumps({"models": [{"name": "qwen3:4b"}, {"name": "llama3"}]}).encode()))
    model, why = choose_model(Settings())
    assert model == "ollama:qwen3:4b"
    assert "Ollama is running" in why


@pytest.mark.parametrize("answer", [b'{"models": []}', b"<html>", b"[]", b'{"models": [1]}'])
def test_an_ollama_without_models_is_no_choice(ollama: Loopback, answer: bytes):
    ollama.answer(http(answer))
    assert choose_model(Settings())[0] == "local"


def test_else_the_small_one_in_the_program_and_honestly(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(VENDORS, "ollama", replace(VENDORS["ollama"], base_url="http://127.0.0.1:1/v1"))
    model, why = choose_model(Settings())
    assert model == "local"
    assert "often wrong" in why


def test_a_base_url_without_a_model_is_refused():
    with pytest.raises(ConfigError, match="-m NAME"):
        choose_model(Settings(base_url="http://x/v1"))


def test_what_the_user_sets_wins_over_the_persona():
    folder = user_config_path("anaphora") / "personas"
    folder.mkdir(parents=True)
    (folder / "mine.md").write_text("---\ntemperature: 0.5\n---\nthe persona")
    options = bot_options(Settings(temperature=0.1, persona="mine"))
    with Chatbot(ScriptedProvider("Hi."), **options) as bot:
        assert bot.system() == "the persona"
        bot.say("Hi")
    with Chatbot(ScriptedProvider(), **bot_options(Settings(system="mine", persona="mine"))) as bot:
        assert bot.system() == "mine"
