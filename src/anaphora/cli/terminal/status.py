"""The line below an answer: tokens, cache, speed."""

from __future__ import annotations

from anaphora.cli.terminal.listing import dollars
from anaphora.values.answer import Answer
from anaphora.values.message import Usage


def status_line(answer: Answer) -> str:
    """For example ``local · 37 tokens in (81% cached) · 12 out · 95/s``. What is not known is not said."""
    parts = [answer.model]
    usage = answer.usage
    if usage is not None:
        parts.append(f"{usage.input_tokens} tokens in{_cached(answer, usage)}")
        thought = f" ({usage.thinking_tokens} thinking)" if usage.thinking_tokens else ""
        parts.append(f"{usage.output_tokens} out{thought}")
        if usage.cost:
            parts.append(dollars(usage.cost))
        writing = answer.seconds - (answer.first_seconds or 0.0)
        if usage.output_tokens > 1 and writing > 0:
            parts.append(f"{usage.output_tokens / writing:.0f}/s")
    parts += cut_lines(answer)
    parts += _memory(answer)
    if answer.status != "complete":
        parts.append(answer.status)
    return " · ".join(parts)


def cut_lines(answer: Answer) -> list[str]:
    """Tells that an answer is not whole, by its finish reason."""
    told = {"length": "cut at the longest answer allowed", "content_filter": "cut by the provider's filter"}
    return [told[answer.finish]] if answer.finish in told else []


def _cached(answer: Answer, usage: Usage) -> str:
    """How much of the prompt came from the provider's cache, and why it is much less than before."""
    why = f": {answer.cache_loss}" if answer.cache_loss else ""
    return f" ({usage.cached_tokens / usage.input_tokens:.0%} cached{why})" if usage.cached_tokens or why else ""


def _memory(answer: Answer) -> list[str]:
    """Names the parts that the model did not see and those that were recalled."""
    if answer.context is None:
        return []
    left, recalled = answer.context.left, answer.context.asides.passages
    parts = []
    if recalled:
        parts.append(f"{len(recalled)} passage{'s' * (len(recalled) > 1)} recalled")
    if left is not None and left.summarised:
        parts.append(f"{left.summarised} older messages summarised")
    if left is not None and left.unseen:
        parts.append(f"{left.unseen} older messages not shown to the model")
    return parts
