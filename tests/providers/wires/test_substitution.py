"""Every value of recorded answers replaced by others, and every cut: an error of our tree, no lost word, nothing pending.

``ANAPHORA_PROOFS=whole`` tries every place with every value; by default each place meets some of them.
"""

import copy
import json
import os
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from tests.doubles.dialects import DATA, WHO
from tests.providers.wires.test_dialects import FILES, WIRES

from anaphora import AsyncChatbot, ScriptedProvider
from anaphora.errors import AnaphoraError, ProviderError
from anaphora.providers.base import Request
from anaphora.providers.http.service import _Events, _read
from anaphora.providers.retry import Retries
from anaphora.providers.wires.json_lines import LineParser
from anaphora.values.events import ProviderEvent, TextDelta

pytestmark = pytest.mark.anyio
WHOLE = os.environ.get("ANAPHORA_PROOFS") == "whole"
OTHERS: list[Any] = [
    None, True, False, 0, -1, 5, 1.5, 10**30, -(10**30), "", "x", "\ud800", "\x00\x1f", "9" * 5_000,
    [], [None], ["x"], [[]], {}, {"x": None}, {"type": "text", "text": 5},
]  # fmt: skip


class Recorded(ScriptedProvider):
    """A provider that reads the bytes of a service's answer."""

    def __init__(self, dialect: str, data: bytes) -> None:
        super().__init__()
        self._dialect = dialect
        self._data = data

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        wire = WIRES[self._dialect]()
        decoder = wire.decoder()
        parser = LineParser() if wire.framing == "lines" else _Events("acme", 1 << 20)
        for data in [*parser.feed(self._data), *parser.end()]:
            for event in _read(WHO, decoder, data):
                yield event
        for event in decoder.end():
            yield event


def pieces(dialect: str) -> list[Any]:
    """The JSON values of a recorded answer."""
    lines = (DATA / FILES[dialect]).read_text().splitlines()
    found = (line.removeprefix("data:").strip() for line in lines if line.startswith(("data:", "{")))
    return [json.loads(line) for line in found if line.startswith("{")]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in a JSON value."""
    if path:
        yield path
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*path, key))


def written(dialect: str, values: list[Any]) -> bytes:
    start, end = ("", "\n") if dialect == "ollama" else ("data: ", "\n\n")
    return "".join(f"{start}{json.dumps(value)}{end}" for value in values).encode()


def substituted(dialect: str) -> Iterator[bytes]:
    values, number = pieces(dialect), 0
    for piece, value in enumerate(values):
        for path in places(value):
            for other in range(len(OTHERS)):
                number += 1
                if not WHOLE and number % 19:
                    continue
                changed = copy.deepcopy(values)
                at = changed[piece]
                for key in path[:-1]:
                    at = at[key]
                at[path[-1]] = OTHERS[other]
                yield written(dialect, changed)


async def stands(dialect: str, data: bytes) -> None:
    """Asks a bot whose service answers with these bytes; raises AssertionError if that harms anything."""
    shown = ""
    async with AsyncChatbot(Recorded(dialect, data), context_window=50_000, retries=Retries(attempts=0)) as bot:
        reply = bot.stream("hi")
        try:
            async for event in reply.events:
                shown += event.text if isinstance(event, TextDelta) else ""
        except AnaphoraError as error:
            assert str(error)  # noqa: PT017 -- most changes harm nothing
        branches = await bot.branches()
        stored = await bot.history() or branches
        assert all(entry.status != "pending" for entry in (*stored, *branches))
        kept = "".join(entry.text for entry in branches if entry.message.role == "assistant")
        assert shown.strip() in kept, (shown, kept)
        assert await bot.export("json")


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("dialect", FILES)
async def test_no_value_of_an_answer_leaves_the_tree_or_loses_a_word(dialect: str, anyio_backend: str):
    tried = 0
    for data in substituted(dialect):
        tried += 1
        try:
            await stands(dialect, data)
        except Exception as error:
            raise AssertionError(data.decode("utf-8", "replace")) from error
    assert tried > (200 if WHOLE else 15)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("dialect", FILES)
async def test_no_cut_of_an_answer_leaves_the_tree_or_loses_a_word(dialect: str, anyio_backend: str):
    data = (DATA / FILES[dialect]).read_bytes()
    for size in range(0, len(data), 1 if WHOLE else 37):
        await stands(dialect, data[:size])


async def test_an_unreadable_answer_is_the_provider_s_fault():
    with pytest.raises(ProviderError):
        async with AsyncChatbot(Recorded("openai", b'data: {"choices": 5}\n\n')) as bot:
            await bot.say("hi")
