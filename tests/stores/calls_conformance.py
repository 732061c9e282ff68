"""What every store must do for the bill."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from tests.doubles.entries import HERE, MakesStore

from anaphora.stores.base import Store
from anaphora.stores.records import Change, Draft
from anaphora.values.message import Message, Usage, text_message
from anaphora.values.tokens import Estimate
from anaphora.values.usage import Call

pytestmark = pytest.mark.anyio

NOW = time.time()
TODAY = datetime.fromtimestamp(NOW).astimezone().date().isoformat()


def call(purpose: str = "answer", *, cost: float | None = 0.5, created: float = NOW, model: str = "m", here: str = "c1") -> Call:
    return Call(here, model, purpose, created, Usage(10, 4, 2, 1, cost, 3))  # type: ignore[arg-type]


class CallsConformance(MakesStore):
    async def test_calls_are_taken_together_by_day_model_and_purpose(self, store: Store):
        for one in (call(), call(), call("title"), call(model="other"), call(created=NOW - 3 * 86_400)):
            await store.record("me", one)
        spent = await store.spent("me")
        assert [(one.model, one.purpose, one.calls) for one in spent] == [
            ("m", "answer", 1),
            ("m", "answer", 2),
            ("m", "title", 1),
            ("other", "answer", 1),
        ]
        assert spent[0].day < spent[1].day == TODAY
        assert spent[1].usage == Usage(20, 8, 4, 2, 1.0, 6)

    async def test_an_unknown_cost_is_counted_as_unknown_and_not_as_nothing(self, store: Store):
        await store.record("me", call())
        await store.record("me", call(cost=None))
        (spent,) = await store.spent("me")
        assert (spent.calls, spent.unpriced, spent.usage.cost) == (2, 1, 0.5)

    async def test_calls_are_their_owners_and_their_conversations(self, store: Store):
        await store.record("me", call())
        await store.record("me", call(here="c2"))
        await store.record("you", call())
        assert [one.calls for one in await store.spent("me")] == [2]
        assert [one.calls for one in await store.spent("me", conversation="c2")] == [1]
        assert [one.calls for one in await store.spent("me", since=NOW + 1)] == []

    async def test_an_answer_and_its_call_are_kept_at_once(self, store: Store):
        user = await store.append(HERE, Draft(None, text_message("user", "hi")))
        pending = await store.append(HERE, Draft(user.id, Message("assistant", ()), status="pending"))
        usage = Usage(10, 0, 2, cost=0.25)
        change = Change(
            text_message("assistant", "ho"), "complete", usage=usage, head=True, call=Call("c1", "m", "answer", NOW, usage)
        )
        await store.change(HERE, pending.id, change)
        await store.record("me", call("title"))
        assert (await store.info(HERE)).usage == Usage(20, 4, 4, 1, 0.75, 3)
        assert [one.purpose for one in await store.spent("me", conversation="c1")] == ["answer", "title"]

    async def test_what_was_spent_stays_spent_when_a_conversation_is_deleted(self, store: Store):
        await store.append(HERE, Draft(None, text_message("user", "hi")))
        await store.record("me", call())
        await store.delete(HERE)
        assert [one.usage.cost for one in await store.spent("me")] == [0.5]

    async def test_what_was_learned_of_a_models_tokens_is_kept(self, store: Store):
        assert await store.estimate("me", "m") is None
        await store.save_estimate("me", "m", Estimate(4.0, 2, 0.1))
        await store.save_estimate("me", "m", Estimate(4.2, 3, 0.05))
        assert await store.estimate("me", "m") == Estimate(4.2, 3, 0.05)
        assert await store.estimate("you", "m") is None
