"""Reads answers of the OpenAI chat-completions dialect, as OpenAI and other services write them.

It accepts these quirks: empty ``choices``, one answer in several choices, chunks without ``delta``, usage in a late chunk, in
every chunk or under ``x_groq``, reasoning under several names or in ``<think>`` tags, text that repeats itself cumulatively,
tool calls without index, with the same index or with changing ids, errors inside a success, a whole JSON answer instead of a
stream.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from anaphora.errors import StreamInterrupted
from anaphora.providers.models.vendors import Vendor
from anaphora.providers.wires.base import Counts, broken_off, json_chunk, name_text
from anaphora.providers.wires.failures import Answerer, from_error_object
from anaphora.providers.wires.pictures import picture_at, with_pictures
from anaphora.providers.wires.text_frame import TextFrame
from anaphora.providers.wires.think_tags import ThinkTags
from anaphora.values.codec import Json
from anaphora.values.events import Ended, ImageDelta, ProviderEvent, TextDelta, ThinkingDelta, ToolCallDelta
from anaphora.values.message import Finish, Usage, is_worse

# The fields for thinking. A service that needs its thinking back wants it under the same name.
THINKING = ("reasoning_content", "reasoning")
_FINISHES: Mapping[str, Finish] = {
    **{name: name for name in get_args(Finish)},
    **dict.fromkeys(("eos", "eos_token", "end", "complete", "completed"), "stop"),
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "safety": "content_filter",
}
# A larger statement of a cost, in its own units, is a mistake.
_MOST_COST = 1e16
# The details of thinking that go back may be so long.
_MOST_DETAILS = 4 << 20
_VENDOR_DETAILS = ("timings", "system_fingerprint", "provider", "service_tier")


class OpenAIDecoder:
    """A reader of one streamed answer."""

    def __init__(self, who: Answerer, vendor: Vendor) -> None:
        self._who = who
        self._vendor = vendor
        self._frame = TextFrame("content")
        self._text = _TextFold()
        self._tags = ThinkTags()
        self._thoughts = _ThoughtFold(who.service)
        self._calls = _ToolCallFold(who.service)
        self._finish: Finish | None = None
        self._raw_finish = ""
        self._is_refused = False
        # The choices whose calls are read.
        self._with_calls: set[int] = set()
        self._id = ""
        self._bill = _Bill(vendor)
        self._model = ""
        self._details: dict[str, Any] = {}

    def feed(self, data: str, /) -> Sequence[ProviderEvent]:
        """Reads the data of one event and gives its deltas."""
        text = None if self._thoughts.is_open else self._frame.text(data)
        if text:
            return self._words(text)
        if data.strip() in {"[DONE]", ""}:
            return ()
        chunk = json_chunk(self._who, data, began=bool(self._model))
        choices = chunk.get("choices")
        news = not self._model or chunk.get("usage") or "error" in chunk or "x_groq" in chunk or "timings" in chunk
        if news or not choices:
            self._read_envelope(chunk)
        if not choices or not isinstance(choices, list):
            return ()
        events = [event for place, choice in enumerate(choices) for event in self._choice(place, choice)]
        if not news and len(choices) == 1 and len(events) == 1 and type(events[0]) is TextDelta:
            self._frame.learn(data, events[0].text)
        return events

    def end(self) -> Sequence[ProviderEvent]:
        """Gives the held text, then Ended.

        Raises StreamInterrupted if no finish reason came: [DONE] or end of file alone is a cut.
        """
        held = [*self._split(self._text.rest()), *self._tags.rest(), *self._thoughts.close()]
        if self._finish is None:
            raise broken_off(self._who)
        finish = "content_filter" if self._is_refused and self._finish in {"stop", "tool_calls"} else self._finish
        return (*held, Ended(finish, self._bill.usage(), self._model, self._details, self._id, self._raw_finish))

    def _words(self, text: str) -> Sequence[ProviderEvent]:
        return self._split(self._text.add(text))

    def _split(self, text: str) -> Sequence[ProviderEvent]:
        """Takes thinking and pictures out of a text."""
        events: Sequence[ProviderEvent] = self._tags.read(text) if text else ()
        if "data:image/" in text:
            return [one for event in events for one in (with_pictures(event.text) if type(event) is TextDelta else (event,))]
        return events

    def _read_envelope(self, chunk: Mapping[str, Any]) -> None:
        groq = chunk.get("x_groq")
        groq = groq if isinstance(groq, dict) else {}
        error = chunk.get("error") or groq.get("error")
        if error or chunk.get("object") == "error":
            raise from_error_object(self._who, error or chunk)
        model = chunk.get("model")
        if isinstance(model, str) and model:
            self._model = model
        self._id = name_text(chunk.get("id")) or self._id
        self._bill.read(chunk.get("usage"))
        self._bill.read(groq.get("usage"))
        self._details.update({name: chunk[name] for name in _VENDOR_DETAILS if chunk.get(name)})
        if not self._model and "choices" in chunk:
            self._model = self._who.model or "?"

    def _choice(self, place: int, choice: Any) -> Iterator[ProviderEvent]:
        """Reads a choice. Some services give one answer in several choices: the calls of all are read, the text of the first."""
        if not isinstance(choice, dict):
            return
        index = choice.get("index")
        number = index if type(index) is int and index else place
        delta = choice.get("delta") or choice.get("message")
        delta = delta if isinstance(delta, dict) else {}
        calls = delta.get("tool_calls")
        finish = choice.get("finish_reason")
        self._with_calls.update({number} if isinstance(calls, list) and calls else ())
        if number and number not in self._with_calls:
            return
        if finish == "error":
            raise from_error_object(self._who, choice.get("error") or {"message": "the model failed", "code": 502})
        if finish and is_worse(reason := _FINISHES.get(str(finish).lower(), "unknown"), self._finish):
            self._finish, self._raw_finish = reason, str(finish)
        text = delta.get("content")
        if isinstance(text, str) and not (self._thoughts.is_open or delta.keys() - {"role", "content"}):
            yield from self._words(text) if text else ()
            return
        yield from self._delta(number, delta, None if number else text)

    def _delta(self, choice: int, delta: Mapping[str, Any], text: Any) -> Iterator[ProviderEvent]:
        yield from self._thoughts.add(delta)
        images = delta.get("images")
        for part in [*(text if isinstance(text, list) else ()), *(images if isinstance(images, list) else ())]:
            address = part.get("image_url") if isinstance(part, dict) else None
            image = picture_at(address.get("url") if isinstance(address, dict) else address)
            if image is not None:
                yield ImageDelta(image)
        if isinstance(text, list):
            texts = (part.get("text") for part in text if isinstance(part, dict))
            text = "".join(piece for piece in texts if isinstance(piece, str))
        if not text and delta.get("refusal"):
            text, self._is_refused = delta["refusal"], True
        if isinstance(text, str) and text:
            yield from self._thoughts.close()
            yield from self._words(text)
        calls = delta.get("tool_calls")
        old = delta.get("function_call")
        for call in calls if isinstance(calls, list) else [{"index": 0, "function": old}] if isinstance(old, dict) else ():
            if isinstance(call, dict):
                yield from self._thoughts.close()
                yield self._calls.add(choice, call)


class _ThoughtFold:
    """The thinking of an answer, and what ``service`` wants back with it: its field, or OpenRouter's ``reasoning_details``."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._field = ""
        self._pieces: list[Json] = []
        self._size = 0

    @property
    def is_open(self) -> bool:
        """True while thinking comes."""
        return bool(self._field or self._pieces)

    def add(self, delta: Mapping[str, Any]) -> Iterator[ThinkingDelta]:
        """Yields the thinking in a delta."""
        details = delta.get("reasoning_details")
        for piece in details if isinstance(details, list) else ():
            if isinstance(piece, dict):
                self._size += len(str(piece))
                if self._size > _MOST_DETAILS:
                    raise StreamInterrupted(f"the thinking has details of more than {_MOST_DETAILS >> 20} MiB.", retryable=False)
                self._add_detail(piece)
        for name in THINKING:
            text = delta.get(name)
            if isinstance(text, str) and text:
                self._field = name
                yield ThinkingDelta(text)
                return

    def close(self) -> Iterator[ThinkingDelta]:
        """Yields the end of a block of thinking, if one is open."""
        if self.is_open:
            details = {"details": self._pieces} if self._pieces else {}
            yield ThinkingDelta("", {"vendor": self._service, "field": self._field, **details})
            self._field, self._pieces = "", []

    def _add_detail(self, piece: Json) -> None:
        """Adds a piece, joined with the one before if both belong to one block."""
        last = self._pieces[-1] if self._pieces else {}
        if last.get("type") != piece.get("type") or last.get("index") != piece.get("index"):
            self._pieces.append(dict(piece))
            return
        for name, value in piece.items():
            before = last.get(name)
            joins = name in {"text", "summary", "data"} and isinstance(before, str) and isinstance(value, str)
            last[name] = before + value if joins and before is not None else value if value is not None else before


