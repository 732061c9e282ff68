"""What the tests of all dialects share: reading an answer from bytes as the service does."""

from __future__ import annotations

from pathlib import Path

from anaphora.events import AnswerDraft, Ended, ProviderEvent
from anaphora.message import Message
from anaphora.providers.failures import Answerer
from anaphora.providers.lines import LineParser
from anaphora.providers.sse import SSEParser
from anaphora.providers.wire import Wire

WHO = Answerer("acme", None, "m")
DATA = Path(__file__).parent / "data"


def decoded(wire: Wire, data: bytes, *, size: int | None = None) -> list[ProviderEvent]:
    """The events of an answer whose bytes come in pieces of this size."""
    decoder, events, lines, parser = wire.decoder(), list[ProviderEvent](), LineParser(), SSEParser()
    pieces = [data] if size is None else [data[index : index + size] for index in range(0, len(data), size)]
    for piece in pieces:
        texts = lines.feed(piece) if wire.framing == "lines" else [text for _, text in parser.feed(piece)]
        for text in texts:
            events.extend(decoder.feed(text))
    for text in lines.end():
        events.extend(decoder.feed(text))
    return [*events, *decoder.end()]


def answer(events: list[ProviderEvent]) -> tuple[Message, Ended]:
    """The message that events make, and how it ended."""
    draft = AnswerDraft()
    *deltas, end = events
    assert isinstance(end, Ended)
    for event in deltas:
        assert not isinstance(event, Ended)
        draft.add(event)
    return draft.message(), end
