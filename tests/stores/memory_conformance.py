"""What every store must do for a memory: find what may matter, keep what is derived, and let go of it with its sources."""

from __future__ import annotations

import pytest
from tests.doubles.entries import HERE, MakesStore

from anaphora.errors import NotFound
from anaphora.search.candidates import Candidate, Cue
from anaphora.search.vectors import VectorRow
from anaphora.stores.base import Store
from anaphora.stores.records import Change, Draft
from anaphora.values.memory import BlockSummary, Evidence, Fact, Learned
from anaphora.values.message import text_message
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry, Size

pytestmark = pytest.mark.anyio

ELSEWHERE = Scope("me", "c2")


async def talk(store: Store, scope: Scope, *texts: str, below: str | None = None) -> list[Entry]:
    """Messages in a row, the user's first; the conversation goes on from the last."""
    entries: list[Entry] = []
    for number, text in enumerate(texts):
        parent = entries[-1].id if entries else below
        message = text_message("assistant" if number % 2 else "user", text)
        entries.append(await store.append(scope, Draft(parent, message, size=Size(10))))
    await store.move_head(scope, entries[-1].id)
    return entries


def cue(*words: str, message: str | None = None, before: int = 1 << 30, elsewhere: bool = True) -> Cue:
    return Cue(words, HERE.conversation, message, before, elsewhere)


async def found(store: Store, wanted: Cue, owner: str = "me") -> list[str]:
    return sorted(candidate.entry.text for candidate in (await store.candidates(owner, wanted)).found)


def fact(number: int, text: str, *evidence: Entry) -> Fact:
    proofs = tuple(Evidence("c1", entry.id, entry.text) for entry in evidence)
    return Fact(f"fact_{number}", text, "learned" if evidence else "told", float(number), proofs)


