import io
import json
import os
import zipfile
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.doubles.exports import bare_chatgpt_conversation, chatgpt_conversation, claude_conversation

from anaphora.errors import TranscriptFileError
from anaphora.transfer import json_items, sources
from anaphora.transfer.reading import Damaged, read_conversations
from anaphora.values.transcript import Transcript

PLAIN = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def zipped(path: Path, **members: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(name.replace("__", "/") + ".json", value if isinstance(value, bytes) else json.dumps(value))
    return path


def titles(path: Path) -> list[str]:
    return [one.info.title if isinstance(one, Transcript) else f"! {one}" for one in read_conversations(path)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([chatgpt_conversation(), bare_chatgpt_conversation()], ["Capital of France", "hello"]),
        (chatgpt_conversation(), ["Capital of France"]),
        ({"conversations": [chatgpt_conversation()]}, ["Capital of France"]),
        ([claude_conversation()], ["Three"]),
        (claude_conversation(), ["Three"]),
        (PLAIN, ["hi"]),
        ({"messages": PLAIN}, ["hi"]),
        ([{"messages": PLAIN}, {"messages": PLAIN[:2]}], ["hi", "hi"]),
        ([], []),
    ],
)
def test_what_a_file_is_is_found_out(tmp_path: Path, value: Any, expected: list[str]):
    assert titles(write(tmp_path / "x.json", value)) == expected


def test_a_plain_list_keeps_its_system_prompt(tmp_path: Path):
    (transcript,) = read_conversations(write(tmp_path / "x.json", PLAIN))
    assert isinstance(transcript, Transcript)
    assert transcript.info.system == "Be brief."
    assert [entry.text for entry in transcript.entries] == ["hi", "ho"]
    assert transcript.info.head == transcript.entries[-1].id


def test_the_old_zip_has_one_file_and_others_that_do_not_count(tmp_path: Path):
    path = zipped(tmp_path / "export.zip", conversations=[chatgpt_conversation()], user={"id": 1}, message_feedback=[{"x": 1}])
    assert titles(path) == ["Capital of France"]


def test_the_newer_zip_has_many_files(tmp_path: Path):
    parts = {f"conversations-{number:03}": [{**chatgpt_conversation(), "title": str(number)}] for number in range(60)}
    path = zipped(tmp_path / "export.zip", user={"id": 1}, shared_conversations=[{"id": 1}], **parts)
    assert titles(path) == [str(number) for number in range(60)]


def test_files_in_a_folder_of_conversations_are_found_as_well(tmp_path: Path):
    path = zipped(tmp_path / "export.zip", conversations__one=chatgpt_conversation(), account__user={"id": 1})
    assert titles(path) == ["Capital of France"]


def test_an_unpacked_export_is_read_from_its_folder(tmp_path: Path):
    write(tmp_path / "conversations-000.json", [chatgpt_conversation()])
    write(tmp_path / "user.json", {"id": 1})
    assert titles(tmp_path) == ["Capital of France"]


def test_a_damaged_entry_is_reported_and_the_rest_arrives(tmp_path: Path):
    path = write(tmp_path / "x.json", [3, chatgpt_conversation(), {"mapping": "?"}, {"title": "no"}, claude_conversation(), None])
    found = titles(path)
    assert [title for title in found if not title.startswith("!")] == ["Capital of France", "Three"]
    assert [title.partition(", ")[2] for title in found if title.startswith("!")] == [
        "conversation 1: it is no conversation of a kind known here",
        "conversation 3: its mapping is no object",
        "conversation 4: it is no conversation of a kind known here",
        "conversation 6: it is no conversation of a kind known here",
    ]


def test_a_file_that_breaks_off_gives_what_is_before(tmp_path: Path):
    whole = json.dumps([chatgpt_conversation(), claude_conversation()])
    path = tmp_path / "x.json"
    path.write_text(whole[:-200])
    good, damaged = read_conversations(path)
    assert isinstance(good, Transcript)
    assert isinstance(damaged, Damaged)
    assert "after 1 conversations it cannot be read further" in str(damaged)


