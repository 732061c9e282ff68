"""Detects the kind of a file and reads its conversations one by one: ours, ChatGPT's, Claude's, or a plain list of messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anaphora.errors import TranscriptFileError
from anaphora.transfer.chatgpt import from_chatgpt, is_chatgpt
from anaphora.transfer.claude import from_claude, is_claude
from anaphora.transfer.full import MARK, VERSION, from_full
from anaphora.transfer.json_items import Broken, JSONReader, array_items, object_items
from anaphora.transfer.plain import from_plain
from anaphora.transfer.sources import Source, sources
from anaphora.values.codec import repaired_json
from anaphora.values.transcript import Transcript

# In bytes, for forms with one message per item; longer conversations come in forms with one conversation per item.
LONGEST_CONVERSATION = 1 << 25
# After so many damaged entries in a row, the rest of a file is not read.
MOST_DAMAGED = 1_000
# More damaged entries are only counted.
MOST_REPORTED = 100
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Damaged:
    """An entry that could not be read: its place and the reason."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: conversations read, conversations changed, new messages, damaged entries."""

    read: int
    changed: int
    messages: int
    damaged: tuple[Damaged, ...]


def read_conversations(path: Path, progress: Progress | None = None) -> Iterator[Transcript | Damaged]:
    """Yields every conversation of a file, a ZIP archive or a folder; an unreadable entry as Damaged.

    ``progress`` gets the bytes so far and in all. Raises TranscriptFileError if there is no file to read.
    """
    with ExitStack() as stack:
        found = sources(path, stack)
        if not found:
            raise TranscriptFileError(str(path), "has no JSON file in it: is it an export?")
        total = sum(source.size for source in found)
        done = 0
        for source in found:
            before = done

            def tell(read: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + read, total)

            yield from _read(source, tell)
            done += source.size
            tell(source.size)


def _read(source: Source, tell: Callable[[int], None]) -> Iterator[Transcript | Damaged]:
    number = damaged = 0
    try:
        with source.open() as stream:
            reader = JSONReader(stream)
            for number, (read, value) in enumerate(_values(reader), 1):
                where = f"{source.name}, conversation {number}"
                try:
                    transcript = read(repaired_json(value))
                except (ValueError, TypeError, AttributeError, KeyError, RecursionError, OverflowError) as error:
                    yield Damaged(where, f"{error}")
                    damaged += 1
                    if damaged == MOST_DAMAGED:
                        raise ValueError(f"{damaged} damaged entries follow one another") from None
                else:
                    damaged = 0
                    if transcript is not None:
                        yield transcript
                tell(reader.read_bytes)
    except ValueError as error:
        what = f"after {number} conversations it cannot be read further" if number else "it is not JSON that can be read"
        yield Damaged(source.name, f"{what}: {error}")
    except TranscriptFileError as error:
        yield Damaged(source.name, error.reason)


def _values(reader: JSONReader) -> Iterator[tuple[Callable[[Any], Transcript | None], Any]]:
    """Yields the conversations of a file, each with the function that reads it. Raises ValueError."""
    if reader.peek() == "[":
        yield from _listed(reader, array_items(reader, fits=_is_conversation))
        return
    members: dict[str, Any] = {}
    messages: list[Any] = []
    for name, value in object_items(reader, fits=_is_conversation):
        if name == "conversations":
            yield _foreign, value
        elif name in {"messages", "chat_messages"}:
            messages.append(value)
            _check_length(reader)
        else:
            members[name] = value
        if name == MARK and value != VERSION:
            raise ValueError(f"it was written by a newer anaphora (version {value}): update anaphora")
    if messages and "uuid" in members:
        yield from_claude, {**members, "chat_messages": messages}
    elif messages:
        yield _plain, messages
    elif "mapping" in members:
        yield from_chatgpt, members


def _listed(reader: JSONReader, items: Iterator[Any]) -> Iterator[tuple[Callable[[Any], Transcript | None], Any]]:
    """Yields the conversations of a list; a list of messages is one conversation."""
    messages: list[Any] = []
    for item in items:
        if isinstance(item, dict) and "role" in item and not is_chatgpt(item):
            messages.append(item)
            _check_length(reader)
        else:
            yield _foreign, item
    if messages:
        yield _plain, messages


def _check_length(reader: JSONReader) -> None:
    """Raises ValueError if the messages gathered in memory are too many."""
    if reader.read_bytes > LONGEST_CONVERSATION:
        raise ValueError(f"one conversation is longer than {LONGEST_CONVERSATION >> 20} MB")


def _is_conversation(value: Any) -> bool:
    return is_chatgpt(value) or is_claude(value) or (isinstance(value, dict) and isinstance(value.get("messages"), list))


def _foreign(value: Any) -> Transcript | None:
    if isinstance(value, Broken):
        raise ValueError(value.reason)
    if is_chatgpt(value):
        return from_chatgpt(value)
    if is_claude(value):
        return from_claude(value)
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        is_ours = any(isinstance(message, dict) and "parts" in message for message in value["messages"])
        return from_full(value) if is_ours or "head" in value else _plain(value["messages"])
    raise ValueError("it is no conversation of a kind known here")


def _plain(messages: Any) -> Transcript | None:
    return from_plain(messages, now=time.time())
