"""Makes ChatGPT's messages readable: documents of its canvas, marks of citations, kinds of pictures and sounds. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from anaphora.transfer.tree import text_or
from anaphora.values.codec import Json

# Marks of characters for private use, as \ue200cite\ue202turn0search1\ue201.
_MARK = re.compile("\ue200([^\ue200\ue201]*)\ue201")
_OLD_MARK = re.compile(r"【(\d+)(?::\d+)?†([^】]*)】")
_KINDS = (("video", "video"), ("audio", "audio"), ("image", "image"))


def canvas_text(recipient: str, text: str) -> str:
    """Gives the document in a message to the canvas; empty if there is none in it."""
    if not recipient.startswith("canmore."):
        return ""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict):
        return text
    if isinstance(value.get("content"), str):
        name = text_or(value.get("name")).replace("_", " ")
        return f"**{name}**\n\n{value['content']}" if name else str(value["content"])
    changes = [text_or(one.get("replacement")) for one in _objects(value.get("updates"))]
    comments = [text_or(one.get("comment")) for one in _objects(value.get("comments"))]
    return "\n\n".join(filter(None, (*changes, *comments)))


def with_links(text: str, metadata: Json) -> str:
    """Puts links in the place of marks of citations, and removes marks that mean nothing outside of ChatGPT."""
    for reference in _objects(metadata.get("content_references")):
        mark = reference.get("matched_text")
        if isinstance(mark, str) and len(mark) > 1 and not mark.isspace():
            text = text.replace(mark, _link(reference))
    sources = {text_or(_mapping(one.get("metadata")).get("title")): one for one in _objects(metadata.get("citations"))}
    text = _OLD_MARK.sub(lambda found: _old_link(found[2], sources), text)
    return _MARK.sub(lambda found: _named(found[1]), text)


def media_kind(content_type: str) -> str:
    """Names a video, a sound or a picture by the kind of its pointer."""
    return next((name for word, name in _KINDS if word in content_type), "file")


def _link(reference: Json) -> str:
    """Gives the links that a mark stands for, as Markdown."""
    if isinstance(reference.get("alt"), str):
        return str(reference["alt"])
    items = [*_objects(reference.get("items")), reference]
    links = [f"[{text_or(one.get('title')) or one['url']}]({one['url']})" for one in items if text_or(one.get("url"))]
    return f"({', '.join(dict.fromkeys(links))})" if links else ""


def _old_link(title: str, sources: Mapping[str, Json]) -> str:
    url = text_or(_mapping(_mapping(sources.get(title)).get("metadata")).get("url"))
    if url:
        return f"[{title}]({url})"
    return "" if title in {"source", ""} else f"[{title}]"


def _named(mark: str) -> str:
    """Gives the words in a mark: the name of an entity, or of a link with its address."""
    kind, *rest = mark.split("\ue202")
    if kind == "url" and len(rest) > 1:
        return f"[{rest[0]}]({rest[1]})"
    if kind == "entity" and rest:
        try:
            names = json.loads(rest[0])
        except (ValueError, RecursionError):
            return ""
        return str(names[1]) if isinstance(names, list) and len(names) > 1 else ""
    return ""


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
