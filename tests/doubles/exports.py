"""Small exports of other programs, as they come: with branches, hidden nodes, missing links and metadata."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def chatgpt_message(role: str, *texts: Any, time: float | None = None, **more: Any) -> Json:
    content = {"content_type": "text", "parts": list(texts)}
    return {"author": {"role": role}, "create_time": time, "content": content, "metadata": {}, "recipient": "all", **more}


def chatgpt_node(parent: str | None, message: Json | None, *children: str) -> Json:
    return {"parent": parent, "children": list(children), "message": message}


def chatgpt_conversation() -> Json:
    """A question that was answered twice; the second answer was gone on from, with a picture."""
    hidden = chatgpt_message("system", "secret", metadata={"is_visually_hidden_from_conversation": True})
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-1"}
    question = chatgpt_message("user", picture, "What is this?", time=5.0)
    question["content"]["content_type"] = "multimodal_text"
    question["metadata"] = {
        "attachments": [{"id": "file-1", "name": "cat.png"}, {"id": "file-2", "name": "notes.pdf"}],
    }
    mapping = {
        "client-created-root": chatgpt_node(None, None, "s"),
        "s": chatgpt_node("client-created-root", hidden, "u1"),
        "u1": chatgpt_node("s", chatgpt_message("user", "Capital of France?", time=1.0), "a1", "a2"),
        "a1": chatgpt_node("u1", chatgpt_message("assistant", "Lyon.", time=2.0, metadata={"model_slug": "gpt-4o"})),
        "a2": chatgpt_node("u1", chatgpt_message("assistant", "Paris.", time=3.0, metadata={"model_slug": "gpt-5"}), "u2"),
        "u2": chatgpt_node("a2", question, "t"),
        "t": chatgpt_node("u2", chatgpt_message("assistant", "look()", time=6.0, recipient="python"), "r"),
        "r": chatgpt_node("t", chatgpt_message("tool", "a cat", time=7.0, author={"role": "tool", "name": "python"}), "a3"),
        "a3": chatgpt_node("r", chatgpt_message("assistant", "A cat.", time=8.0)),
    }
    about = {"conversation_id": "11111111-aaaa", "title": "Capital\nof France", "create_time": 1.0, "update_time": 8.0}
    return {**about, "current_node": "a3", "default_model_slug": "auto", "mapping": mapping}


def bare_chatgpt_conversation() -> Json:
    """The same kind as exports of 2026 have it: no children, no metadata, the model with the conversation."""
    ask: Json = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["hello"]}}
    answer: Json = {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["hi"]}}
    mapping: Json = {"b": {"parent": "a", "message": answer}, "a": {"parent": "root", "message": ask}, "root": {}}
    return {"id": "22222222-bbbb", "title": None, "mapping": mapping, "default_model_slug": "gpt-5", "current_node": "gone"}


def claude_conversation() -> Json:
    def message(uuid: str, parent: str | None, sender: str, text: str, second: int, **more: Any) -> Json:
        content = [{"type": "text", "text": text}]
        time = f"2026-03-29T07:06:{second:02}.5Z"
        return {"uuid": uuid, "parent_message_uuid": parent, "sender": sender, "content": content, "created_at": time, **more}

    root = "00000000-0000-4000-8000-000000000000"
    attached = {"attachments": [{"file_name": "a.txt", "extracted_content": "the words"}], "files": [{"file_name": "b.png"}]}
    thinking = {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Third."}]}
    messages = [
        message("m1", root, "human", "First?", 1, **attached),
        message("m2", "m1", "assistant", "Second.", 2),
        message("m3", "m1", "assistant", "", 3, **thinking),
    ]
    about = {"uuid": "33333333-cccc", "name": "Three", "created_at": "2026-03-29T07:06:00Z", "updated_at": "2026-03-29T07:07:00Z"}
    return {**about, "account": {"uuid": "x"}, "chat_messages": messages}
