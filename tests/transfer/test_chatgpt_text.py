"""Documents, citations and media in ChatGPT's and Claude's exports are readable and can be found."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from anaphora import Chatbot, ScriptedProvider
from anaphora.transfer.chatgpt_text import canvas_text, media_kind, with_links
from anaphora.transfer.claude import from_claude
from anaphora.transfer.reading import MOST_DAMAGED, MOST_REPORTED


@pytest.mark.parametrize(
    ("recipient", "text", "shown"),
    [
        ("canmore.create_textdoc", json.dumps({"name": "a_letter", "content": "Dear quokka"}), "**a letter**\n\nDear quokka"),
        ("canmore.update_textdoc", json.dumps({"updates": [{"pattern": ".*", "replacement": "Dear wombat"}]}), "Dear wombat"),
        ("canmore.comment_textdoc", json.dumps({"comments": [{"pattern": "x", "comment": "Too long."}]}), "Too long."),
        ("canmore.create_textdoc", "not JSON", "not JSON"),
        ("canmore.create_textdoc", "[1]", "[1]"),
        ("python", json.dumps({"content": "print(1)"}), ""),
    ],
)
def test_what_was_written_into_the_canvas_is_text(recipient: str, text: str, shown: str):
    assert canvas_text(recipient, text) == shown


CITED = "\ue200cite\ue202turn0search0\ue201"


@pytest.mark.parametrize(
    ("text", "metadata", "shown"),
    [
        (
            f"Peas are green {CITED}.",
            {"content_references": [{"matched_text": CITED, "alt": "([Peas](https://peas.example))"}]},
            "Peas are green ([Peas](https://peas.example)).",
        ),
        (
            f"Peas {CITED}",
            {"content_references": [{"matched_text": CITED, "items": [{"title": "Peas", "url": "https://p.example"}]}]},
            "Peas ([Peas](https://p.example))",
        ),
        (f"Peas {CITED}.", {}, "Peas ."),
        ('A \ue200entity\ue202["city","Paris","capital"]\ue201 trip', {}, "A Paris trip"),
        ("See \ue200url\ue202the page\ue202https://x.example\ue201", {}, "See [the page](https://x.example)"),
        ("It says so【4:0†notes.pdf】.", {}, "It says so[notes.pdf]."),
        ("It says so【4†source】.", {}, "It says so."),
        (
            "It says so【1†Peas】.",
            {"citations": [{"metadata": {"title": "Peas", "url": "https://p.example"}}]},
            "It says so[Peas](https://p.example).",
        ),
        ("plain", {"content_references": [{"matched_text": " "}, {"matched_text": ""}, 5], "citations": None}, "plain"),
    ],
)
def test_marks_of_citations_become_links_or_go(text: str, metadata: Any, shown: str):
    assert with_links(text, metadata) == shown


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("image_asset_pointer", "image"),
        ("audio_asset_pointer", "audio"),
        ("real_time_user_audio_video_asset_pointer", "video"),
        ("video_container_asset_pointer", "video"),
        ("", "file"),
    ],
)
def test_media_are_named_as_what_they_are(kind: str, name: str):
    assert media_kind(kind) == name


def test_artifacts_of_claude_are_text():
    blocks = [
        {
            "type": "tool_use",
            "name": "artifacts",
            "input": {"title": "Poem", "command": "create", "content": "The axolotl hums."},
        },
        {"type": "tool_use", "name": "artifacts", "input": {"id": "poem", "command": "update", "new_str": "It sings."}},
        {"type": "tool_use", "name": "create_file", "input": {"path": "/a.md", "file_text": "A file."}},
        {"type": "tool_use", "name": "web_search", "input": {"query": "axolotl"}},
        {"type": "text", "text": "Found it.", "citations": [{"details": {"url": "https://a.example"}}]},
        {"type": "text", "text": '<antArtifact identifier="x" title="Old">Old text.</antArtifact>'},
    ]
    found = from_claude({"uuid": "u", "name": "n", "chat_messages": [{"uuid": "m", "sender": "assistant", "content": blocks}]})
    assert found is not None
    text = found.entries[0].text
    for words in (
        "**Poem**",
        "The axolotl hums.",
        "It sings.",
        "**/a.md**",
        "A file.",
        "Found it. (https://a.example)",
        "**Old**",
    ):
        assert words in text
    assert "web_search" not in text
    assert "antArtifact" not in text


def test_a_file_of_nothing_but_damage_is_read_no_further_and_reported_in_part(tmp_path: Path):
    path = tmp_path / "c.json"
    path.write_text("[" + "{}," * (5 * MOST_DAMAGED) + "{}]")
    with Chatbot(ScriptedProvider()) as bot:
        done = bot.import_from(path)
    assert len(done.damaged) == MOST_REPORTED + 1
    assert done.damaged[-1].reason == f"{MOST_DAMAGED + 1 - MOST_REPORTED} further entries could not be read"


@pytest.mark.parametrize("unit", [',{"mapping":nope}', '},{"b":"'])
def test_damage_costs_no_more_than_its_length(tmp_path: Path, unit: str):
    """Python's memory is traced instead of time: each attempt that kept the text before it would copy or count it again."""
    path = tmp_path / "c.json"
    good = {"title": "t", "mapping": {"a": {"message": {"author": {"role": "user"}, "content": {"parts": ["peas"]}}}}}
    path.write_text('[{"mapping":nope}' + unit * 20_000 + f', {{"a": 1}}, {json.dumps(good)}]')
    tracemalloc.start()
    try:
        with Chatbot(ScriptedProvider()) as bot:
            done = bot.import_from(path)
        assert tracemalloc.get_traced_memory()[1] < 40 * path.stat().st_size
    finally:
        tracemalloc.stop()
    assert (done.read, len(done.damaged)) == (1, 1)
