"""What every store must do: the verbs of a chat. A store's own test file subclasses this and says how to make one.

It is written for the asynchronous protocol and runs on asyncio and trio.
"""

from __future__ import annotations

import anyio
import pytest
from tests.doubles.entries import ANSWER, ASK, HERE
from tests.stores.calls_conformance import CallsConformance
from tests.stores.memory_conformance import MemoryConformance
from tests.stores.runs_conformance import RunsConformance
from tests.stores.search_conformance import SearchConformance
from tests.stores.transfer_conformance import TransferConformance

from anaphora.errors import ConversationBusy, NotFound, StoreError
from anaphora.stores.base import Store
from anaphora.stores.records import Change, Draft
from anaphora.values.message import Message, Text, Usage, text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import Extent, Size

pytestmark = pytest.mark.anyio


class StoreConformance(SearchConformance, TransferConformance, MemoryConformance, CallsConformance, RunsConformance):
    async def test_a_message_comes_back_as_it_went_in(self, store: Store):
        entry = await store.append(HERE, Draft(None, ASK, size=Size(7), model="m"))
        assert (entry.message, entry.status, entry.tokens, entry.parent, entry.model) == (ASK, "complete", 7, None, "m")
        assert list(await store.branch(HERE, entry.id)) == [entry]

    async def test_order_is_an_integer_that_grows(self, store: Store):
        orders = [(await store.append(HERE, Draft(None, ASK))).order for _ in range(5)]
        assert orders == sorted(set(orders))
        assert all(isinstance(order, int) for order in orders)

    async def test_a_branch_is_the_path_from_the_root(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK))
        left = await store.append(HERE, Draft(root.id, ANSWER))
        right = await store.append(HERE, Draft(root.id, text_message("assistant", "Lyon?")))
        assert [entry.id for entry in await store.branch(HERE, left.id)] == [root.id, left.id]
        assert [entry.id for entry in await store.children(HERE, root.id)] == [left.id, right.id]
        assert [entry.id for entry in await store.children(HERE, None)] == [root.id]
        assert list(await store.branch(HERE, None)) == []

    async def test_the_end_of_a_branch_is_read_back_to_the_users_message_that_exceeds_the_reach(self, store: Store):
        parent: str | None = None
        for number in range(12):
            message = text_message("assistant" if number % 3 else "user", str(number))
            parent = (await store.append(HERE, Draft(parent, message, size=Size(10)))).id

        async def read(reach: Extent) -> list[str]:
            return [entry.text for entry in await store.branch(HERE, parent, reach=reach)]

        everything = [str(number) for number in range(12)]
        assert await read(Extent()) == everything[9:]
        assert await read(Extent(2, 100, 1_000)) == everything[9:]
        assert await read(Extent(3, 100, 1_000)) == everything[6:]
        assert await read(Extent(100, 1, 1_000)) == everything[6:]
        assert await read(Extent(100, 100, 60)) == everything[3:]
        assert await read(Extent(100, 100, 1_000)) == everything

    async def test_every_message_knows_how_much_of_its_branch_lies_before_it(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK, size=Size(7)))
        pending = await store.append(HERE, Draft(root.id, Message("assistant", ()), status="pending"))
        await store.change(HERE, pending.id, Change(ANSWER, "complete", size=Size(3)))
        leaf = await store.append(HERE, Draft(pending.id, ASK))
        sibling = await store.append(HERE, Draft(root.id, ANSWER))
        assert [entry.before for entry in (root, pending, leaf)] == [Extent(), Extent(1, 1, 7), Extent(2, 1, 10)]
        assert sibling.before == Extent(1, 1, 7)

    async def test_the_head_moves_only_when_told(self, store: Store):
        ask = await store.append(HERE, Draft(None, ASK))
        assert (await store.info(HERE)).head is None
        pending = await store.append(HERE, Draft(ask.id, Message("assistant", ()), status="pending"))
        await store.change(HERE, pending.id, Change(ANSWER, "complete", head=True))
        assert (await store.info(HERE)).head == pending.id
        await store.move_head(HERE, None)
        assert (await store.info(HERE)).head is None

    async def test_a_pending_message_grows_and_ends_once(self, store: Store):
        pending = await store.append(HERE, Draft(None, Message("assistant", ()), status="pending"))
        await store.change(HERE, pending.id, Change(text_message("assistant", "Par"), "pending"))
        ended = await store.change(
            HERE, pending.id, Change(ANSWER, "complete", size=Size(3, "m2"), usage=Usage(5, 0, 3), model="m2")
        )
        assert (ended.text, ended.status, ended.size, ended.usage, ended.model) == (
            "Paris.",
            "complete",
            Size(3, "m2"),
            Usage(5, 0, 3),
            "m2",
        )
        with pytest.raises(StoreError, match="ended"):
            await store.change(HERE, pending.id, Change(ANSWER, "complete"))
        assert (await store.branch(HERE, pending.id))[0] == ended

    async def test_a_size_can_be_measured_later(self, store: Store):
        entry = await store.append(HERE, Draft(None, ASK, size=Size(7)))
        await store.measure(HERE, entry.id, Size(9, "m"))
        assert (await store.branch(HERE, entry.id))[0].size == Size(9, "m")

    async def test_usage_adds_up_over_all_branches(self, store: Store):
        for _ in range(2):
            pending = await store.append(HERE, Draft(None, Message("assistant", ()), status="pending"))
            await store.change(HERE, pending.id, Change(ANSWER, "failed", usage=Usage(10, 4, 2)))
        assert (await store.info(HERE)).usage == Usage(20, 8, 4)

    async def test_the_same_key_appends_nothing_twice(self, store: Store):
        first = await store.append(HERE, Draft(None, ASK, key="k"))
        assert await store.append(HERE, Draft(None, ANSWER, key="k")) == first
        assert (await store.info(HERE)).messages == 1

    async def test_what_does_not_exist_is_said_so(self, store: Store):
        for verb in (
            store.branch(HERE, "nope"),
            store.move_head(HERE, "nope"),
            store.measure(HERE, "nope", Size(1)),
            store.append(HERE, Draft("nope", ASK)),
            store.change(HERE, "nope", Change(ASK, "complete")),
        ):
            with pytest.raises(NotFound):
                await verb

    async def test_the_leaves_are_the_ends_of_the_branches(self, store: Store):
        assert list(await store.leaves(HERE)) == []
        root = await store.append(HERE, Draft(None, ASK))
        left = await store.append(HERE, Draft(root.id, ANSWER))
        right = await store.append(HERE, Draft(root.id, ANSWER))
        assert list(await store.leaves(HERE)) == [left, right]

    async def test_what_is_forgotten_keeps_its_place_and_nothing_else(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK, size=Size(7)))
        leaf = await store.append(HERE, Draft(root.id, ANSWER))
        await store.forget(HERE, root.id)
        blank, kept = await store.branch(HERE, leaf.id)
        assert (blank.id, blank.message, blank.size) == (root.id, Message("user", ()), Size())
        assert kept == leaf
        with pytest.raises(NotFound):
            await store.forget(HERE, "nope")

    async def test_a_conversation_is_deleted_whole_and_no_other(self, store: Store):
        other = Scope("me", "c2")
        entry = await store.append(HERE, Draft(None, ASK))
        kept = await store.append(other, Draft(None, ASK))
        lease = await store.acquire(HERE, seconds=60)
        with pytest.raises(ConversationBusy):
            await store.delete(HERE)
        await store.release(lease)
        await store.delete(HERE)
        with pytest.raises(NotFound):
            await store.branch(HERE, entry.id)
        with pytest.raises(NotFound):
            await store.delete(HERE)
        assert list(await store.branch(other, kept.id)) == [kept]

    async def test_one_writer_at_a_time(self, store: Store):
        lease = await store.acquire(HERE, seconds=30)
        with pytest.raises(ConversationBusy, match="busy"):
            await store.acquire(HERE, seconds=30)
        await store.renew(lease, seconds=30)
        await store.release(lease)
        await store.release(await store.acquire(HERE, seconds=30))

    async def test_conversations_are_held_apart(self, store: Store):
        await store.acquire(HERE, seconds=30)
        await store.acquire(Scope("me", "c2"), seconds=30)
        entry = await store.append(HERE, Draft(None, ASK))
        with pytest.raises(NotFound):
            await store.branch(Scope("me", "c2"), entry.id)

    async def test_a_lease_runs_out_and_its_old_holder_is_told(self, store: Store):
        old = await store.acquire(HERE, seconds=0.01)
        await anyio.sleep(0.05)
        new = await store.acquire(HERE, seconds=30)
        with pytest.raises(ConversationBusy):
            await store.renew(old, seconds=30)
        await store.release(old)
        with pytest.raises(ConversationBusy):
            await store.acquire(HERE, seconds=30)
        await store.release(new)

    async def test_what_a_dead_writer_left_pending_is_interrupted_for_the_next(self, store: Store):
        await store.acquire(HERE, seconds=0.01)
        pending = await store.append(HERE, Draft(None, Message("assistant", (Text("Par"),)), status="pending"))
        await anyio.sleep(0.05)
        await store.acquire(HERE, seconds=30)
        (entry,) = await store.branch(HERE, pending.id)
        assert (entry.status, entry.text) == ("interrupted", "Par")

    async def test_owners_do_not_see_each_other(self, store: Store):
        entry = await store.append(HERE, Draft(None, ASK))
        other = Scope("you", "c1")
        with pytest.raises(NotFound):
            await store.branch(other, entry.id)
        assert (await store.info(other)).messages == 0
        assert [info.id for info in await store.conversations("me")] == ["c1"]
        assert (await store.conversations("nobody")) == []

    async def test_conversations_are_listed_newest_first(self, store: Store):
        for name in ("a", "b", "a"):
            await store.append(Scope("me", name), Draft(None, ASK))
            await anyio.sleep(0.01)
        assert [(info.id, info.messages) for info in await store.conversations("me")] == [("a", 2), ("b", 1)]

    async def test_looking_at_a_conversation_does_not_make_it(self, store: Store):
        await store.info(HERE)
        await store.branch(HERE, None)
        await store.children(HERE, None)
        await store.release(await store.acquire(HERE, seconds=1))
        assert list(await store.conversations("me")) == []

    async def test_title_and_system_prompt_are_kept(self, store: Store):
        await store.describe(HERE, title="Paris")
        await store.describe(HERE, system="Be brief.")
        info = await store.info(HERE)
        assert (info.title, info.system) == ("Paris", "Be brief.")

    async def test_many_writers_at_once_lose_nothing(self, store: Store):
        async def write(number: int) -> None:
            await store.append(HERE, Draft(None, text_message("user", str(number))))

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(write, number)
        entries = await store.children(HERE, None)
        assert sorted(int(entry.text) for entry in entries) == list(range(50))
        assert [entry.order for entry in entries] == sorted({entry.order for entry in entries})
