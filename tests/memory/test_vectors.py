"""Texts as rows of numbers."""

from collections.abc import Sequence

import numpy as np
import pytest
from tests.doubles.loopback import Loopback

from anaphora.errors import ConfigError, ProviderError
from anaphora.memory.vectors import Embedder, VectorIndex
from anaphora.search.vectors import VectorRow
from anaphora.stores.inmemory import InMemoryStore
from anaphora.stores.records import Draft
from anaphora.values.message import text_message
from anaphora.values.scope import Scope

pytestmark = pytest.mark.anyio


def lengths(texts: Sequence[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


async def asynchronous(texts: Sequence[str]) -> list[list[float]]:
    return lengths(texts)


@pytest.mark.parametrize("function", [lengths, asynchronous])
async def test_any_function_will_do_also_an_asynchronous_one(function):
    embedder = Embedder(function)
    (row, other) = await embedder.encode(["abc", "x"])
    assert np.frombuffer(row, dtype=np.int8).tolist() == [120, 40]
    assert np.frombuffer(other, dtype=np.int8).tolist() == [90, 90]
    assert function.__qualname__ in embedder.name


@pytest.mark.parametrize("wrong", [7, "scripted:x.txt"])
async def test_what_cannot_embed_is_refused_at_once(wrong: object, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("text: hi\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        Embedder(wrong)


async def test_the_rows_that_are_most_alike_are_found_also_those_that_came_later():
    store, owner = InMemoryStore(), "me"
    ids = [
        (await store.append(Scope(owner, "c"), Draft(None, text_message("user", "x" * (number + 1))))).id for number in range(40)
    ]
    embedder = Embedder(lambda texts: [[float(text == "same"), float(text != "same"), 0.2] for text in texts])
    index = VectorIndex(store, owner, embedder)
    assert await index.alike("same") == ({}, frozenset())
    plain = bytes(np.array([0, 120, 20], dtype=np.int8).tobytes())
    numbers = {one.message: one.number for one in await store.unembedded(owner, embedder.name, after=0, limit=50)}
    await store.save_vectors(owner, embedder.name, [VectorRow(numbers[one], one, 0, plain) for one in ids[:-1]])
    alike, similar = await index.alike("same")
    assert similar == frozenset()
    equal = bytes(np.array([120, 0, 20], dtype=np.int8).tobytes())
    await store.save_vectors(owner, embedder.name, [VectorRow(numbers[ids[-1]], ids[-1], 0, equal)])
    alike, similar = await index.alike("same")
    assert next(iter(alike)) == ids[-1]
    assert similar == {ids[-1]}
    index.forget()
    await store.forget(Scope(owner, "c"), ids[-1])
    assert ids[-1] not in (await index.alike("same"))[0]


async def test_a_service_is_asked_in_the_openai_dialect():
    answer = b'{"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 0]}]}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
    with Loopback() as server:
        server.answer(head + answer)
        server.answer(head + answer)
        from anaphora.providers.base import ProviderOptions
        from anaphora.providers.registry import open_provider, parse_model

        provider = open_provider(parse_model("openai:embed-small"), ProviderOptions(base_url=server.url, api_key="k"))
        rows = await provider.embed("embed-small", ["a", "b"])  # type: ignore[attr-defined]
        assert rows == [[3.0, 0.0], [0.0, 2.0]]
        assert server.seen[0].json == {"model": "embed-small", "input": ["a", "b"], "encoding_format": "float"}
        with pytest.raises(ProviderError):
            await provider.embed("embed-small", ["only one"])  # type: ignore[attr-defined]
        await provider.aclose()


async def test_a_connection_that_breaks_before_the_answer_is_tried_once_more():
    from anaphora.providers.base import ProviderOptions
    from anaphora.providers.registry import open_provider, parse_model

    answer = b'{"data": [{"index": 0, "embedding": [1, 2]}]}'
    with Loopback() as server:
        server.answer()
        server.answer(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)
        provider = open_provider(parse_model("openai:embed-small"), ProviderOptions(base_url=server.url, api_key="k"))
        assert await provider.embed("embed-small", ["a"]) == [[1.0, 2.0]]  # type: ignore[attr-defined]
        await provider.aclose()


@pytest.mark.parametrize("rows", [None, [[1.0]], [[1.0], [1.0, 2.0]], [[float("nan")], [1.0]], "ab", [1.0, 2.0]])
async def test_what_are_no_rows_is_said_in_our_words(rows):
    with pytest.raises(ConfigError, match="the embedder"):
        await Embedder(lambda _: rows).encode(["a", "b"])


async def test_two_questions_at_once_read_every_row_once():
    import anyio

    store = InMemoryStore()
    embedder = Embedder(lengths)
    ids = [(await store.append(Scope("me", "c"), Draft(None, text_message("user", "x" * (n + 1))))).id for n in range(5)]
    rows = await embedder.encode(["x" * (n + 1) for n in range(5)])
    numbers = {one.message: one.number for one in await store.unembedded("me", embedder.name, after=0, limit=9)}
    await store.save_vectors(
        "me", embedder.name, [VectorRow(numbers[one], one, 0, row) for one, row in zip(ids, rows, strict=True)]
    )
    index = VectorIndex(store, "me", embedder)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(index.alike, "abc")
    assert len(index._rows) == 5