class _TextFold:
    """A detector of cumulative deltas, which repeat all text so far (seen in gateways, qwen-code).

    A delta that begins with all earlier text is held until the next delta decides: two repetitions mean cumulative.
    """

    def __init__(self) -> None:
        self._mode = "unknown"
        self._seen = ""
        self._held = ""

    def add(self, text: str) -> str:
        """Gives the new text of this delta."""
        if self._mode == "increments":
            return text
        if self._mode == "cumulative":
            new = text.removeprefix(self._seen)
            self._seen = text
            return new
        if not self._seen:
            self._seen = text
            return text
        if self._held:
            if text.startswith(self._held) and len(text) > len(self._held):
                self._mode = "cumulative"
                new, self._seen, self._held = text.removeprefix(self._seen), text, ""
                return new
            text, self._held = self._held + text, ""
        elif text.startswith(self._seen) and len(text) > len(self._seen):
            self._held = text
            return ""
        self._mode = "increments"
        return text

    def rest(self) -> str:
        """Gives the text that is held when the stream ends: two deltas are too few to call it cumulative."""
        held, self._held = self._held, ""
        return held


class _ToolCallFold:
    """The numbers of tool calls, for servers that omit, reuse or change ``index`` and ``id``.

    A known id continues its call. A piece at a known index continues the newest call there, unless it brings a name and is
    clearly another call: with an id of its own, another name, or after whole arguments. A piece without index, id and name
    continues the last call.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._ids: list[str] = []
        self._names: list[str] = []
        self._arguments: list[str] = []
        self._number: dict[tuple[int, int], int] = {}

    def add(self, choice: int, call: Mapping[str, Any]) -> ToolCallDelta:
        """Reads one piece of a call."""
        raw = call.get("function")
        function = raw if isinstance(raw, dict) else {}
        call_id, name = name_text(call.get("id")), name_text(function.get("name"))
        arguments = function.get("arguments")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments) if arguments is not None else ""
        index = self._place(choice, call.get("index"), call_id, name, arguments)
        if call_id and self._ids[index] == call_id and arguments and arguments.strip() == self._arguments[index].strip():
            # The whole call once more, as some servers end with.
            arguments = ""
        self._ids[index] = self._ids[index] or call_id
        self._names[index] = self._names[index] or name
        self._arguments[index] += arguments
        extras = {key: value for key, value in call.items() if key not in {"index", "id", "type", "function"} and value}
        opaque = {"vendor": self._service, "extras": extras} if extras else {}
        return ToolCallDelta(index, call_id, name, arguments, opaque)

    def _place(self, choice: int, given: Any, call_id: str, name: str, arguments: str) -> int:
        if call_id and call_id in self._ids:
            return self._ids.index(call_id)
        if isinstance(given, str) and given.isdecimal() and len(given) < 10:
            given = int(given)
        last = len(self._ids) - 1
        if type(given) is not int:
            is_rest = not (call_id or name) or self._is_rest(last, name, arguments)
            return last if self._ids and is_rest else self._new()
        known = self._number.get((choice, given))
        if known is None or self._is_another(known, call_id, name, arguments):
            known = self._number[choice, given] = self._new()
        return known

    def _is_another(self, known: int, call_id: str, name: str, arguments: str) -> bool:
        """True if a piece with a name is not the rest of a known call."""
        if not name or self._is_rest(known, name, arguments):
            return False
        if call_id and self._ids[known]:
            return True
        return name != self._names[known] or (_is_whole(self._arguments[known]) and arguments.startswith("{"))

    def _is_rest(self, known: int, name: str, arguments: str) -> bool:
        """True if a piece repeats the name of a call without arguments and brings them."""
        return 0 <= known < len(self._names) and name == self._names[known] and not self._arguments[known] and bool(arguments)

    def _new(self) -> int:
        self._ids.append("")
        self._names.append("")
        self._arguments.append("")
        return len(self._ids) - 1


def _is_whole(arguments: str) -> bool:
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False


class _Bill:
    """The usage of one answer, from all reports of it."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._counts = Counts()
        self._cost: float | None = None

    def read(self, usage: Any) -> None:
        """Reads a report."""
        if not isinstance(usage, Mapping):
            return
        counts = self._counts
        # DeepSeek has its own name for the cached tokens.
        counts.read(
            usage, prompt="prompt_tokens", output="completion_tokens", total="total_tokens", cached="prompt_cache_hit_tokens"
        )
        counts.read(usage.get("prompt_tokens_details"), cached="cached_tokens", cache_write="cache_write_tokens")
        counts.read(usage.get("completion_tokens_details"), thinking="reasoning_tokens")
        cost = usage.get(self._vendor.cost_field) if self._vendor.cost_field else None
        if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < _MOST_COST:
            upstream = usage.get("cost_details") if usage.get("is_byok") else None
            more = upstream.get("upstream_inference_cost") if isinstance(upstream, Mapping) else 0
            # With a key of one's own the service states its fee alone.
            more = more if isinstance(more, int | float) and not isinstance(more, bool) and 0 <= more < _MOST_COST else 0
            self._cost = max(cost * self._vendor.cost_unit + more, self._cost or 0.0)

    def usage(self) -> Usage | None:
        """Gives the usage; None if input and output are both zero, as LiteLLM reports."""
        counts = self._counts
        prompt, output, thinking = counts["prompt"], counts["output"], counts["thinking"]
        # xAI counts thinking beside the output, others inside; the sum tells.
        if thinking > output or (thinking and counts["total"] == prompt + output + thinking):
            output += thinking
        if not prompt and not output and not self._cost:
            return None
        return Usage(prompt, counts["cached"], output, thinking, self._cost, counts["cache_write"])
