"""What every store that serves must do: runs with their event logs, and tokens with their limits."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.doubles.entries import ASK, HERE

from anaphora.errors import ConfigError, NotFound, TokenRefused
from anaphora.stores.base import ServerStore
from anaphora.stores.records import Change, Draft
from anaphora.stores.run_records import GAP, EventBatch, NewRun, RunEnd, input_id, output_id
from anaphora.stores.sql.leases import abandon, new_holder
from anaphora.stores.token_records import Limits, Spending, Token
from anaphora.values.event_codec import event_to_json
from anaphora.values.events import TextDelta, ToolEnded
from anaphora.values.message import Message, ToolResult, text_message

RUN = "resp_" + "ab" * 16


def delta(text: str) -> str:
    return json.dumps(event_to_json(TextDelta(text)))


def new(run_id: str = RUN, **changes: Any) -> NewRun:
    return NewRun(run_id, **{"holder": new_holder(), "request": {"model": "m"}, "created": time.time(), **changes})


class RunsConformance:
    async def begun(self, server: ServerStore, run: NewRun) -> None:
        draft = Draft(None, ASK, id=input_id(run.seed, 1), above=(Draft(None, ASK, id=input_id(run.seed, 0)),))
        begun = await server.begin(HERE, draft, seconds=60, run=run)
        assert begun.entry
        assert begun.entry.parent == input_id(run.seed, 0)
        await server.release(begun.lease)

    @pytest.fixture
    def server(self, store: Any) -> ServerStore:
        found: ServerStore = store
        return found

    async def test_a_run_begins_with_its_message_and_ends(self, server: ServerStore):
        run = new(fingerprint="f", key="k")
        await self.begun(server, run)
        found = await server.run("me", RUN)
        assert (found.status, found.message, found.base, found.request) == (
            "pending",
            input_id(run.seed, 1),
            None,
            {"model": "m"},
        )
        assert await server.has_conversation(HERE)
        await server.end_run("me", RUN, RunEnd("complete", {"finish": "stop"}, "chain"))
        ended = await server.run("me", RUN)
        assert (ended.status, ended.result, ended.chain) == ("complete", {"finish": "stop"}, "chain")
        assert ended.ended
        for same in (
            await server.same_run("me", key="k", fingerprint="", since=0),
            await server.same_run("me", key=None, fingerprint="f", since=0),
            await server.run_of_chain("me", "chain"),
        ):
            assert same == ended
        assert await server.same_run("me", key=None, fingerprint="f", since=time.time() + 60) is None
        assert [one.id for one in await server.runs(HERE)] == [RUN]
        for owner in ("you", "me\0"):
            with pytest.raises(NotFound):
                await server.run(owner, RUN)
            assert await server.run_of_chain(owner, "chain") is None
        await server.delete_run("me", RUN)
        with pytest.raises(NotFound):
            await server.run("me", RUN)

    async def test_events_are_read_from_any_number_on(self, server: ServerStore):
        await self.begun(server, new())
        await server.add_events([EventBatch("me", RUN, 0, ("1", "2")), EventBatch("me", RUN, 2, ("3",))])
        await server.add_events([EventBatch("me", RUN, 2, ("4",)), EventBatch("you", RUN, 3, ("5",))])
        assert list(await server.events("me", RUN, after=-1)) == [(0, "[1,2]"), (2, "[3]")]
        assert list(await server.events("me", RUN, after=0)) == [(0, "[1,2]"), (2, "[3]")]
        assert list(await server.events("me", RUN, after=2)) == [(2, "[3]")]
        assert list(await server.events("you", RUN, after=-1)) == []
        await server.end_run("me", RUN, RunEnd("complete", {}))
        assert await server.drop_events(before=time.time() + 1) == 2
        assert list(await server.events("me", RUN, after=-1)) == []

    async def test_wishes_of_others_reach_the_process_that_holds_a_run(self, server: ServerStore):
        run = new()
        await self.begun(server, run)
        assert list(await server.wishes(run.holder)) == []
        await server.allow_call("me", RUN, "c1", allow=True)
        await server.allow_call("me", RUN, "c1", allow=False)
        await server.stop_run("me", RUN)
        for wishes in (await server.wishes(run.holder), await server.hold_runs(run.holder)):
            assert [(wish.run, wish.stop, wish.allowed) for wish in wishes] == [(RUN, True, {"c1": True})]
        assert list(await server.wishes("another")) == []
        with pytest.raises(NotFound):
            await server.stop_run("you", RUN)

    async def test_a_run_whose_process_is_dead_is_ended_with_the_words_of_its_log(self, server: ServerStore):
        run = new()
        await self.begun(server, run)
        await server.add_events([EventBatch("me", RUN, 0, (delta("one "), delta("two")))])
        assert (await server.living_run("me", RUN)).status == "pending"
        abandon_holder(run.holder)
        ended = await server.living_run("me", RUN)
        assert ended.status == "interrupted"
        (entry,) = [one for one in await server.transcript(HERE) if one.id == output_id(run.seed, 0)]
        assert (entry.text, entry.status, entry.parent) == ("one two", "interrupted", input_id(run.seed, 1))
        number, last = list(await server.events("me", RUN, after=1))[-1]
        assert number == 1 + GAP
        assert json.loads(last)[0]["status"] == "interrupted"
        assert await server.end_dead_runs() == 0

    async def test_a_dead_run_goes_by_its_messages(self, server: ServerStore):
        run = new()
        await self.begun(server, run)
        first = await server.append(HERE, Draft(input_id(run.seed, 1), text_message("assistant", "x"), id=output_id(run.seed, 0)))
        abandon_holder(run.holder)
        assert (await server.living_run("me", RUN)).status == "complete"
        other = new("resp_" + "cd" * 16)
        await self.begun(server, other)
        results = Message("tool", (ToolResult("c", "r"),))
        await server.append(HERE, Draft(first.id, results, id=output_id(other.seed, 0)))
        ended = json.dumps(event_to_json(ToolEnded(ToolResult("c", "r"))))
        await server.add_events([EventBatch("me", other.id, 0, (ended,))])
        abandon_holder(other.holder)
        assert (await server.living_run("me", other.id)).status == "interrupted"

    async def test_forgetting_takes_logs_and_hashes_along(self, server: ServerStore):
        run = new(fingerprint="f")
        await self.begun(server, run)
        await server.add_events([EventBatch("me", RUN, 0, (delta("secret"),))])
        await server.end_run("me", RUN, RunEnd("complete", {}, "chain"))
        await server.forget(HERE, input_id(run.seed, 1))
        assert list(await server.events("me", RUN, after=-1)) == []
        assert ((await server.run("me", RUN)).chain, (await server.run("me", RUN)).fingerprint) == (None, "")

    async def test_a_pending_answer_keeps_the_id_that_it_was_given(self, server: ServerStore):
        run = new()
        await self.begun(server, run)
        own = output_id(run.seed, 0)
        await server.append(HERE, Draft(input_id(run.seed, 1), Message("assistant", ()), "pending", id=own))
        entry = await server.change(HERE, own, Change(text_message("assistant", "x"), "complete"))
        assert (entry.id, entry.text) == (own, "x")

    async def test_tokens_are_kept_by_their_hash(self, server: ServerStore):
        token = Token("hash", "ada", "ada", Limits(rate=3, daily_cost=0.5), 1.0, 2.0, remembers=True)
        await server.add_token(token)
        assert await server.token("hash") == token
        assert list(await server.tokens()) == [token]
        with pytest.raises(ConfigError, match="already"):
            await server.add_token(Token("other", "ada", "ada"))
        assert await server.token("ada") is None
        await server.remove_token("ada")
        assert await server.token("hash") is None
        with pytest.raises(NotFound):
            await server.remove_token("ada")

    async def test_limits_hold_and_places_are_given_back(self, server: ServerStore):
        token = Token("hash", "ada", "ada", Limits(concurrent=1, daily_tokens=10, daily_cost=9.0))
        await server.add_token(token)
        await server.admit(token, "one", "holder")
        with pytest.raises(TokenRefused) as caught:
            await server.admit(token, "two", "holder")
        assert caught.value.code == "rate_limit_exceeded"
        await server.leave(token, "one", Spending(4, 0.25))
        await server.admit(token, "two", "holder")
        await server.leave(token, "two", Spending(6, 0.25))
        assert await server.spending(token) == Spending(10, 0.5)
        with pytest.raises(TokenRefused) as caught:
            await server.admit(token, "three", "holder")
        assert caught.value.code == "insufficient_quota"
        assert 0 < caught.value.seconds <= 86_400

    async def test_requests_come_back_over_a_minute(self, server: ServerStore):
        token = Token("hash", "ada", "ada", Limits(rate=2), created=time.time())
        await server.add_token(token)
        for slot in ("a", "b"):
            await server.admit(token, slot, "holder")
        with pytest.raises(TokenRefused) as caught:
            await server.admit(token, "c", "holder")
        assert 1 <= caught.value.seconds <= 30

    async def test_everything_of_an_owner_can_be_removed(self, server: ServerStore):
        await self.begun(server, new())
        await server.append(HERE.__class__("you", "c"), Draft(None, ASK))
        await server.append(HERE.__class__("me\x1fdocuments\x1fc", "d"), Draft(None, ASK))
        await server.add_token(Token("hash", "mine", "me"))
        assert await server.delete_owner("me") == 1
        assert not await server.has_conversation(HERE)
        assert list(await server.tokens()) == []
        assert list(await server.conversations("me\x1fdocuments\x1fc")) == []
        assert len(await server.conversations("you")) == 1


def abandon_holder(holder: str) -> None:
    """Makes a holder one that nobody uses any more."""

    class Held:
        scope = HERE

    lease: Any = Held()
    lease.holder = holder
    abandon(lease)
