import pytest
from tests.doubles.exports import bare_chatgpt_conversation, chatgpt_conversation, chatgpt_message, chatgpt_node

from anaphora.transfer.chatgpt import from_chatgpt
from anaphora.values.message import Text, Thinking, ToolResult
from anaphora.values.transcript import Transcript


def read(value) -> Transcript:
    transcript = from_chatgpt(value)
    assert transcript is not None
    return transcript


def multimodal(part):
    return {"content_type": "multimodal_text", "parts": [part]}


def test_the_tree_keeps_siblings_and_the_current_branch():
    transcript = read(chatgpt_conversation())
    info = transcript.info
    assert (info.id, info.title, info.head, info.created, info.updated) == ("11111111-aaaa", "Capital of France", "a3", 1.0, 8.0)
    links = {entry.id: entry.parent for entry in transcript.entries}
    assert links == {"u1": None, "a1": "u1", "a2": "u1", "u2": "a2", "t": "u2", "r": "t", "a3": "r"}
    assert [entry.created for entry in transcript.entries] == [1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0]
    models = {entry.id: entry.model for entry in transcript.entries}
    assert (models["u1"], models["a1"], models["a2"], models["a3"]) == ("", "gpt-4o", "gpt-5", "auto")


def test_attachments_and_pictures_are_named():
    texts = {entry.id: entry.text for entry in read(chatgpt_conversation()).entries}
    assert texts["u2"] == "[image: cat.png]\nWhat is this?\n[attached: notes.pdf]"


def test_what_was_asked_of_a_tool_is_kept_but_is_no_answer():
    messages = {entry.id: entry.message for entry in read(chatgpt_conversation()).entries}
    assert messages["t"].parts == (Thinking("python: look()"),)
    assert messages["r"].parts == (ToolResult("t", "a cat", "python"),)


def test_missing_metadata_and_missing_links_do_no_harm():
    transcript = read(bare_chatgpt_conversation())
    assert [(entry.id, entry.parent, entry.text, entry.model) for entry in transcript.entries] == [
        ("a", None, "hello", ""),
        ("b", "a", "hi", "gpt-5"),
    ]
    assert transcript.info.head == "b"


def test_links_given_only_from_above_are_followed_too():
    value = bare_chatgpt_conversation()
    value["mapping"] = {
        "root": {"children": ["a"]},
        "a": {"message": chatgpt_message("user", "hello"), "children": ["b"]},
        "b": {"message": chatgpt_message("assistant", "hi")},
    }
    assert [(entry.id, entry.parent) for entry in read(value).entries] == [("a", None), ("b", "a")]


def test_a_conversation_without_an_id_gets_the_same_each_time():
    value = bare_chatgpt_conversation()
    del value["id"]
    assert read(value).info.id == read(value).info.id
    assert read(value).info.id.startswith("import_")


def test_a_head_that_says_nothing_is_the_message_above_it():
    value = chatgpt_conversation()
    value["mapping"]["end"] = chatgpt_node("a2", None)
    value["current_node"] = "end"
    assert read(value).info.head == "a2"


def test_an_empty_shell_is_no_conversation():
    assert from_chatgpt({"mapping": {}, "id": "x"}) is None
    assert from_chatgpt({"mapping": {"root": {"message": None, "parent": None}}, "id": "x"}) is None


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"content_type": "code", "language": "python", "text": "1+1"}, (Text("```python\n1+1\n```"),)),
        ({"content_type": "code", "language": "unknown", "text": "1+1"}, (Text("```\n1+1\n```"),)),
        ({"content_type": "execution_output", "text": "2"}, (Text("2"),)),
        ({"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "deep"}]}, (Thinking("deep"),)),
        ({"content_type": "tether_quote", "url": "http://x", "title": "T", "text": "words"}, (Text("T http://x\nwords"),)),
        (multimodal({"content_type": "audio_transcription", "text": "spoken"}), (Text("spoken"),)),
        (multimodal({"content_type": "image_asset_pointer", "metadata": {"dalle": {"prompt": "p"}}}), (Text("[image: p]"),)),
        ({"content_type": "text", "parts": ["half \ud83d"]}, (Text("half \ufffd"),)),
    ],
)
def test_every_kind_of_content_says_what_it_can(content, parts):
    value = bare_chatgpt_conversation()
    value["mapping"]["b"]["message"]["content"] = content
    assert read(value).entries[1].message.parts == parts


@pytest.mark.parametrize(
    "content", [{"content_type": "reasoning_recap", "content": "Thought for 3 s"}, {"content_type": "text", "parts": [""]}, None]
)
def test_what_says_nothing_is_left_out(content):
    value = bare_chatgpt_conversation()
    value["mapping"]["b"]["message"]["content"] = content
    assert [entry.id for entry in read(value).entries] == ["a"]


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ([], "no object"),
        ({"a": 3}, "no object"),
        ({"a": {"parent": "b", "message": chatgpt_message("user", "x")}, "b": {"parent": "a"}}, "circle"),
    ],
)
def test_what_is_damaged_is_said(mapping, reason):
    with pytest.raises(ValueError, match=reason):
        from_chatgpt({"id": "x", "mapping": mapping})


def test_an_answer_that_was_being_written_is_interrupted():
    value = chatgpt_conversation()
    value["mapping"]["a3"]["message"]["status"] = "in_progress"
    assert read(value).entries[-1].status == "interrupted"
