"""Forgetting is complete: not a byte of it is left anywhere, and what was made of it is made anew from the rest."""

from pathlib import Path

import pytest
from tests.doubles.memory import marks_kept

from anaphora import AsyncChatbot, Facts, Recall, ScriptedProvider
from anaphora.providers.base import Request
from anaphora.providers.scripted import ScriptedReply
from anaphora.stores.sqlite.store import SQLiteStore

pytestmark = pytest.mark.anyio

WORDS = "and some more words that fill the window with text"
CANARY = "Quetzalcoatlus"


def background(request: Request) -> ScriptedReply:
    reply = marks_kept(request)
    return f"{reply} {CANARY}" if CANARY in request.messages[-1].text and request.purpose == "summary" else reply


def encode(texts):
    return [[float(CANARY in text) * 5, 1.0, len(text) / 100] for text in texts]


async def filled(path: Path) -> tuple[AsyncChatbot, ScriptedProvider, SQLiteStore]:
    """A conversation whose third message has the canary, with summaries, facts, vectors and a fork made of it."""
    store = SQLiteStore(path)
    provider = ScriptedProvider(echo=True, context_window=1_200, background=background)
    bot = AsyncChatbot(provider, store=store, facts=Facts(learn=True), recall=Recall(embedder=encode), titles=False)
    await bot.say(f"mark0 {WORDS}")
    await bot.say(f"mark1 I live in {CANARY}. {WORDS}")
    await bot.wait_for_background()
    await bot.fork(name="fork")
    for number in range(2, 30):
        await bot.say(f"mark{number} {WORDS}")
        await bot.wait_for_background()
    return bot, provider, store


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_no_byte_of_a_forgotten_message_is_left_in_the_database_its_log_or_its_free_pages(tmp_path: Path):
    bot, _, store = await filled(tmp_path / "x.db")
    canary = CANARY.encode()
    assert canary in bytes_of(tmp_path)
    assert canary.lower() in bytes_of(tmp_path).lower()
    assert any(CANARY in fact.text for fact in await bot.facts.list())
    for entry in await bot.history():
        if CANARY in entry.text:
            await bot.forget(entry)
    left = bytes_of(tmp_path).lower()
    assert canary.lower() not in left
    assert b"quetzalcoatl" not in left
    assert await bot.facts.list() == []
    assert CANARY not in await bot.export()
    assert CANARY not in str((await bot.context()).messages)
    assert await bot.search(CANARY) == ()
    await store.aclose()
    assert canary.lower() not in bytes_of(tmp_path).lower()


async def test_what_covered_it_is_summarised_anew_from_what_is_left(tmp_path: Path):
    bot, provider, store = await filled(tmp_path / "x.db")
    before = await bot.context()
    assert CANARY in str(before.messages)
    for entry in await bot.history():
        if CANARY in entry.text:
            await bot.forget(entry)
    now = (await bot.context()).report
    assert now.left is not None
    assert now.left.unseen > 0
    provider.background_requests.clear()
    await bot.say(f"mark90 {WORDS}")
    await bot.wait_for_background()
    await bot.say(f"mark91 {WORDS}")
    report = (await bot.context()).report
    assert report.left is not None
    assert report.left.unseen == 0
    assert CANARY not in str([request.messages for request in (*provider.background_requests, *provider.requests[-2:])])
    assert "mark0" in str(provider.requests[-1].messages[0])
    await store.aclose()


async def test_a_deleted_conversation_leaves_nothing_either(tmp_path: Path):
    bot, _, store = await filled(tmp_path / "x.db")
    await bot.delete()
    await bot.conversation("fork").delete()
    left = bytes_of(tmp_path).lower()
    assert CANARY.lower().encode() not in left
    assert b"mark17" not in left
    assert await bot.facts.list() == []
    await store.aclose()


async def test_a_fact_that_is_deleted_leaves_nothing_of_itself(tmp_path: Path):
    store = SQLiteStore(tmp_path / "x.db")
    bot = AsyncChatbot(ScriptedProvider(echo=True), store=store)
    fact = await bot.facts.add(f"Breeds {CANARY}")
    await bot.facts.edit(fact, f"Breeds many {CANARY}")
    assert CANARY.encode() in bytes_of(tmp_path)
    await bot.facts.delete(fact)
    assert CANARY.encode() not in bytes_of(tmp_path)
    await store.aclose()


async def test_a_summary_that_is_being_made_of_it_is_not_kept(tmp_path: Path):
    import anyio

    from anaphora.providers.scripted import Delay
    from anaphora.values.events import Ended, TextDelta

    def slow(request: Request) -> ScriptedReply:
        return [Delay(0.3), TextDelta(f"They spoke of {CANARY}."), Ended("stop")]

    store = SQLiteStore(tmp_path / "x.db")
    provider = ScriptedProvider(echo=True, context_window=1_200, background=slow)
    bot = AsyncChatbot(provider, store=store)
    await bot.say(f"I like {CANARY} {WORDS}")
    for number in range(2, 30):
        await bot.say(f"mark{number} {WORDS}")
        if provider.background_requests:
            break
    await anyio.sleep(0.05)
    # As another process would, which knows nothing of the summary on its way.
    other = AsyncChatbot(ScriptedProvider(echo=True), store=SQLiteStore(tmp_path / "x.db"))
    there = other.conversation(bot.id)
    for entry in await there.history():
        if CANARY in entry.text:
            await there.forget(entry)
    await bot.wait_for_background()
    assert list(await store.summaries(bot._open.scope, (await bot.info()).head)) == []
    assert CANARY.lower().encode() not in bytes_of(tmp_path).lower()
    await store.aclose()
    await other._bot.store.aclose()
