import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anaphora.errors import TranscriptFileError
from anaphora.transfer.plain import read_plain, write_plain
from anaphora.values.message import Image, Message, Text, Thinking, ToolCall, ToolResult, Usage, text_message
from anaphora.values.transcript import Entry, Size

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
messages = st.one_of(
    st.builds(text_message, st.sampled_from(["user", "assistant"]), texts),
    st.builds(lambda a, b: Message("assistant", (Thinking(a, {"signature": b}), Text(b))), texts, texts),
    st.builds(lambda a: Message("assistant", (ToolCall("1", a, "{}"), ToolCall("2", a, "[]"))), texts),
    st.builds(lambda a: Message("tool", (ToolResult("1", a),)), texts),
    st.builds(lambda a: Message("tool", (ToolResult("1", a, "f", failed=True), ToolResult("2", a))), texts),
    st.builds(lambda a: Message("user", (Text(a), Image(b"\x00\x01", "image/png"))), texts),
)


def entry(message: Message, usage: Usage | None = None) -> Entry:
    return Entry("m", None, 1, message, "complete", Size(), 0.0, usage, "model-1" if usage else "")


def written(path: Path, system: str, *items: Message) -> list[dict[str, object]]:
    write_plain(path, system, [entry(item) for item in items])
    value = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(value, list)
    return value


def test_a_plain_conversation_is_the_list_of_every_tutorial(tmp_path: Path):
    assert written(tmp_path / "c.json", "Be brief.", text_message("user", "hi"), text_message("assistant", "hello")) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
    ]


@given(st.lists(messages, max_size=6), st.text(st.characters(exclude_categories=["Cs"])))
def test_everything_survives_the_round_trip(tmp_path_factory: pytest.TempPathFactory, items: list[Message], system: str):
    path = tmp_path_factory.mktemp("plain") / "c.json"
    usage = Usage(5, 2, 3)
    write_plain(path, system, [entry(item, usage) for item in items])
    got_system, got = read_plain(path)
    assert got_system == system
    assert [(item.message, item.usage, item.model, item.status) for item in got] == [
        (item, usage, "model-1", "complete") for item in items
    ]


def test_a_tool_call_is_written_as_openai_writes_it(tmp_path: Path):
    call, result = Message("assistant", (ToolCall("a", "look", "{}"),)), Message("tool", (ToolResult("a", "seen"),))
    first, second = written(tmp_path / "c.json", "", call, result)
    assert first["tool_calls"] == [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    assert second == {"role": "tool", "content": "seen", "tool_call_id": "a"}
    assert "anaphora" not in first


def test_a_list_that_another_program_wrote_is_read(tmp_path: Path):
    path = tmp_path / "c.json"
    path.write_text(
        '\ufeff[{"role":"developer","content":"A"},{"role":"system","content":"B"},'
        '{"role":"user","content":[{"type":"text","text":"hi "},{"type":"input_text","text":"you"}]},'
        '{"role":"assistant","content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}],"extra":1}]',
        encoding="utf-8",
    )
    system, items = read_plain(path)
    assert system == "A\n\nB"
    assert [item.message for item in items] == [text_message("user", "hi you"), Message("assistant", (ToolCall("a", "f", "{}"),))]


def test_messages_inside_an_object_are_found(tmp_path: Path):
    path = tmp_path / "c.json"
    path.write_text('{"messages": [{"role": "user", "content": "hi"}], "model": "x"}', encoding="utf-8")
    assert len(read_plain(path)[1]) == 1


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ('[\n{"role": "user",\n "content": "a"},\n{"role": "user"\n "content": 1}]', 5, "is not JSON"),
        ('[\n{"role": "user", "content": "a"},\n{"role": "guest", "content": "b"}]', 3, "message 2: the role is 'guest'"),
        ('[{"role": "user", "content": 5}]', 1, "neither text nor a list"),
        ('[{"role": "user", "content": [{"type": "image_url"}]}]', 1, "only text can be loaded"),
        ('["hello"]', 1, "it is not an object"),
        ('[{"role": "user", "content": "a", "anaphora": {"parts": [{"type": "x"}]}}]', 1, "unknown kind of part"),
        ('[{"role": "user", "content": "a", "anaphora": {"status": "odd"}}]', 1, "unknown status"),
        ('[{"role": "assistant", "content": "", "tool_calls": [1]}]', 1, "without a function"),
        ('"just text"', None, "must be a list"),
        ("[" * 100_000, None, "not JSON"),
        ("", 1, "is not JSON"),
    ],
)
def test_a_malformed_file_is_refused_with_line_and_reason(tmp_path: Path, source: str, line: int | None, reason: str):
    path = tmp_path / "c.json"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(TranscriptFileError, match=reason) as caught:
        read_plain(path)
    assert caught.value.line == line
    assert str(path) in str(caught.value)


def test_other_programs_shapes_of_tool_calls_are_read(tmp_path: Path):
    call = {"id": "a", "function": {"name": "look", "arguments": {"city": "Paris"}}}
    path = tmp_path / "chat.json"
    items = [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "function", "content": "sunny"}]
    path.write_text(json.dumps({"tools": [], "messages": items}), encoding="utf-8")
    _, (asked, told) = read_plain(path)
    assert asked.message.tool_calls == (ToolCall("a", "look", '{"city": "Paris"}'),)
    assert told.message.tool_results[0].text == "sunny"
    path.write_text(json.dumps({"tools": [], "messages": [*items, 7]}), encoding="utf-8")
    with pytest.raises(TranscriptFileError, match="line 1"):
        read_plain(path)


def test_a_file_that_is_not_there_or_not_text_is_said_so(tmp_path: Path):
    with pytest.raises(TranscriptFileError, match="No such file"):
        read_plain(tmp_path / "none.json")
    (tmp_path / "binary").write_bytes(b"[\xff]")
    with pytest.raises(TranscriptFileError, match="not UTF-8"):
        read_plain(tmp_path / "binary")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "c.json"
    written(path, "", text_message("user", "first"))
    with pytest.raises(TranscriptFileError, match="cannot be written"):
        write_plain(tmp_path / "no" / "c.json", "", [])
    assert [item.name for item in tmp_path.iterdir()] == ["c.json"]


def test_an_answer_that_was_being_written_is_loaded_as_interrupted(tmp_path: Path):
    path = tmp_path / "c.json"
    path.write_text('[{"role": "assistant", "content": "Par", "anaphora": {"status": "pending"}}]', encoding="utf-8")
    assert read_plain(path)[1][0].status == "interrupted"
