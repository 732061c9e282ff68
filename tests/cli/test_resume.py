"""A conversation that is resumed goes on with its own model, address, prompt, persona and tools; flags hold over them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_config_path, user_data_path
from tests.doubles.loopback import Loopback, http, stream
from tests.doubles.program import Terminal, run, scripted

from anaphora import Chatbot


def ask(loopback: Loopback, *arguments: str, environment: dict[str, str] | None = None) -> tuple[Any, str]:
    """Asks once; gives the body of the request, and what was said beside the answer."""
    loopback.answer(stream("Fine."))
    done = run(*arguments, environment={"ANAPHORA_CONTEXT_WINDOW": "8000", **(environment or {})})
    assert done.returncode == 0, done.stderr
    return loopback.seen[-1].json, done.stderr


def system_of(body: Any) -> str:
    first = body["messages"][0]
    return str(first["content"]) if first["role"] == "system" else ""


def test_model_address_prompt_and_options_are_kept(loopback: Loopback):
    ask(loopback, "-m", "small", "--base-url", loopback.url, "-s", "Be brief.", "--temperature", "0.25", "--tools", "now", "one")
    for way in (("-c",), ("--resume", "one")):
        body, _ = ask(loopback, *way, "two")
        assert (body["model"], body["temperature"], system_of(body)) == ("small", 0.25, "Be brief.")
        assert [tool["function"]["name"] for tool in body["tools"]] == ["now"]
        assert body["messages"][1] == {"role": "user", "content": "one"}


def test_a_persona_is_kept(loopback: Loopback):
    first, _ = ask(loopback, "-m", "small", "--base-url", loopback.url, "-p", "tutor", "one")
    second, _ = ask(loopback, "-c", "two")
    assert system_of(first) == system_of(second) != ""


def test_a_persona_of_ones_own_is_kept_for_the_library_too(loopback: Loopback):
    folder = user_config_path("anaphora") / "personas"
    folder.mkdir(parents=True)
    (folder / "cook.md").write_text("You cook.")
    ask(loopback, "-m", "small", "--base-url", loopback.url, "-p", "cook", "one")
    _, told = ask(loopback, "-c", "-p", "cook", "two")
    assert "from here on" not in told
    loopback.answer(stream("Fine."))
    with Chatbot(store=user_data_path("anaphora") / "anaphora.db", context_window=8_000) as bot:
        (info,) = bot.conversations()
        bot.conversation(info).say("three")
    assert system_of(loopback.seen[-1].json) == "You cook."


def test_every_kind_of_flag_is_kept_and_told_when_it_changes(loopback: Loopback):
    flags = ("-m", "small", "--base-url", loopback.url, "--tools", "now", "--timeout", "20", "--max-tokens", "50", "--seed", "3")
    ask(loopback, *flags, "one")
    body, told = ask(loopback, "-c", "two")
    assert (body["max_tokens"], body["seed"]) == (50, 3)
    assert "from here on" not in told
    assert json.loads(run("list", "--json").stdout)[0]["settings"]["tools"] == ["now"]
    _, told = ask(loopback, "-c", "--temperature", "0.5", "-m", "openai-compatible:small", "again")
    assert "temperature from here on: 0.5." in told
    assert "model from here on" not in told
    _, told = ask(loopback, "-c", "--tools", "calculate", "--timeout", "30", "--seed", "3", "three")
    assert "tools from here on: calculate, not now." in told
    assert "timeout from here on: 30.0, not 20.0." in told
    assert "seed from here on" not in told


def test_flags_hold_and_the_change_is_said(loopback: Loopback):
    ask(loopback, "-m", "small", "--base-url", loopback.url, "-s", "Be brief.", "one")
    body, told = ask(loopback, "-c", "-m", "large", "-s", "Be long.", "two")
    assert (body["model"], system_of(body)) == ("large", "Be long.")
    assert "model from here on: large, not small." in told
    assert "system prompt from here on: Be long., not Be brief." in told
    # And are kept in their turn.
    body, _ = ask(loopback, "-c", "three")
    assert (body["model"], system_of(body)) == ("large", "Be long.")


def test_another_service_takes_no_address_along(loopback: Loopback):
    ask(loopback, "-m", "small", "--base-url", loopback.url, "one")
    asked = len(loopback.seen)
    done = run("-m", "scripted:", "-c", "two")
    assert (done.returncode, done.stdout) == (0, "You said: two\n")
    assert len(loopback.seen) == asked
    assert "model from here on: scripted:, not small." in done.stderr


def test_the_key_is_looked_up_anew_and_never_stored(loopback: Loopback):
    flags = ("-m", "small", "--base-url", loopback.url, "--key-env", "MY_KEY")
    ask(loopback, *flags, "one", environment={"MY_KEY": "sk-canary-1"})
    ask(loopback, "-c", "two", environment={"MY_KEY": "sk-canary-2"})
    assert loopback.seen[-1].headers["authorization"] == "Bearer sk-canary-2"
    done = run("-c", "three")
    assert done.returncode == 2
    assert "the variable MY_KEY, which is to hold the API key, is not set" in done.stderr


def test_settings_of_the_conversation_hold_over_the_file(loopback: Loopback):
    ask(loopback, "-m", "small", "--base-url", loopback.url, "--temperature", "0.25", "one")
    user_config_path("anaphora").mkdir(parents=True, exist_ok=True)
    (user_config_path("anaphora") / "settings.toml").write_text('model = "local"\ntemperature = 0.75\nmax_tokens = 50\n')
    body, _ = ask(loopback, "-c", "two")
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("small", 0.25, 50)


def test_todays_address_is_not_that_of_a_conversation_without_one(loopback: Loopback):
    run("-m", "scripted:", "one")
    user_config_path("anaphora").mkdir(parents=True, exist_ok=True)
    (user_config_path("anaphora") / "settings.toml").write_text(f'model = "m"\nbase_url = "{loopback.url}"\n')
    done = run("-c", "two")
    assert (done.returncode, done.stdout) == (0, "You said: two\n")
    assert loopback.seen == []
    assert "base_url" not in json.loads(run("list", "--json").stdout)[0]["settings"]


def test_a_persona_holds_over_a_system_prompt_of_the_conversation(loopback: Loopback):
    ask(loopback, "-m", "small", "--base-url", loopback.url, "one")
    with Chatbot("small", base_url=loopback.url, store=user_data_path("anaphora") / "anaphora.db", context_window=8_000) as bot:
        (info,) = bot.conversations()
        bot.conversation(info).use(system="Be a cat.")
    body, _ = ask(loopback, "-c", "-p", "tutor", "two")
    assert "cat" not in system_of(body)
    assert len(system_of(body)) > 20


def test_a_script_is_the_same_file_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "there").mkdir()
    scripted(tmp_path, ["text: fine"])
    (name,) = [path.name for path in tmp_path.iterdir() if path.is_file()]
    monkeypatch.chdir(tmp_path)
    assert run("-m", f"scripted:{name}", "one").stdout == "fine\n"
    monkeypatch.chdir(tmp_path / "there")
    assert run("-c", "two").stdout == "fine\n"


def test_without_a_store_the_newest_conversation_goes_on_and_nothing_is_kept(loopback: Loopback):
    ask(loopback, "-m", "small", "--base-url", loopback.url, "one")
    body, told = ask(loopback, "-c", "--no-store", "two")
    assert [message["content"] for message in body["messages"]] == ["one", "Fine.", "two"]
    assert "Nothing of what is said from here on is kept." in told
    (listed,) = json.loads(run("list", "--json").stdout)
    assert listed["messages"] == 2


def test_a_question_that_goes_on_recalls_nothing_of_other_conversations(loopback: Loopback):
    flags = ("-m", "small", "--base-url", loopback.url)
    ask(loopback, *flags, "The kyoto temple budget is 4711 yen.")
    ask(loopback, *flags, "Something else.")
    body, _ = ask(loopback, "-c", "What was the kyoto temple budget?")
    assert "4711" not in json.dumps(body)


def test_a_persona_or_a_file_of_servers_that_is_gone_is_said_and_the_rest_goes_on(loopback: Loopback, tmp_path: Path):
    folder = user_config_path("anaphora") / "personas"
    folder.mkdir(parents=True)
    (folder / "cook.md").write_text("You cook.")
    servers = tmp_path / "mcp.json"
    servers.write_text('{"mcpServers": {}}')
    ask(loopback, "-m", "small", "--base-url", loopback.url, "-p", "cook", "--mcp", str(servers), "one")
    (folder / "cook.md").unlink()
    servers.unlink()
    body, told = ask(loopback, "-c", "two")
    assert (body["model"], system_of(body)) == ("small", "")
    assert "The persona of this conversation is not there any more: " in told
    assert "The mcp of this conversation is not there any more" in told


def test_a_folder_of_tools_stays_the_folder_that_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run("-m", "scripted:", "--tools", "files:.,now", "one")
    monkeypatch.chdir(tmp_path / "there")
    done = run("-m", "scripted:", "-c", "two")
    assert (done.returncode, "from here on" in done.stderr) == (0, False)
    (info,) = json.loads(run("list", "--json").stdout)
    assert info["settings"]["tools"] == [f"files:{tmp_path / 'here'}", "now"]
    done = run("-m", "scripted:", "-c", "--tools", "files:.", "three")
    assert "tools from here on: files:., not files:" in done.stderr


def test_flags_with_which_nothing_came_do_not_stay(loopback: Loopback):
    flags = ("-m", "small", "--base-url", loopback.url)
    ask(loopback, *flags, "one")
    refused = run("-c", "--budget", "1", "two", environment={"ANAPHORA_CONTEXT_WINDOW": "8000"})
    assert refused.returncode == 2
    assert "price is not known" in refused.stderr
    loopback.answer(http(b'{"error": {"message": "no"}}', status=401))
    assert run("-c", "-m", "wrong", "three", environment={"ANAPHORA_CONTEXT_WINDOW": "8000"}).returncode == 1
    body, told = ask(loopback, "-c", "four")
    assert body["model"] == "small"
    assert "from here on" not in told


def test_an_empty_persona_is_none_and_no_reason_to_complain(loopback: Loopback):
    ask(loopback, "-m", "small", "--base-url", loopback.url, "-p", "tutor", "one")
    body, told = ask(loopback, "-c", "-p", "", "two")
    assert system_of(body) == ""
    assert "persona from here on: none, not tutor." in told
    body, told = ask(loopback, "-c", "three")
    assert (system_of(body), "not there" in told) == ("", False)


@pytest.mark.parametrize("name", ["base_url", "key_env", "tools", "mcp", "persona"])
def test_a_database_from_elsewhere_has_no_key_and_no_file_sent_anywhere(loopback: Loopback, tmp_path: Path, name: str):
    (tmp_path / "mine.md").write_text("private words")
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    theirs = {
        "base_url": loopback.url.replace("127.0.0.1", "localhost"),
        "key_env": "MY_SECRET",
        "tools": [f"files:{tmp_path}"],
        "mcp": str(tmp_path / "mcp.json"),
        "persona": str(tmp_path / "mine.md"),
    }
    ask(loopback, "-m", "small", "--base-url", loopback.url, "one")
    with closing(sqlite3.connect(user_data_path("anaphora") / "anaphora.db")) as database, database:
        (settings,) = database.execute("SELECT settings FROM conversations").fetchone()
        changed = {**json.loads(settings), name: theirs[name]}
        database.execute("UPDATE conversations SET settings = ?", (json.dumps(changed),))
    asked = len(loopback.seen)
    loopback.answer(stream("Fine."))
    done = run(
        "-c", "two", environment={"ANAPHORA_CONTEXT_WINDOW": "8000", "MY_SECRET": "sk-canary", "ANAPHORA_API_KEY": "sk-any"}
    )
    assert "of this conversation was not set here, so it is not used" in done.stderr
    for request in loopback.seen[asked:]:
        assert "localhost" not in request.headers["host"]
        assert request.headers.get("authorization") == "Bearer sk-any"
        assert "private words" not in str(request.body)
        assert not request.body or "tools" not in request.json


@pytest.mark.slow
def test_in_a_chat_resume_goes_on_with_the_conversations_own_settings(loopback: Loopback):
    ask(loopback, "-m", "small", "--base-url", loopback.url, "-s", "Be brief.", "an old one")
    run("-m", "scripted:", "a new one")
    loopback.answer(stream("Old again."))
    with Terminal("-c", environment={"ANAPHORA_CONTEXT_WINDOW": "8000"}) as terminal:
        terminal.wait_for("anaphora with scripted")
        terminal.enter("/resume old")
        terminal.wait_for("Going on with “an old one”")
        terminal.enter("hi")
        terminal.wait_for("Old again.")
        loopback.answer(stream("Larger."))
        terminal.enter("/model large")
        terminal.wait_for("openai-compatible:large answers from now on.")
        terminal.enter("hi")
        terminal.wait_for("Larger.")
        terminal.enter("/new")
        terminal.wait_for("A new conversation.")
        terminal.enter("/system")
        terminal.wait_for("There is no system prompt.")
        terminal.enter("/resume old")
        terminal.wait_for("Going on with “an old one”", times=2)
        terminal.enter("/model scripted:")
        terminal.wait_for("scripted answers from now on.")
        loopback.answer(stream("Back."))
        terminal.enter("/model large")
        terminal.wait_for("openai-compatible:large answers from now on.", times=2)
        terminal.enter("hi")
        terminal.wait_for("Back.")
        terminal.enter("/quit")
        assert terminal.exit_code() == 0
    bodies = [request.json for request in loopback.seen if request.body]
    assert [(body["model"], system_of(body)) for body in bodies[-3:]] == [
        ("small", "Be brief."),
        ("large", "Be brief."),
        ("large", "Be brief."),
    ]
