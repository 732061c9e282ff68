import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.exports import chatgpt_conversation, claude_conversation

from anaphora import AsyncChatbot, InMemoryStore, Retries, ScriptedProvider
from anaphora.errors import ServerFailed, TranscriptFileError
from anaphora.providers.scripted import Cut
from anaphora.stores.base import Store
from anaphora.stores.records import Draft
from anaphora.stores.sqlite.store import SQLiteStore
from anaphora.transfer.full import from_full, full_text
from anaphora.transfer.reading import Damaged, read_conversations
from anaphora.values.message import Image, Message, Text, Thinking, ToolCall, ToolResult
from anaphora.values.scope import Scope
from anaphora.values.transcript import Transcript

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    count = iter(range(9))
    return lambda: InMemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / f"{next(count)}.db")


async def talk(store: Store) -> None:
    """Conversations with every status, kind of part, branch and setting."""
    provider = ScriptedProvider("Lyon.", "Paris.", [Cut()], ServerFailed("x", retryable=False), "é \u2028 \U0001f389")
    async with AsyncChatbot(provider, store=store, system="Be brief.", retries=Retries(attempts=0)) as bot:
        one = bot.conversation("one")
        await one.say("Capital of France?", key="k1")
        await one.retry()
        for text in ("broken", "failed"):
            with pytest.raises(Exception, match=r"x|broke"):
                await one.say(text)
        await one.use(system="Be kind.")
        await bot.say("other")
        await bot.rename("A title")
    call = Message("assistant", (Thinking("hm", {"signature": "s"}), ToolCall("c", "look", "{}"), Image(b"\x00", "image/png")))
    user = await store.append(Scope("me", "tools"), Draft(None, Message("user", (Text("go"),))))
    asked = await store.append(Scope("me", "tools"), Draft(user.id, call, model="m"))
    result = Message("tool", (ToolResult("c", "out", "look", failed=True),))
    await store.append(Scope("me", "tools"), Draft(asked.id, result, status="stopped"))


async def test_what_was_exported_imported_and_exported_again_is_the_same_byte_for_byte(make: Any, tmp_path: Path):
    first, second = make(), make()
    await talk(first)
    async with AsyncChatbot(ScriptedProvider(), store=first) as bot:
        assert await bot.export_to(tmp_path / "first.json") == 3
    async with AsyncChatbot(ScriptedProvider(), store=second) as bot:
        imported = await bot.import_from(tmp_path / "first.json")
        assert (imported.read, imported.changed, imported.damaged) == (3, 3, ())
        await bot.export_to(tmp_path / "second.json")
        assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()
        again = await bot.import_from(tmp_path / "first.json")
        assert (again.read, again.changed, again.messages) == (3, 0, 0)
        await bot.export_to(tmp_path / "second.json")
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()


async def test_what_others_exported_is_taken_in_once_and_can_be_gone_on_with(make: Any, tmp_path: Path):
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps([chatgpt_conversation(), 3, claude_conversation()]))
    async with AsyncChatbot(ScriptedProvider(echo=True), store=make()) as bot:
        imported = await bot.import_from(path)
        assert (imported.read, imported.changed, imported.messages, len(imported.damaged)) == (2, 2, 10, 1)
        assert (await bot.import_from(path)).messages == 0
        theirs = bot.conversation("11111111-aaaa")
        await theirs.say("And of Spain?")
        assert [entry.text for entry in await theirs.history()][-2:] == ["And of Spain?", "You said: And of Spain?"]
        assert [entry.text for entry in await theirs.branches()] == ["Lyon.", "You said: And of Spain?"]
        assert (await bot.import_from(path)).messages == 0
        assert len(await theirs.history()) == 8


async def test_an_import_goes_on_where_one_conversation_is_busy(make: Any, tmp_path: Path):
    store = make()
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps([chatgpt_conversation(), claude_conversation()]))
    lease = await store.acquire(Scope("me", "11111111-aaaa"), seconds=60)
    async with AsyncChatbot(ScriptedProvider(), store=store) as bot:
        imported = await bot.import_from(path)
        assert (imported.changed, len(imported.damaged)) == (1, 1)
        assert "busy" in str(imported.damaged[0])
    await store.release(lease)


async def test_one_conversation_is_exported_in_three_forms(make: Any, tmp_path: Path):
    async with AsyncChatbot(ScriptedProvider("Lyon.", "Paris."), store=make(), system="Be brief.") as bot:
        await bot.say("Capital of France?")
        await bot.retry()
        (tmp_path / "full.json").write_text(await bot.export(), encoding="utf-8")
        (transcript,) = read_conversations(tmp_path / "full.json")
        assert isinstance(transcript, Transcript)
        assert [entry.text for entry in transcript.entries] == ["Capital of France?", "Lyon.", "Paris."]
        plain = await bot.export("plain")
        assert [message["content"] for message in plain] == ["Be brief.", "Capital of France?", "Paris."]
        lines = (await bot.export("markdown")).splitlines()
        assert lines[:3] == ["# Capital of France?", "", "> Be brief."]
        assert lines[-1] == "Paris."
        assert "Lyon." not in lines


async def test_a_file_that_cannot_be_written_is_said_so(tmp_path: Path):
    async with AsyncChatbot(ScriptedProvider()) as bot:
        with pytest.raises(TranscriptFileError):
            await bot.export_to(tmp_path / "missing" / "x.json")


async def damaged_by(change: dict[str, Any], message: dict[str, Any]) -> str:
    async with AsyncChatbot(ScriptedProvider("a")) as bot:
        await bot.say("q")
        value = json.loads(await bot.export())["conversations"][0]
    value["messages"][1].update(message)
    value.update(change)
    with pytest.raises(ValueError, match=r".") as caught:
        from_full(value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "message", "reason"),
    [
        ({"messages": 3}, {}, "no object with messages"),
        ({"messages": [3]}, {}, "message 1: it is no object"),
        ({"id": 3}, {}, "id is no text"),
        ({"head": "x"}, {}, "its head 'x'"),
        ({"usage": 3}, {}, "usage must be an object"),
        ({}, {"parent": "x"}, "message 2: its parent 'x' is not before it"),
        ({}, {"role": "boss"}, "message 2: role is 'boss'"),
        ({}, {"status": "fine"}, "message 2: status is 'fine'"),
        ({}, {"parts": [{"type": "hologram"}]}, "message 2: unknown kind of part"),
        ({}, {"tokens": "many"}, "message 2: tokens is no number, or too large a one"),
    ],
)
async def test_what_is_damaged_is_said(change: dict[str, Any], message: dict[str, Any], reason: str):
    assert reason in await damaged_by(change, message)


async def test_a_damaged_conversation_is_skipped_and_the_rest_arrives(tmp_path: Path):
    async with AsyncChatbot(ScriptedProvider("a")) as bot:
        await bot.say("q")
        text = await bot.export()
    value = json.loads(text)
    value["conversations"].insert(0, {"id": "x"})
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value))
    damaged, good = read_conversations(path)
    assert isinstance(damaged, Damaged)
    assert isinstance(good, Transcript)
    assert full_text(replace(good)) == text
