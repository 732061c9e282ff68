"""What every store must do: putting a transcript back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.doubles.entries import ANSWER, ASK, HERE, MakesStore

from anaphora.errors import ConversationBusy, NotFound
from anaphora.stores.base import Store
from anaphora.stores.records import Change, Draft
from anaphora.values.message import Message, Usage, text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import ConversationInfo, Size

pytestmark = pytest.mark.anyio


class TransferConformance(MakesStore):
    async def test_forgetting_a_message_blanks_it_in_the_conversations_forked_from_its_own(self, store: Store):
        entry = await store.append(HERE, Draft(None, ASK))
        await store.restore("me", ConversationInfo("fork", "", entry.id, None, 1.0, 1.0, 1), [entry])
        await store.restore("you", ConversationInfo("fork", "", entry.id, None, 1.0, 1.0, 1), [entry])
        await store.forget(HERE, entry.id)
        (copy,) = await store.transcript(Scope("me", "fork"))
        (of_another,) = await store.transcript(Scope("you", "fork"))
        assert (copy.text, of_another.text) == ("", ASK.text)

    async def test_a_transcript_is_put_back_as_it_was(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK, size=Size(7, "m"), key="k"))
        left = await store.append(HERE, Draft(root.id, Message("assistant", ()), status="pending"))
        await store.change(HERE, left.id, Change(ANSWER, "complete", Size(3), Usage(5, 0, 3, cost=0.5), "m", head=True))
        await store.append(HERE, Draft(root.id, text_message("assistant", "Lyon?"), status="interrupted"))
        await store.describe(HERE, title="Paris", system="Be brief.")
        info, entries = await store.info(HERE), await store.transcript(HERE)
        assert [entry.order for entry in entries] == [1, 2, 3]
        await store.delete(HERE)
        assert await store.restore("me", info, entries) == 3
        assert (await store.info(HERE), list(await store.transcript(HERE))) == (info, list(entries))
        assert await store.restore("me", info, entries) == 0
        assert (await store.info(HERE), list(await store.transcript(HERE))) == (info, list(entries))

    async def test_what_is_missing_of_a_transcript_is_added_and_the_head_follows(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK))
        await store.move_head(HERE, root.id)
        info, before = await store.info(HERE), await store.transcript(HERE)
        leaf = await store.append(HERE, Draft(root.id, ANSWER, usage=Usage(1)))
        longer, after = replace(await store.info(HERE), head=leaf.id), await store.transcript(HERE)
        await store.delete(HERE)
        await store.restore("me", info, before)
        assert await store.restore("me", longer, after) == 1
        assert (await store.info(HERE)).head == leaf.id
        assert (await store.info(HERE)).usage == Usage(1)

    async def test_a_head_that_went_elsewhere_stays_there(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK))
        theirs = await store.append(HERE, Draft(root.id, ANSWER))
        info, entries = replace(await store.info(HERE), head=theirs.id), await store.transcript(HERE)
        await store.delete(HERE)
        await store.restore("me", replace(info, head=root.id), entries[:1])
        mine = await store.append(HERE, Draft(root.id, ANSWER))
        await store.move_head(HERE, mine.id)
        assert await store.restore("me", info, entries) == 1
        assert (await store.info(HERE)).head == mine.id

    async def test_a_transcript_with_a_hole_changes_nothing(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK))
        info = await store.info(HERE)
        with pytest.raises(NotFound):
            await store.restore("me", info, [root, replace(root, id="leaf", parent="lost")])
        with pytest.raises(NotFound):
            await store.restore("me", replace(info, id="other"), [replace(root, id="leaf", parent="lost")])
        assert list(await store.transcript(HERE)) == [root]
        assert [found.id for found in await store.conversations("me")] == ["c1"]

    async def test_nothing_is_put_back_while_somebody_writes(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK))
        lease = await store.acquire(HERE, seconds=60)
        with pytest.raises(ConversationBusy):
            await store.restore("me", await store.info(HERE), [replace(root, id="other")])
        await store.release(lease)

    async def test_what_was_pending_is_put_back_as_interrupted(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK))
        await store.restore("me", await store.info(HERE), [replace(root, id="other", status="pending")])
        assert [entry.status for entry in await store.transcript(HERE)] == ["complete", "interrupted"]

    async def test_a_title_made_of_what_is_forgotten_is_forgotten_with_it(self, store: Store):
        entry = await store.append(HERE, Draft(None, text_message("user", "my password is hunter2xyz")))
        await store.describe(HERE, title="my password is hunter2xyz")
        await store.restore("me", ConversationInfo("fork", "hunter2xyz (fork)", entry.id, None, 1.0, 1.0, 1), [entry])
        await store.append(Scope("me", "other"), Draft(None, text_message("user", "password")))
        await store.describe(Scope("me", "other"), title="my password")
        await store.forget(HERE, entry.id)
        assert [(await store.info(Scope("me", one))).title for one in ("c1", "fork", "other")] == ["", "", "my password"]