class MemoryConformance(MakesStore):
    async def test_candidates_have_a_word_of_the_cue_in_any_form(self, store: Store):
        entries = await talk(store, HERE, "My dogs are running", "Nice.", "I like tea", "So do I.")
        assert await found(store, cue("dog", "coffee", message=entries[-1].id)) == ["My dogs are running"]
        result = await store.candidates("me", cue("dog", "like", message=entries[-1].id))
        assert result.counts == {"dog": 1, "like": 1}
        assert result.messages == 4

    async def test_candidates_are_on_the_branch_and_before_the_window(self, store: Store):
        trunk = await talk(store, HERE, "red boat", "answer")
        left = await talk(store, HERE, "blue boat", "left", below=trunk[-1].id)
        right = await talk(store, HERE, "green boat", "right", below=trunk[-1].id)
        assert await found(store, cue("boat", message=left[-1].id)) == ["blue boat", "red boat"]
        assert await found(store, cue("boat", message=right[-1].id)) == ["green boat", "red boat"]
        assert await found(store, cue("boat", message=right[-1].id, before=2)) == ["red boat"]
        assert await found(store, cue("boat", message=None)) == []

    async def test_deep_forks_are_told_apart(self, store: Store):
        entries = await talk(store, HERE, "first boat", "a")
        tips: list[tuple[str, list[str]]] = []
        path = ["first boat"]
        for number in range(5):
            dead = await talk(store, HERE, f"dead boat {number}", "x", below=entries[-1].id)
            entries = await talk(store, HERE, f"live boat {number}", "y", below=entries[-1].id)
            tips.append((dead[-1].id, [*path, f"dead boat {number}"]))
            path.append(f"live boat {number}")
            tips.append((entries[-1].id, list(path)))
        for tip, said in tips:
            assert await found(store, cue("boat", message=tip)) == sorted(said)

    async def test_of_other_conversations_only_what_they_go_on_from_is_found_and_only_if_asked(self, store: Store):
        first = await talk(store, ELSEWHERE, "old boat", "a")
        await talk(store, ELSEWHERE, "taken back boat", "b", below=first[-1].id)
        await store.move_head(ELSEWHERE, first[-1].id)
        here = await talk(store, HERE, "a boat here", "c")
        assert await found(store, cue("boat", message=here[-1].id)) == ["a boat here", "old boat"]
        assert await found(store, cue("boat", message=here[-1].id, elsewhere=False)) == ["a boat here"]

    async def test_how_rare_a_word_is_depends_on_nobody_else(self, store: Store):
        mine = await talk(store, HERE, "my dog", "ok")
        for number in range(5):
            await talk(store, Scope("you", f"c{number}"), "dog dog dog", "dog")
        found = await store.candidates("me", cue("dog", message=mine[-1].id))
        assert (found.messages, dict(found.counts)) == (2, {"dog": 1})

    async def test_nobody_finds_what_another_owner_said(self, store: Store):
        await talk(store, Scope("you", "c1"), "secret boat", "b")
        mine = await talk(store, HERE, "my boat", "a")
        assert await found(store, cue("boat", message=mine[-1].id)) == ["my boat"]
        yours = cue("boat", message=None)
        assert await found(store, yours, "you") == []
        assert await found(store, Cue(("boat",), "c9", None, 0), "you") == ["secret boat"]

    async def test_what_is_unfinished_or_forgotten_is_not_found(self, store: Store):
        entries = await talk(store, HERE, "a boat", "fine", "another boat")
        pending = await store.append(HERE, Draft(entries[-1].id, text_message("assistant", "boat half"), status="pending"))
        assert await found(store, cue("boat", message=pending.id)) == ["a boat", "another boat"]
        await store.forget(HERE, entries[0].id)
        assert await found(store, cue("boat", message=pending.id)) == ["another boat"]
        await store.change(HERE, pending.id, Change(text_message("assistant", "boat whole"), "complete", head=True))
        assert await found(store, cue("boat", message=pending.id)) == ["another boat", "boat whole"]

    async def test_a_message_named_by_its_id_is_found_whatever_its_words(self, store: Store):
        entries = await talk(store, HERE, "no such word", "fine")
        wanted = Cue(("boat",), "c1", entries[-1].id, 9, messages=(entries[0].id,))
        assert await found(store, wanted) == ["no such word"]

    async def test_what_a_fork_has_too_is_found_once(self, store: Store):
        entries = await talk(store, HERE, "one boat", "a")
        fork = Scope("me", "fork")
        await store.restore("me", await store.info(HERE), [])
        info = await store.info(HERE)
        await store.restore("me", type(info)("fork", "", entries[-1].id, None, 1.0, 1.0, 2), entries)
        assert await found(store, cue("boat", message=entries[-1].id)) == ["one boat"]
        assert await found(store, cue("boat", message=entries[-1].id, before=0)) == []
        assert await found(store, Cue(("boat",), fork.conversation, entries[-1].id, 9)) == ["one boat"]

    async def test_neighbours_are_those_of_the_branch(self, store: Store):
        trunk = await talk(store, HERE, "1", "2", "3", "4")
        await talk(store, HERE, "5 other", "6 other", below=trunk[-1].id)
        end = await talk(store, HERE, "5", "6", "7", below=trunk[-1].id)
        wanted = cue("x", message=end[-1].id, before=6)
        near = await store.neighbours("me", wanted, [Candidate("c1", "", trunk[3])], steps=2)
        assert sorted(one.entry.text for one in near) == ["2", "3", "5", "6"]

    async def test_a_summary_belongs_to_the_branch_of_its_last_message(self, store: Store):
        trunk = await talk(store, HERE, "1", "2")
        left = await talk(store, HERE, "3", "4", below=trunk[-1].id)
        right = await talk(store, HERE, "3b", "4b", below=trunk[-1].id)
        shared = BlockSummary(trunk[1].id, 0, 2, 2, "the beginning", Size(3), "m")
        own = BlockSummary(left[1].id, 2, 4, 4, "left")
        assert await store.save_summary(HERE, shared, window=0, forgotten=0)
        assert await store.save_summary(HERE, own, window=0, forgotten=0)
        assert list(await store.summaries(HERE, left[-1].id)) == [shared, own]
        assert list(await store.summaries(HERE, right[-1].id)) == [shared]
        assert list(await store.summaries(HERE, None)) == []

    async def test_a_summary_that_covers_others_takes_their_place_when_it_is_shown(self, store: Store):
        entries = await talk(store, HERE, *"123456")
        for start in (0, 2):
            await store.save_summary(
                HERE, BlockSummary(entries[start + 1].id, start, start + 2, start + 2, "part"), window=0, forgotten=0
            )
        whole = BlockSummary(entries[3].id, 0, 4, 6, "both")
        await store.save_summary(HERE, whole, window=4, forgotten=0)
        assert len(await store.summaries(HERE, entries[-1].id)) == 3
        await store.save_summary(HERE, BlockSummary(entries[5].id, 4, 6, 6, "next"), window=6, forgotten=0)
        assert [one.text for one in await store.summaries(HERE, entries[-1].id)] == ["both", "next"]

    async def test_a_summary_made_of_what_was_forgotten_meanwhile_is_not_kept(self, store: Store):
        entries = await talk(store, HERE, "1", "2")
        await store.forget(HERE, entries[0].id)
        late = BlockSummary(entries[1].id, 0, 2, 2, "has the secret")
        assert not await store.save_summary(HERE, late, window=0, forgotten=0)
        assert list(await store.summaries(HERE, entries[-1].id)) == []
        now = (await store.info(HERE)).forgotten
        assert await store.save_summary(HERE, late, window=0, forgotten=now)

    async def test_forgetting_a_message_takes_along_the_summaries_that_cover_it(self, store: Store):
        entries = await talk(store, HERE, *"1234")
        for start in (0, 2):
            part = BlockSummary(entries[start + 1].id, start, start + 2, 9, "part")
            await store.save_summary(HERE, part, window=0, forgotten=0)
        await store.forget(HERE, entries[2].id)
        assert [one.start for one in await store.summaries(HERE, entries[-1].id)] == [0]

    async def test_facts_are_kept_with_their_evidence_per_owner(self, store: Store):
        entries = await talk(store, HERE, "I live in Lyon", "ok")
        first, second = fact(1, "Lives in Lyon", entries[0]), fact(2, "Likes tea")
        assert list(await store.learn("me", [Learned(second), Learned(first)])) == [second, first]
        assert list(await store.facts("me")) == [first, second]
        assert list(await store.facts("you")) == []

    async def test_what_is_superseded_stays_as_history(self, store: Store):
        entries = await talk(store, HERE, "I live in Lyon", "ok", "I moved to Paris", "ok")
        await store.learn("me", [Learned(fact(1, "Lives in Lyon", entries[0]))])
        await store.learn("me", [Learned(fact(2, "Lives in Paris", entries[2]), supersedes="fact_1")])
        old, new = await store.facts("me")
        assert (old.superseded, old.successor, old.holds) == (2.0, "fact_2", False)
        assert new.holds
        await store.forget(HERE, entries[2].id)
        (back,) = await store.facts("me")
        assert back.text == "Lives in Lyon"
        assert back.holds

    async def test_a_fact_that_is_there_gets_new_words_and_more_evidence(self, store: Store):
        entries = await talk(store, HERE, "I live in Lyon", "ok", "Lyon is my home", "ok")
        await store.learn("me", [Learned(fact(1, "Lives in Lyon", entries[0]))])
        await store.learn("me", [Learned(fact(1, "other words", entries[2]), known=True)])
        (known,) = await store.facts("me")
        assert known.text == "Lives in Lyon"
        assert {one.message for one in known.evidence} == {entries[0].id, entries[2].id}

    async def test_evidence_is_added_only_to_what_holds_and_rests_on_messages(self, store: Store):
        entries = await talk(store, HERE, "I live in Lyon", "ok", "I live in Paris", "ok")
        await store.learn("me", [Learned(fact(1, "Lives in Lyon", entries[0])), Learned(fact(2, "Told"))])
        await store.learn("me", [Learned(fact(3, "Lives in Paris", entries[2]), supersedes="fact_1")])
        for number in (1, 2, 9):
            assert list(await store.learn("me", [Learned(fact(number, "x", entries[2]), known=True)])) == []
        assert [len(one.evidence) for one in await store.facts("me")] == [1, 0, 1]

    async def test_a_fact_gets_other_words(self, store: Store):
        entries = await talk(store, HERE, "I live in Lyon", "ok")
        await store.learn("me", [Learned(fact(1, "Lives in Lyon", entries[0]))])
        await store.reword("me", "fact_1", "Lives near Lyon")
        (known,) = await store.facts("me")
        assert (known.text, known.origin, len(known.evidence)) == ("Lives near Lyon", "told", 1)
        with pytest.raises(NotFound):
            await store.reword("me", "fact_9", "x")
        with pytest.raises(NotFound):
            await store.reword("you", "fact_1", "x")

    async def test_when_the_middle_of_a_history_is_forgotten_its_end_still_holds(self, store: Store):
        entries = await talk(store, HERE, "Lyon", "ok", "Paris", "ok", "Rome", "ok")
        await store.learn("me", [Learned(fact(1, "Lyon", entries[0]))])
        await store.learn("me", [Learned(fact(2, "Paris", entries[2]), supersedes="fact_1")])
        await store.learn("me", [Learned(fact(3, "Rome", entries[4]), supersedes="fact_2")])
        await store.forget(HERE, entries[2].id)
        old, new = await store.facts("me")
        assert (old.text, old.superseded, old.successor) == ("Lyon", 3.0, "fact_3")
        assert new.holds

    async def test_a_summary_that_another_branch_needs_is_kept(self, store: Store):
        trunk = await talk(store, HERE, *"1234")
        for start in (0, 2):
            part = BlockSummary(trunk[start + 1].id, start, start + 2, start + 2, "part")
            await store.save_summary(HERE, part, window=4, forgotten=0)
        left = await talk(store, HERE, "5", "6", below=trunk[-1].id)
        right = await talk(store, HERE, "5b", "6b", below=trunk[-1].id)
        whole = BlockSummary(left[1].id, 0, 6, 6, "all")
        await store.save_summary(HERE, whole, window=6, forgotten=0)
        assert [one.text for one in await store.summaries(HERE, right[-1].id)] == ["part", "part"]

    async def test_forgetting_takes_along_facts_that_have_no_other_evidence(self, store: Store):
        entries = await talk(store, HERE, "I live in Lyon", "ok", "Lyon is my home", "ok")
        await store.learn("me", [Learned(fact(1, "one", entries[0])), Learned(fact(2, "two", entries[0], entries[2]))])
        await store.learn("me", [Learned(fact(3, "told"))])
        await store.forget(HERE, entries[0].id)
        assert [one.text for one in await store.facts("me")] == ["two", "told"]
        await store.learn("me", [Learned(Fact("fact_4", "told here", "told", 4.0, (Evidence("c1", entries[2].id, "x"),)))])
        await store.delete(HERE)
        assert [one.text for one in await store.facts("me")] == ["told"]

    async def test_a_fact_from_what_was_forgotten_meanwhile_is_not_kept(self, store: Store):
        entries = await talk(store, HERE, "I live in Lyon", "ok")
        await store.forget(HERE, entries[0].id)
        assert list(await store.learn("me", [Learned(fact(1, "Lives in Lyon", entries[0]))], scope=HERE, order=2)) == []
        assert list(await store.facts("me")) == []
        assert (await store.info(HERE)).learned == 2

    async def test_how_far_was_learned_only_grows(self, store: Store):
        await talk(store, HERE, "1", "2")
        await store.learn("me", [], scope=HERE, order=2)
        await store.learn("me", [], scope=HERE, order=1)
        assert (await store.info(HERE)).learned == 2

    async def test_a_fact_is_deleted_with_what_it_superseded(self, store: Store):
        await store.learn("me", [Learned(fact(1, "a"))])
        await store.learn("me", [Learned(fact(2, "b"), supersedes="fact_1")])
        await store.learn("me", [Learned(fact(3, "c"), supersedes="fact_2")])
        await store.delete_fact("me", "fact_3")
        assert list(await store.facts("me")) == []
        with pytest.raises(NotFound):
            await store.delete_fact("me", "fact_3")

    async def test_vectors_are_kept_per_model_and_go_with_their_message(self, store: Store):
        entries = await talk(store, HERE, "one", "two")
        waiting = await store.unembedded("me", "m", after=0, limit=9)
        assert [(one.message, one.text) for one in waiting] == [(entries[1].id, "two"), (entries[0].id, "one")]
        assert [one.message for one in await store.unembedded("me", "m", after=waiting[1].number, limit=9)] == [entries[1].id]
        rows = [VectorRow(one.number, one.message, 0, bytes([number])) for number, one in enumerate(waiting)]
        await store.save_vectors("me", "m", rows)
        kept = await store.vectors("me", "m", after=0)
        assert [(one.message, one.row) for one in kept] == [(entries[1].id, b"\x00"), (entries[0].id, b"\x01")]
        assert list(await store.vectors("me", "m", after=kept[0].place)) == [kept[1]]
        assert list(await store.vectors("me", "other", after=0)) == []
        assert list(await store.vectors("you", "m", after=0)) == []
        assert list(await store.unembedded("me", "m", after=0, limit=9)) == []
        await store.forget(HERE, entries[0].id)
        assert [one.message for one in await store.vectors("me", "m", after=0)] == [entries[1].id]
        await store.save_vectors("me", "m", [rows[1]])
        assert len(await store.vectors("me", "m", after=0)) == 1
        await store.delete(HERE)
        assert list(await store.vectors("me", "m", after=0)) == []
