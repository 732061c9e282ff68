import pytest
from tests.doubles.exports import claude_conversation

from anaphora.transfer.claude import from_claude
from anaphora.values.message import Text, Thinking


def test_branches_attachments_and_thinking_are_kept():
    transcript = from_claude(claude_conversation())
    assert transcript is not None
    assert (transcript.info.id, transcript.info.title, transcript.info.head) == ("33333333-cccc", "Three", "m3")
    assert [(entry.id, entry.parent, entry.role) for entry in transcript.entries] == [
        ("m1", None, "user"),
        ("m2", "m1", "assistant"),
        ("m3", "m1", "assistant"),
    ]
    assert transcript.entries[0].text == "First?\n[attached: a.txt]\nthe words\n[attached: b.png]"
    assert transcript.entries[2].message.parts == (Thinking("hm"), Text("Third."))
    assert transcript.entries[1].created - transcript.entries[0].created == 1.0


def test_without_links_the_messages_follow_each_other():
    value = claude_conversation()
    for message in value["chat_messages"]:
        del message["parent_message_uuid"]
    transcript = from_claude(value)
    assert transcript is not None
    assert [(entry.id, entry.parent) for entry in transcript.entries] == [("m1", None), ("m2", "m1"), ("m3", "m2")]


def test_older_exports_have_the_text_beside_the_content():
    value = claude_conversation()
    value["chat_messages"] = [{"uuid": "m", "sender": "human", "text": "hello", "created_at": "nonsense"}]
    transcript = from_claude(value)
    assert transcript is not None
    assert transcript.entries[0].text == "hello"


def test_tools_are_kept_beside_the_answer():
    value = claude_conversation()
    blocks = [
        {"type": "tool_use", "name": "search", "input": {"q": "é"}},
        {"type": "tool_result", "content": ["found"]},
        {"type": "text", "text": "So."},
    ]
    value["chat_messages"][1]["content"] = blocks
    transcript = from_claude(value)
    assert transcript is not None
    assert transcript.entries[1].message.parts == (
        Thinking('search: {"q": "é"}'),
        Thinking('tool_result: ["found"]'),
        Text("So."),
    )


def test_an_empty_conversation_is_none():
    assert from_claude({"uuid": "x", "chat_messages": []}) is None


@pytest.mark.parametrize("messages", [None, "text", [3]])
def test_what_is_damaged_is_said(messages):
    with pytest.raises(ValueError, match="no list"):
        from_claude({"uuid": "x", "chat_messages": messages})
