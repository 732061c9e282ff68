"""What every store must do: finding what was said."""

from __future__ import annotations

import anyio
import pytest
from tests.doubles.entries import ASK, HERE, MakesStore

from anaphora.stores.base import Store
from anaphora.stores.records import Draft, Query
from anaphora.values.message import Message, Text, text_message
from anaphora.values.scope import Scope

pytestmark = pytest.mark.anyio


class SearchConformance(MakesStore):
    @pytest.mark.parametrize(
        ("query", "text"),
        [
            ("C++", "I like C++ more than C"),
            ("c", "I like C++ more than C"),
            ("foo-bar", "call foo-bar now"),
            ("foo bar", "bar, then foo"),
            ('"then foo"', "bar, then foo"),
            ("北京", "我爱北京烤鸭"),
            ("カタカナ", "これはカタカナです"),
            ("서울", "저는 서울에 살아요"),
            ("🎉", "what a party🎉!"),
            ("ÉTÉ", "un été chaud"),
            ("ete", "un été chaud"),
            ("running", "he runs; they run"),
            ("'quoted'", "it was 'quoted'"),
            ('"', 'a " alone'),
            ('say "hi', 'they say "hi" here'),
            ("100%", "100% sure"),
            ("a_b", "the name a_b here"),
            ("\\", "a back\\slash"),
            ("...", "well..."),
            ("AND", "this AND that"),
            ("col:y", "a col:y b"),
            ("NEAR(a", "NEAR(a b)"),
            ("anaph", "the word anaphora"),
            ("phora", "the word anaphora"),
            ("*", "a * b"),
            ("don't", "I don't know"),
            ("नमस्ते", "नमस्ते दुनिया"),
            ("ＡＢＣ", "the abc"),
        ],
    )
    async def test_whatever_a_person_types_is_found_where_it_stands(self, store: Store, query: str, text: str):
        other = await store.append(HERE, Draft(None, text_message("user", "something else entirely")))
        entry = await store.append(HERE, Draft(None, text_message("user", text)))
        (hit,) = await store.search("me", Query(query))
        assert hit.entry == entry != other
        assert hit.conversation == "c1"
        assert hit.excerpt == text
        assert hit.marks

    @pytest.mark.parametrize("query", ["nowhere", "C#", "bar*foo+", '"foo then"', "类"])
    async def test_what_nobody_said_is_not_found(self, store: Store, query: str):
        await store.append(HERE, Draft(None, text_message("user", 'C++ then foo "bar" text parts 北京')))
        assert list(await store.search("me", Query(query))) == []

    async def test_a_search_finds_the_newest_first_within_its_limits(self, store: Store):
        for number in range(5):
            await store.append(Scope("me", f"c{number % 2}"), Draft(None, text_message("user", f"tea number {number}")))
            await anyio.sleep(0.002)
        await store.append(Scope("you", "c0"), Draft(None, text_message("user", "tea for you")))
        found = await store.search("me", Query("tea", limit=3))
        assert [hit.entry.text for hit in found] == ["tea number 4", "tea number 3", "tea number 2"]
        found = await store.search("me", Query("tea", conversation="c1"))
        assert [hit.entry.text for hit in found] == ["tea number 3", "tea number 1"]
        assert [hit.entry.text for hit in await store.search("you", Query("TEA"))] == ["tea for you"]

    async def test_an_answer_is_found_when_it_has_ended_however_it_did(self, store: Store):
        root = await store.append(HERE, Draft(None, ASK))
        await store.acquire(HERE, seconds=0.01)
        pending = await store.append(HERE, Draft(root.id, Message("assistant", (Text("Lutetia"),)), status="pending"))
        assert list(await store.search("me", Query("lutetia"))) == []
        await anyio.sleep(0.05)
        await store.release(await store.acquire(HERE, seconds=1))
        assert [hit.entry.id for hit in await store.search("me", Query("lutetia"))] == [pending.id]

    async def test_what_is_forgotten_or_deleted_is_not_found(self, store: Store):
        entry = await store.append(HERE, Draft(None, ASK))
        await store.append(Scope("me", "c2"), Draft(None, ASK))
        await store.forget(HERE, entry.id)
        await store.delete(Scope("me", "c2"))
        assert list(await store.search("me", Query("capital"))) == []