def test_one_damaged_file_of_an_archive_does_not_spoil_the_others(tmp_path: Path):
    path = zipped(
        tmp_path / "x.zip", conversations1=b"{nonsense", conversations2=[chatgpt_conversation()], conversations3=b"\x00\xff"
    )
    found = titles(path)
    assert [title for title in found if not title.startswith("!")] == ["Capital of France"]
    assert len(found) == 3


def test_an_archive_that_is_cut_is_said_to_be_damaged(tmp_path: Path):
    whole = zipped(tmp_path / "x.zip", conversations=[chatgpt_conversation()]).read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(whole[:-30])
    with pytest.raises(TranscriptFileError, match="Download it again"):
        list(read_conversations(path))


def test_a_member_that_is_damaged_inside_is_reported(tmp_path: Path):
    path = zipped(tmp_path / "x.zip", conversations=[chatgpt_conversation()] * 50)
    data = bytearray(path.read_bytes())
    data[200:230] = bytes(30)
    path.write_bytes(bytes(data))
    assert any(isinstance(one, Damaged) for one in read_conversations(path))


def test_names_in_an_archive_are_never_paths(tmp_path: Path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../conversations.json", json.dumps([chatgpt_conversation()]))
        archive.writestr("/etc/conversations.json", json.dumps([claude_conversation()]))
    before = sorted(tmp_path.rglob("*"))
    assert sorted(titles(path)) == ["Capital of France", "Three"]
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_that_unpacks_without_end_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "LARGEST_FILE", 5_000_000)
    path = zipped(tmp_path / "bomb.zip", conversations=b"[" + b" " * 20_000_000 + b"]")
    assert path.stat().st_size < 50_000
    (damaged,) = read_conversations(path)
    assert isinstance(damaged, Damaged)
    assert "longer than" in damaged.reason


def test_an_entry_that_never_ends_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_items, "LONGEST_ITEM", 2_000_000)
    path = zipped(tmp_path / "bomb.zip", conversations=b'["' + b"x" * 20_000_000 + b'"]')
    (damaged,) = read_conversations(path)
    assert isinstance(damaged, Damaged)
    assert "an entry is longer" in damaged.reason


