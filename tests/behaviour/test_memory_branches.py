"""With any history of branches, conversations and owners, a context has nothing but what lies on its own branch."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.doubles.memory import marks_kept

from anaphora import AsyncChatbot, AsyncConversation, Facts, InMemoryStore, LastTurns, Recall, ScriptedProvider
from anaphora.context.window import FitContext, LastMessages, Window
from anaphora.providers.base import Request
from anaphora.stores.base import Store
from anaphora.stores.sqlite.store import SQLiteStore

WORDS = "the boat and the harbour with some more words about the sea"
STEPS = st.lists(
    st.tuples(st.sampled_from(["say", "say", "say", "say", "goto", "undo", "edit", "other"]), st.integers(0, 50)), max_size=25
)
WINDOWS: st.SearchStrategy[Window] = st.sampled_from([LastTurns(1), LastTurns(3), LastMessages(4, slide=True), FitContext()])


def marks(request: Request) -> set[str]:
    return set(re.findall(r"mark\d+", "\n".join(message.text for message in request.messages)))


async def branch_marks(conversation: AsyncConversation) -> set[str]:
    return {mark for entry in await conversation.history() for mark in re.findall(r"mark\d+", entry.text)}


async def walk(steps: Sequence[tuple[str, int]], window: Window, store: Store) -> None:
    provider = ScriptedProvider(echo=True, context_window=700, background=marks_kept)
    parts = {"window": window, "recall": Recall(conversations=False), "facts": Facts(learn=True)}
    mine = AsyncChatbot(provider, store=store, owner="me", **parts)  # type: ignore[arg-type]
    yours = AsyncChatbot(provider, store=store, owner="you", **parts)  # type: ignore[arg-type]
    here, there, strange = mine.conversation("here"), mine.conversation("there"), yours.conversation("here")
    for number, (step, choice) in enumerate(steps):
        current = strange if step == "other" and choice % 2 else there if step == "other" else here
        history = await current.history()
        asked = [entry for entry in history if entry.role == "user"]
        text = f"mark{number} {WORDS}"
        if step == "goto" and await here.branches():
            everything = await store.transcript(here._open.scope)
            await here.goto(everything[choice % len(everything)])
            continue
        if step == "undo":
            await here.undo()
            continue
        if step == "edit" and asked:
            await current.edit(asked[choice % len(asked)], text)
        else:
            await current.say(text)
        assert marks(provider.requests[-1]) <= await branch_marks(current)
        assert f"mark{number}" in marks(provider.requests[-1])
        await current.wait_for_background()


async def walk_on_disk(steps: Sequence[tuple[str, int]], window: Window) -> None:
    with TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "x.db")
        await walk(steps, window, store)
        await store.aclose()


@settings(max_examples=15, deadline=None)
@given(STEPS, WINDOWS)
def test_on_disk_they_are_too(steps: Sequence[tuple[str, int]], window: Window):
    asyncio.run(walk_on_disk(steps, window))


@settings(max_examples=40, deadline=None)
@given(STEPS, WINDOWS)
def test_branches_conversations_and_owners_are_kept_apart(steps: Sequence[tuple[str, int]], window: Window):
    asyncio.run(walk(steps, window, InMemoryStore()))
