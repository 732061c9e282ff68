"""A scripted memory for tests: summaries that name every marked word of what they were made of, and facts by a rule."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from anaphora.providers.base import Request
from anaphora.providers.scripted import ScriptedReply

Background = Callable[[Request], ScriptedReply]


def material(request: Request) -> str:
    """What a request quotes of the conversation."""
    return request.messages[-1].text.partition("<conversation>")[2].partition("</conversation>")[0]


def marks_kept(request: Request) -> ScriptedReply:
    """A summary with every word like ``mark7`` of the messages it is made of; facts from sentences like ``I live in Lyon.``"""
    if request.purpose == "facts":
        return facts_found(request)
    return "They said " + " ".join(dict.fromkeys(re.findall(r"mark\d+", material(request)))) + "."


def facts_found(request: Request) -> str:
    """Every ``I live in CITY`` is a fact, and replaces what is known of where the user lives."""
    known = re.findall(r"^(fact_\w+): Lives in", request.messages[-1].text, re.MULTILINE)
    found = []
    for number, text in re.findall(r"\[(\d+)\] (.*?)(?=\n\n\[|\Z)", material(request).strip(), re.DOTALL):
        for city in re.findall(r"I live in (\w+)", text):
            replaces = known[-1] if known else None
            found.append({"fact": f"Lives in {city}", "message": int(number), "quote": f"I live in {city}", "replaces": replaces})
    return json.dumps({"facts": found})
