import base64
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.errors import UnreadableAnswer
from anaphora.providers.wires.sse import SSEParser

CASES = [
    (name, base64.b64decode(data), [tuple(event) for event in events])
    for name, data, events in json.loads((Path(__file__).parent.parent / "data" / "sse_cases.json").read_text(encoding="utf-8"))
]
PIECES = [
    b"data: a",
    b"data:b",
    b"event: x",
    b"id: 1",
    b": c",
    b"data",
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b"\xef\xbb\xbf",
    b"\xff",
    b"retry: 5",
]


def parsed(*chunks: bytes, limit: int = 1 << 20) -> list[tuple[str, str]]:
    parser = SSEParser(max_event_bytes=limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(("name", "data", "events"), CASES, ids=[case[0] for case in CASES])
def test_every_case_split_at_every_byte_gives_what_browsers_give(name: str, data: bytes, events: list[tuple[str, str]]):
    assert parsed(data) == events
    for middle in range(len(data) + 1):
        assert parsed(data[:middle], data[middle:]) == events, middle
    assert parsed(*(data[index : index + 1] for index in range(len(data)))) == events


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join), st.lists(st.integers(0, 300), max_size=6))
def test_where_the_bytes_are_split_makes_no_difference(data: bytes, places: list[int]):
    cuts = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    assert parsed(*(data[a:b] for a, b in itertools.pairwise(cuts))) == parsed(data)


def test_many_whole_events_in_one_read_are_all_there():
    parser = SSEParser()
    assert parser.feed(b": hello\n\n") == []
    assert parser.feed(b"data: 1\n\ndata: 2\n\nevent: x\ndata: 3\ndata: 4\n\n") == [
        ("message", "1"),
        ("message", "2"),
        ("x", "3\n4"),
    ]


@pytest.mark.parametrize("chunk", [b"data: ", b"data: x\n", b"x"])
def test_an_event_without_end_is_stopped_at_the_limit(chunk: bytes):
    with pytest.raises(UnreadableAnswer, match="more than 1000 bytes"):
        parsed(*[chunk] * 1_001, limit=1_000)


def test_one_long_event_in_one_read_is_stopped_too():
    with pytest.raises(UnreadableAnswer):
        parsed(b"data: a\n\n", b"data: " + b"x" * 2_000 + b"\n\n", limit=1_000)


def test_a_large_but_legal_event_passes():
    data = "x" * 900
    assert parsed(f"data: {data}\n\n".encode(), limit=1_000) == [("message", data)]
