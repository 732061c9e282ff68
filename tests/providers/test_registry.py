from pathlib import Path

import pytest

from anaphora import Chatbot, ScriptedProvider
from anaphora.errors import ConfigError, UnknownModel
from anaphora.providers.base import ModelRef, ProviderOptions
from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.registry import open_provider, parse_model
from anaphora.stores.registry import open_store


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("groq:openai/gpt-oss-120b", ModelRef("groq", "openai/gpt-oss-120b")),
        ("ollama:qwen3:4b", ModelRef("ollama", "qwen3:4b")),
        ("local", ModelRef("local")),
        ("local:/a/b.gguf", ModelRef("local", "/a/b.gguf")),
        ("openai", ModelRef("openai", VENDORS["openai"].model)),
        ("scripted:", ModelRef("scripted")),
    ],
)
def test_a_model_is_written_provider_colon_model(text: str, ref: ModelRef):
    assert parse_model(text) == ref
    assert str(ModelRef("a", "b")) == "a:b"


def test_with_a_base_url_a_model_name_is_enough():
    assert parse_model("gpt-oss", base_url="http://x/v1") == ModelRef("openai-compatible", "gpt-oss")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("opnai:gpt", "Did you mean openai:gpt"),
        ("gpt-4o", "openai:gpt-4o"),
        ("zzz:x", "Providers: .*groq"),
        ("model.gguf", "local:model.gguf"),
    ],
)
def test_an_unknown_provider_suggests_what_to_write(text: str, words: str):
    with pytest.raises(UnknownModel, match=words):
        parse_model(text)


def test_a_provider_without_a_model_of_its_own_wants_one():
    with pytest.raises(ConfigError, match="ollama:NAME"):
        parse_model("ollama")


@pytest.mark.parametrize("name", sorted(VENDORS))
def test_every_service_of_the_catalog_can_be_opened(name: str, monkeypatch: pytest.MonkeyPatch):
    variable = VENDORS[name].key_variable
    if variable:
        monkeypatch.setenv(variable, "sk-test")
    provider = open_provider(
        ModelRef(name, "m"), ProviderOptions(base_url=None if VENDORS[name].base_url else "http://127.0.0.1:1/v1")
    )
    assert provider.name == name


@pytest.mark.parametrize("slashes", [3, 4])
def test_a_store_can_be_named_by_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slashes: int):
    monkeypatch.chdir(tmp_path)
    path = "some%20chats.db" if slashes == 3 else f"{tmp_path}/some%20chats.db".removeprefix("/")
    with Chatbot(ScriptedProvider(echo=True), store=f"sqlite:{'/' * slashes}{path}") as bot:
        bot.say("hi")
    assert (tmp_path / "some chats.db").exists()


def test_a_url_of_no_store_names_those_there_are():
    with pytest.raises(ConfigError, match="sqlite://"):
        open_store("redis://x")
    with pytest.raises(ConfigError, match="names no file"):
        open_store("sqlite:///")
