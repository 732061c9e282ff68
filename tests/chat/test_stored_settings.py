"""The options that a conversation goes on with in another run of a program."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.loopback import Loopback, http, stream

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.chat.stored_settings import given_settings, merged_settings
from anaphora.errors import AuthenticationFailed, ConfigError, MissingKey

pytestmark = pytest.mark.anyio


def bodies(loopback: Loopback) -> list[Any]:
    return [request.json for request in loopback.seen if request.body]


@pytest.mark.parametrize(
    ("stored", "given", "merged"),
    [
        ({"model": "openai:a", "temperature": 0.2}, {}, {"model": "openai:a", "temperature": 0.2}),
        ({"model": "openai:a"}, {"model": "openai:b"}, {"model": "openai:b"}),
        # Another service has neither the address nor the key nor the window of the first.
        (
            {"model": "m", "base_url": "http://x/v1", "key_env": "K", "context_window": 8},
            {"model": "ollama:b"},
            {"model": "ollama:b"},
        ),
        # A bare name is another model of the same server.
        (
            {"model": "m", "base_url": "http://x/v1", "key_env": "K"},
            {"model": "n"},
            {"model": "n", "base_url": "http://x/v1", "key_env": "K"},
        ),
        (
            {"model": "m", "base_url": "http://x", "key_env": "K"},
            {"base_url": "http://y"},
            {"model": "m", "base_url": "http://y"},
        ),
        # The address was meant for the first one's service.
        ({"model": "groq:a,openai:b", "base_url": "http://x"}, {"model": "openai:c"}, {"model": "openai:c"}),
        ({"system": "Be brief."}, {"persona": "tutor"}, {"persona": "tutor"}),
        ({"persona": "tutor"}, {"system": "Be brief."}, {"persona": "tutor", "system": "Be brief."}),
    ],
)
def test_new_options_hold_over_stored_ones(stored: dict[str, Any], given: dict[str, Any], merged: dict[str, Any]):
    assert merged_settings(stored, given) == merged


def test_no_key_and_no_function_is_stored():
    def add(a: int) -> int:
        return a

    options = {
        "api_key": "sk-canary",
        "headers": {"X-Key": "canary"},
        "extra": {"key": "canary"},
        "base_url": "https://me:canary@example.com/v1?key=canary",
        "tools": [add, "now"],
        "mcp": {"mcpServers": {"a": {"env": {"KEY": "canary"}}}},
        "confirm": add,
    }
    given = given_settings(ScriptedProvider(), options)
    assert given == {"base_url": "https://example.com/v1", "tools": ["now"]}
    assert "canary" not in json.dumps(given)


async def test_a_conversation_goes_on_with_what_it_began_with(loopback: Loopback, tmp_path: Path):
    store = tmp_path / "chats.db"
    begun: dict[str, Any] = {"base_url": loopback.url, "api_key": "sk-canary", "system": "Be brief."}
    begun |= {"temperature": 0.25, "tools": ["now"]}
    loopback.answer(stream("one"))
    async with AsyncChatbot("m", store=store, context_window=8_000, **begun) as bot:
        await bot.conversation("trip").say("first")
    assert b"sk-canary" not in store.read_bytes()
    loopback.answer(stream("two"))
    async with AsyncChatbot(store=store) as bot:
        await bot.conversation("trip").say("second")
    body = bodies(loopback)[-1]
    assert (body["model"], body["temperature"]) == ("m", 0.25)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert [tool["function"]["name"] for tool in body["tools"]] == ["now"]


async def test_what_the_program_says_holds_over_what_is_stored(loopback: Loopback, tmp_path: Path):
    store = tmp_path / "chats.db"
    loopback.answer(stream("one"))
    async with AsyncChatbot(
        "m", base_url=loopback.url, system="Old.", temperature=0.25, store=store, context_window=8_000
    ) as bot:
        await bot.conversation("trip").say("first")
    loopback.answer(stream("two"))
    async with AsyncChatbot("n", base_url=loopback.url, store=store, system="New.") as bot:
        conversation = bot.conversation("trip")
        await conversation.say("second", temperature=0.75)
        settings = (await conversation.info()).settings
    body = bodies(loopback)[-1]
    assert (body["model"], body["temperature"], body["messages"][0]["content"]) == ("n", 0.75, "New.")
    assert settings == {
        "model": "n",
        "base_url": loopback.url,
        "context_window": 8_000,
        "system": "New.",
        "temperature": 0.25,
    }


async def test_a_conversation_of_another_program_or_a_new_one_has_nothing_of_it(tmp_path: Path):
    store = tmp_path / "chats.db"
    async with AsyncChatbot(ScriptedProvider(echo=True), store=store, system="Be brief.") as bot:
        await bot.conversation("a").say("hi")
    async with AsyncChatbot(ScriptedProvider(echo=True), store=store) as bot:
        assert await bot.conversation("a").system() == "Be brief."
        assert await bot.conversation("b").system() == ""


async def test_an_import_brings_no_address_no_tools_and_no_persona(tmp_path: Path):
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "a.db", persona="tutor", temperature=0.25) as bot:
        await bot.conversation("trip").say("hi")
        full = json.loads(await bot.conversation("trip").export("json"))
    assert "settings" not in full["conversations"][0]
    full["conversations"][0]["settings"] = {"base_url": "http://evil.example", "tools": ["files:/"], "model": "m"}
    (tmp_path / "full.json").write_text(json.dumps(full))
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "b.db") as bot:
        await bot.import_from(tmp_path / "full.json")
        (info,) = await bot.conversations()
        assert info.settings == {}


async def test_a_fork_goes_on_like_the_conversation_it_came_from(tmp_path: Path):
    async with AsyncChatbot(ScriptedProvider(echo=True), system="Be brief.") as bot:
        await bot.conversation("a").say("hi")
        fork = await bot.conversation("a").fork()
        assert (await fork.info()).settings == {"system": "Be brief."}


async def test_a_persona_that_is_gone_is_said(tmp_path: Path):
    persona = tmp_path / "cook.md"
    persona.write_text("You cook.")
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "a.db", persona=persona) as bot:
        await bot.conversation("a").say("hi")
    persona.unlink()
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "a.db") as bot:
        with pytest.raises(ConfigError, match=r"cook"):
            await bot.conversation("a").say("hi")
        # It can be named anew.
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "a.db", persona="tutor") as bot:
        assert (await bot.conversation("a").say("hi")).text == "You said: hi"


async def test_damaged_settings_take_no_words_with_them(tmp_path: Path):
    import sqlite3

    store = tmp_path / "a.db"
    async with AsyncChatbot(ScriptedProvider(echo=True), store=store, system="Be brief.") as bot:
        await bot.conversation("a").say("hi")
    for damaged in ("no JSON", "[1]", '{"temperature": "hot", "tools": 5}'):
        database = sqlite3.connect(store)
        with database:
            database.execute("UPDATE conversations SET settings = ?", (damaged,))
        database.close()
        async with AsyncChatbot(ScriptedProvider(echo=True), store=store) as bot:
            await bot.conversation("a").say("again")
    async with AsyncChatbot(ScriptedProvider(echo=True), store=store) as bot:
        assert len(await bot.conversation("a").history()) == 8


async def test_what_was_given_for_the_programs_own_service_goes_to_no_stored_address(loopback: Loopback, tmp_path: Path):
    loopback.answer(stream("one"))
    async with AsyncChatbot("openai:m", base_url=loopback.url, store=tmp_path / "a.db", context_window=8_000, api_key="k") as bot:
        await bot.conversation("a").say("hi")
    async with AsyncChatbot("openai:m", api_key="sk-canary", store=tmp_path / "a.db") as bot:
        chosen = await bot.conversation("a")._open.bot()
        assert str(getattr(chosen.model.provider, "base_url", "")).startswith("https://api.openai.com")


async def test_a_model_that_was_chosen_for_a_conversation_is_at_the_stored_address(loopback: Loopback, tmp_path: Path):
    async with AsyncChatbot("m", base_url=loopback.url, store=tmp_path / "a.db", context_window=8_000) as bot:
        await bot.conversation("a").use(model="openai-compatible:n")
        loopback.answer(stream("one"))
        await bot.conversation("a").say("hi")
    async with AsyncChatbot(store=tmp_path / "a.db") as bot:
        loopback.answer(stream("two"))
        await bot.conversation("a").say("hi")
    assert bodies(loopback)[-1]["model"] == "n"


async def test_a_program_may_leave_the_stored_options_alone(tmp_path: Path):
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "a.db", system="Be brief.") as bot:
        await bot.conversation("a").say("hi")
    async with AsyncChatbot(ScriptedProvider(echo=True), store=tmp_path / "a.db", resume=False) as bot:
        assert await bot.conversation("a").system() == ""


def test_a_key_for_a_variables_name_is_refused_also_beside_a_key():
    with pytest.raises(ConfigError, match="must be the name of a variable"):
        AsyncChatbot("openai:m", api_key="x", key_env="sk-secret")


@pytest.mark.parametrize(
    ("options", "key"), [({"key_env": "MY_KEY"}, "sk-mine"), ({}, "sk-any"), ({"api_key": "sk-said"}, "sk-said")]
)
async def test_a_key_is_looked_up_in_the_variable_that_is_named(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], key: str
):
    monkeypatch.setenv("MY_KEY", "sk-mine")
    monkeypatch.setenv("ANAPHORA_API_KEY", "sk-any")
    loopback.answer(stream("hi"))
    async with AsyncChatbot("m", base_url=loopback.url, context_window=8_000, **options) as bot:
        await bot.say("hi")
    assert loopback.seen[-1].headers["authorization"] == f"Bearer {key}"


async def test_the_key_of_any_service_goes_only_to_an_address_that_was_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ANAPHORA_API_KEY", "sk-any")
    with pytest.raises(MissingKey, match="GROQ_API_KEY"):
        AsyncChatbot("groq:m")


@pytest.mark.parametrize("name", ["sk-canary-1234", "gsk_canary", "two words", ""])
def test_a_key_that_is_given_for_the_name_of_its_variable_is_not_shown(name: str):
    with pytest.raises(ConfigError, match="must be the name of a variable") as caught:
        AsyncChatbot("openai:m", key_env=name)
    assert not name or name not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "told"), [("sk-x", "Check the variable ANAPHORA_API_KEY"), ("", "No key was sent: set ANAPHORA_API_KEY")]
)
async def test_a_key_that_was_refused_names_its_variable(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, key: str, told: str
):
    monkeypatch.setenv("ANAPHORA_API_KEY", key)
    loopback.answer(http(b'{"error": {"message": "no"}}', status=401))
    async with AsyncChatbot("m", base_url=loopback.url, context_window=8_000) as bot:
        with pytest.raises(AuthenticationFailed, match=told):
            await bot.say("hi")
