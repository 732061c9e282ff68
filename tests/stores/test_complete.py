"""A store of one's own may begin with transcripts alone."""

from typing import Any

import pytest

from anaphora import AsyncChatbot, Chatbot, InMemoryStore, ScriptedProvider
from anaphora.errors import ConfigError
from anaphora.stores.base import Transcripts

VERBS = [name for name in vars(Transcripts) if not name.startswith("_") and callable(getattr(Transcripts, name))]


class Trees:
    """Keeps transcripts and nothing else."""

    def __init__(self) -> None:
        self._inner = InMemoryStore()
        for name in VERBS:
            setattr(self, name, getattr(self._inner, name))


@pytest.mark.anyio
async def test_a_store_of_transcripts_has_a_window_and_no_memory():
    store: Any = Trees()
    async with AsyncChatbot(ScriptedProvider(echo=True), store=store) as bot:
        await bot.conversation("c").say("My dog is called Rex")
        answer = await bot.conversation("c").say("What is the name of my dog?")
        assert answer.context is not None
        assert answer.context.window_messages == 3
        assert answer.context.asides.recalled.need.reason == "recall is off"
        assert await bot.facts.list() == []
        assert [info.id for info in await bot.conversations()] == ["c"]
        assert len(await bot.search("dog")) == 4


def test_what_is_no_store_is_refused():
    with pytest.raises(ConfigError, match="store must be"):
        Chatbot(ScriptedProvider(), store=5)  # type: ignore[arg-type]
