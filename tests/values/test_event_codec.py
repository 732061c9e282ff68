import json

import pytest

from anaphora import AsyncChatbot, Event, ScriptedProvider, Summary
from anaphora.errors import RateLimited
from anaphora.providers.retry import Retries
from anaphora.providers.scripted import ScriptedReply
from anaphora.values.event_codec import event_from_json, event_to_json
from anaphora.values.events import Ended, Finished, Planned, Retrying, ToolCallDelta


@pytest.mark.anyio
async def test_every_event_of_a_turn_survives_the_way_to_json_and_back():
    def look(at: str) -> str:
        """Looks."""
        return f"a {at}"

    limited = RateLimited("slow down", provider="scripted", status=429, retry_after=0.001, request_id="r")
    calls: ScriptedReply = [ToolCallDelta(0, "a", "look", '{"at": "map"}'), Ended("tool_calls")]
    provider = ScriptedProvider(limited, calls, "It is a map.", context_window=4_000)
    async with AsyncChatbot(provider, tools=[look], retries=Retries(first_delay=0.001), summary=Summary(), owner="ana") as bot:
        await bot.facts.add("Likes maps")
        events: list[Event] = [event async for event in bot.stream("What is there in my maps?").events]
    assert {Retrying, Planned, Finished} <= {type(event) for event in events}
    for event in events:
        copy = event_from_json(json.loads(json.dumps(event_to_json(event))))
        assert event_to_json(copy) == event_to_json(event)
        assert type(copy) is type(event)
        if not isinstance(event, Retrying | Finished):
            assert copy == event
    (retrying,) = (event for event in events if isinstance(event, Retrying))
    copy = event_from_json(event_to_json(retrying))
    assert isinstance(copy, Retrying)
    assert isinstance(copy.error, RateLimited)
    assert (copy.error.status, copy.error.request_id, str(copy.error)) == (429, "r", "slow down")


WRONG: list[object] = [None, [], {}, {"v": 1, "event": "Nonsense"}, {"v": 2, "event": "Warned"}, {"v": 1, "event": "Warned"}]


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_event_is_refused(value: object):
    with pytest.raises(ValueError, match="event"):
        event_from_json(value)
