import json

from hypothesis import given
from hypothesis import strategies as st

from anaphora.providers.models.vendors import VENDORS
from anaphora.providers.wires.failures import Answerer
from anaphora.providers.wires.openai_decoder import OpenAIDecoder
from anaphora.providers.wires.text_frame import TextFrame
from anaphora.values.draft import AnswerDraft
from anaphora.values.events import ProviderEvent


def chunk(text: str, *, finish: str | None = None, **more: object) -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"id": "c", "model": "m", "choices": [choice], **more})


def test_a_chunk_in_the_frame_gives_its_text():
    frame = TextFrame("content")
    frame.learn(chunk("one"), "one")
    assert frame.text(chunk("two")) == "two"
    assert frame.text(chunk('a "quote", ü and \n')) == 'a "quote", ü and \n'


def test_a_chunk_in_another_frame_gives_nothing():
    frame = TextFrame("content")
    assert frame.text(chunk("one")) is None
    frame.learn(chunk("one"), "one")
    for other in (chunk("two", finish="stop"), chunk("two", usage={}), chunk("two")[:-1], '{"error": "content"}', ""):
        assert frame.text(other) is None
    assert frame.text(chunk("two").replace("two", 'two", "refusal": "no')) is None
    assert frame.text(chunk("two").replace("two", "two\n")) is None


def test_a_frame_that_could_be_mistaken_is_not_learned():
    frame = TextFrame("content")
    twice = chunk("one", echo={"content": "one"})
    frame.learn(twice, "one")
    assert frame.text(twice) is None


def test_learning_stops_where_every_chunk_has_its_own_frame():
    frame = TextFrame("content")
    for number in range(20):
        frame.learn(chunk("one", padding=number), "one")
    assert frame.text(chunk("two", padding=7)) == "two"
    assert frame.text(chunk("two", padding=19)) is None


@given(st.lists(st.tuples(st.text(), st.booleans()), max_size=20))
def test_whatever_comes_the_text_is_what_parsing_every_chunk_gives(chunks: list[tuple[str, bool]]):
    decoder, draft = OpenAIDecoder(Answerer("p", None, "m"), VENDORS["openai-compatible"]), AnswerDraft()
    # A first increment that cannot be the beginning of the second keeps the question of repeated text out of this.
    for text, padded in [("\x00", False), ("\x01", False), *chunks]:
        events: list[ProviderEvent] = list(decoder.feed(chunk(text, padding=1) if padded else chunk(text)))
        for event in events:
            draft.add(event)  # type: ignore[arg-type]
    assert draft.message().text == "\x00\x01" + "".join(text for text, _ in chunks)
