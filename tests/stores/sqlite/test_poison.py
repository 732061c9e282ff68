"""One bad value takes no more than itself down: every column of every table with values of wrong types.

``ANAPHORA_PROOFS=whole`` tries every column with every value; by default each column meets one of them.
"""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from anaphora import AsyncChatbot, Chatbot, ScriptedProvider
from anaphora.cli.main import main
from anaphora.errors import AnaphoraError, StoreError, UnreadableRow
from anaphora.stores.sqlite.store import SQLiteStore

pytestmark = pytest.mark.anyio
WHOLE = os.environ.get("ANAPHORA_PROOFS") == "whole"
VALUES: list[Any] = ["not JSON", b"\xff\x00", '{"a": true}', -1, 1.5, "[" * 2_000]
TABLES = ("conversations", "messages", "facts", "evidence", "calls", "estimates", "summaries")
KEYS = {"owner", "number"}


async def filled(path: Path) -> None:
    """A store with two conversations of one owner."""
    async with AsyncChatbot(ScriptedProvider(echo=True), store=path, owner="ana") as bot:
        for name in ("sick", "well"):
            await bot.conversation(name).say(f"My dog is called Rex, said in {name}.")
            await bot.conversation(name).say("It is raining.")
        await bot.facts.add("Ana has a dog.")
        await bot.wait_for_background()


def poisons(path: Path) -> Iterator[tuple[str, str, Any]]:
    with sqlite3.connect(path) as database:
        number = 0
        for table in TABLES:
            for column in [row[1] for row in database.execute(f"PRAGMA table_info({table})")]:
                for value in VALUES:
                    number += 1
                    if column not in KEYS and (WHOLE or number % len(VALUES) == 0):
                        yield table, column, value


def poison(path: Path, table: str, column: str, value: Any) -> bool:
    """Puts a value into a row of the first conversation, if there is such a row; False if the database refuses it."""
    where = {"conversations": "id = 'sick'", "messages": "conversation = 'sick' AND \"order\" = 1"}.get(table, "1")
    with sqlite3.connect(path) as database:
        try:
            return database.execute(f'UPDATE {table} SET "{column}" = ? WHERE {where}', (value,)).rowcount > 0
        except sqlite3.IntegrityError:
            return False


async def ours(work: Any) -> None:
    """Awaits something that may fail, but only with an error of ours."""
    try:
        await work
    except AnaphoraError as error:
        assert str(error)  # noqa: PT017 -- many values harm nothing


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_bad_value_takes_no_more_than_itself_down(tmp_path: Path, anyio_backend: str):
    whole = tmp_path / "whole.db"
    await filled(whole)
    tried = 0
    for table, column, value in poisons(whole):
        path = tmp_path / "x.db"
        path.write_bytes(whole.read_bytes())
        if not poison(path, table, column, value):
            continue
        tried += 1
        told = f"{table}.{column} = {value!r}"
        async with AsyncChatbot(ScriptedProvider(echo=True), store=path, owner="ana") as bot:
            sick, well = bot.conversation("sick"), bot.conversation("well")
            for work in (
                sick.history(),
                sick.branches(),
                sick.export("json"),
                sick.say("Hello?"),
                sick.search("dog"),
                bot.usage(),
            ):
                await ours(work)
            try:
                assert (await well.say("What is my dog called?")).text.endswith("What is my dog called?"), told
                assert len(await well.history()) >= 6, told
                assert "well" in {info.id for info in await bot.conversations()}, told
                assert any(hit.conversation == "well" for hit in await bot.search("raining")), told
            except Exception as error:
                raise AssertionError(told) from error
            await ours(bot.export_to(tmp_path / "all.json"))
            await ours(sick.delete())
        store = SQLiteStore(path)
        await store.quarantine()
        assert await store.check() == [], told
        await store.aclose()
    assert tried > 25


async def test_a_usage_that_was_stored_with_a_boolean_poisons_nothing(tmp_path: Path):
    path = tmp_path / "x.db"
    await filled(path)
    assert poison(path, "messages", "usage", '{"output_tokens": true}')
    assert poison(path, "conversations", "usage", '{"output_tokens": true}')
    async with AsyncChatbot(ScriptedProvider(echo=True), store=path, owner="ana") as bot:
        conversation = bot.conversation("sick")
        assert len(await conversation.history()) == 4
        assert (await conversation.say("Hello?")).text == "You said: Hello?"
        assert len(await bot.conversations()) == 2


async def test_an_unreadable_message_is_named_and_can_be_moved_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "x.db"
    await filled(path)
    with sqlite3.connect(path) as database:
        before = database.execute("SELECT count(*) FROM messages").fetchone()[0]
    poison(path, "messages", "parts", "not JSON")
    async with AsyncChatbot(ScriptedProvider(echo=True), store=path, owner="ana") as bot:
        with pytest.raises(UnreadableRow, match=r"the message 'msg_\w+' cannot be read .*--quarantine") as caught:
            await bot.conversation("sick").history()
        assert caught.value.row.startswith("the message")
        with pytest.raises(StoreError, match="1 of 2 conversations were written"):
            await bot.export_to(tmp_path / "all.json")
    assert (tmp_path / "all.json").stat().st_size > 100
    store = SQLiteStore(path)
    (found,) = await store.check()
    assert (found.table, found.owner, found.conversation) == ("messages", "ana", "sick")
    await store.quarantine()
    await store.aclose()
    async with AsyncChatbot(ScriptedProvider(echo=True), store=path, owner="ana") as bot:
        history = await bot.conversation("sick").history()
        assert len(history) == 4
        assert "could not be read" in history[0].text
        assert (await bot.conversation("sick").say("Hello?")).text == "You said: Hello?"
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone()[0] == before + 2
        assert "not JSON" in database.execute("SELECT row FROM quarantine").fetchone()[0]


def test_the_command_lists_rows_and_moves_them_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "x.db"
    anyio.run(filled, path)
    assert main(["store", "check", "--store", str(path)]) == 0
    assert "Every row can be read." in capsys.readouterr().err
    poison(path, "messages", "parts", "not JSON")
    assert main(["store", "check", "--store", str(path)]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("messages msg_")
    assert "moves them aside" not in shown.out
    assert "1 cannot be read" in shown.err
    assert main(["store", "check", "--quarantine", "--store", str(path)]) == 0
    assert main(["store", "check", "--store", str(path)]) == 0


@pytest.mark.parametrize("column", ["usage", "settings", "updated", "learned"])
def test_what_is_set_aside_of_a_conversation_takes_no_message_of_it_along(tmp_path: Path, column: str):
    path = tmp_path / "x.db"
    anyio.run(filled, path)
    assert poison(path, "conversations", column, "{bad")
    assert main(["store", "check", "--quarantine", "--store", str(path)]) == 0
    assert main(["store", "check", "--store", str(path)]) == 0
    with Chatbot(ScriptedProvider(echo=True), store=path, owner="ana") as bot:
        known = {info.id: info for info in bot.conversations()}
        assert known["sick"].messages == 4
        assert [entry.text for entry in bot.conversation("sick").history()]