def test_deep_nesting_is_refused(tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_text("[" + "[" * 200_000 + "]" * 200_000 + "]")
    (damaged,) = read_conversations(path)
    assert isinstance(damaged, Damaged)


def test_bytes_that_are_no_utf8_cost_a_character_and_no_conversation(tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_bytes(json.dumps([claude_conversation()]).replace("First", "F@rst").encode().replace(b"@", b"\xff"))
    (transcript,) = read_conversations(path)
    assert isinstance(transcript, Transcript)
    assert transcript.entries[0].text.startswith("F\ufffdrst?")


def test_the_progress_reaches_its_end(tmp_path: Path):
    told: list[tuple[int, int]] = []
    path = zipped(tmp_path / "x.zip", conversations1=[chatgpt_conversation()] * 20, conversations2=[claude_conversation()])
    list(read_conversations(path, lambda done, total: told.append((done, total))))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("name", ["missing.json", "empty.zip"])
def test_where_nothing_is_nothing_is_read(tmp_path: Path, name: str):
    zipped(tmp_path / "empty.zip")
    with pytest.raises(TranscriptFileError):
        list(read_conversations(tmp_path / name))


def test_a_newer_format_of_ours_is_refused(tmp_path: Path):
    (damaged,) = read_conversations(write(tmp_path / "x.json", {"anaphora": 99, "conversations": [{}]}))
    assert isinstance(damaged, Damaged)
    assert "newer anaphora" in damaged.reason


def test_a_large_file_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_items, "_PIECE", 7)
    value = [1, 2.5, 'text with \\ and " and \u00e9', {"a": [None, True, {"b": "c" * 100}]}, [], {}, -17]
    reader = json_items.JSONReader(io.BytesIO(json.dumps(value).encode()))
    assert list(json_items.array_items(reader)) == value


def test_an_entry_with_broken_json_is_skipped_and_the_next_is_found(tmp_path: Path):
    whole = json.dumps([chatgpt_conversation(), {**chatgpt_conversation(), "title": "x"}, claude_conversation()], indent=1)
    path = tmp_path / "x.json"
    path.write_text(whole.replace('"title": "x",', '"title": x",'))
    found = titles(path)
    assert [title for title in found if not title.startswith("!")] == ["Capital of France", "Three"]
    assert len([title for title in found if title.startswith("!")]) == 1


def test_after_a_broken_entry_the_next_is_found_in_whatever_pieces_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = json.dumps([claude_conversation(), chatgpt_conversation(), claude_conversation()])
    broken = whole.replace('"uuid": "m2"', '"uuid": m2', 1)
    path = tmp_path / "x.json"
    path.write_text(broken)
    for size in (64, 500, 3_000, 1 << 20):
        monkeypatch.setattr(json_items, "_PIECE", size)
        found = titles(path)
        assert [title for title in found if not title.startswith("!")] == ["Capital of France", "Three"], size


def test_tabs_and_line_ends_inside_of_texts_do_no_harm(tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_text('[{"role": "user", "content": "a\tb\nc"}]')
    (transcript,) = read_conversations(path)
    assert isinstance(transcript, Transcript)
    assert transcript.entries[0].text == "a\tb\nc"


@pytest.mark.parametrize("time", ["1e300", "NaN", "Infinity", "-5", "1" + "0" * 400, "true", '"soon"'])
def test_times_that_are_none_become_none(tmp_path: Path, time: str):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([chatgpt_conversation()]).replace('"create_time": 1.0', f'"create_time": {time}'))
    (transcript,) = read_conversations(path)
    assert isinstance(transcript, Transcript)
    assert all(0 <= entry.created < 10 for entry in transcript.entries)


def test_milliseconds_are_seconds(tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps([chatgpt_conversation()]).replace('"update_time": 8.0', '"update_time": 1700000000000'))
    (transcript,) = read_conversations(path)
    assert isinstance(transcript, Transcript)
    assert transcript.info.updated == 1_700_000_000


def test_half_characters_anywhere_are_made_whole(tmp_path: Path):
    path = tmp_path / "x.json"
    value = [{**chatgpt_conversation(), "title": "\ud83d", "conversation_id": "id\ud83d"}]
    path.write_text(json.dumps(value).replace('"u1"', '"u1\\ud83d"'))
    (transcript,) = read_conversations(path)
    assert isinstance(transcript, Transcript)
    assert "\ufffd" in transcript.info.id + transcript.info.title
    json.dumps([entry.id for entry in transcript.entries], ensure_ascii=False).encode()


def test_plain_lists_that_differ_only_in_their_tools_are_two(tmp_path: Path):
    def one(name: str) -> Any:
        call = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
        return {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": [call]}]}

    found = read_conversations(write(tmp_path / "x.json", [one("a"), one("b")]))
    assert len({transcript.info.id for transcript in found if isinstance(transcript, Transcript)}) == 2


def test_a_message_without_content_is_damage(tmp_path: Path):
    (damaged,) = read_conversations(write(tmp_path / "x.json", [{"role": "user"}]))
    assert isinstance(damaged, Damaged)
    assert "no content" in damaged.reason


def test_a_list_of_our_own_conversations_keeps_everything(tmp_path: Path):
    message = {"id": "m", "parent": None, "role": "user", "parts": [{"type": "text", "text": "hi"}], "status": "complete"}
    numbers = {"created": 1.0, "tokens": 3, "counter": ""}
    about: dict[str, Any] = {"id": "c", "title": "t", "system": None, "head": "m", "created": 1.0, "updated": 1.0, "usage": {}}
    (transcript,) = read_conversations(write(tmp_path / "x.json", [{**about, "messages": [{**message, **numbers}]}]))
    assert isinstance(transcript, Transcript)
    assert transcript.entries[0].text == "hi"


def test_messages_without_end_are_not_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("anaphora.transfer.reading.LONGEST_CONVERSATION", 1 << 20)
    path = zipped(tmp_path / "bomb.zip", conversations=b"[" + b'{"role":"user","content":""},' * 100_000 + b"1]")
    (damaged,) = read_conversations(path)
    assert isinstance(damaged, Damaged)
    assert "longer than" in damaged.reason


def test_a_pipe_is_read_once(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    Thread(target=lambda: path.write_text(json.dumps(PLAIN))).start()
    assert titles(path) == ["hi"]
