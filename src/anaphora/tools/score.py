"""The score of a quiz, counted from the conversation itself, so that it is right on every branch."""

from __future__ import annotations

import json

from anaphora.tools.base import Caller


def score(right: bool, caller: Caller) -> str:
    """Record whether the user's answer to the last question was right; gives the score so far. Call it once for each answer.

    Args:
        right: whether the answer was right
    """
    counted = {result.call_id for message in caller.messages for result in message.tool_results if not result.failed}
    calls = [call for message in caller.messages for call in message.tool_calls if call.name == "score" and call.id in counted]
    # Models sometimes write a boolean as text.
    before = [str(json.loads(call.arguments).get("right")).lower() == "true" for call in calls]
    answers = [*before, right]
    return f"{sum(answers)} of {len(answers)} right"
