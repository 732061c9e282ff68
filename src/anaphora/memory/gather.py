"""Gathers what the memory adds to a window: facts, summaries, passages and pieces of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio

from anaphora.context.aside_texts import plain_tail_text, preamble_text, tail_text
from anaphora.context.facts import answering_facts, aside_tokens, evidence_of, lasting, matching, recent
from anaphora.context.own_words import own_words
from anaphora.context.policy import Memory, Recall
from anaphora.context.recall import MOST_PLACES, Choice, answering, passages, sentence_passage, worth_recalling
from anaphora.context.summary import chain, within
from anaphora.documents.choose import Reading
from anaphora.errors import AnaphoraError, StoreUnusable
from anaphora.memory.shown import Shown
from anaphora.memory.vectors import VectorIndex
from anaphora.providers.model import Model
from anaphora.search.candidates import Candidate, Candidates, Cue
from anaphora.search.need import need_of
from anaphora.search.ranking import NEIGHBOURS, rank
from anaphora.search.terms import cue_words, question_languages
from anaphora.stores.base import Store
from anaphora.values.memory import Fact
from anaphora.values.report import Aside, Asides, Excerpt, Need, Recalled
from anaphora.values.transcript import Entry

# A question of more words is a story; its beginning and its end say what it is about.
_MOST_WORDS = 40
# Nobody waits longer for vectors than for words.
_VECTOR_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Gatherer:
    """A memory with what it needs: the store, a model to count with, the documents, and the vectors if there are any.

    A model that ``is_tiny`` is told only what answers the very question, unless the user asked for more by name.
    """

    store: Store
    model: Model
    memory: Memory
    reading: Reading
    vectors: VectorIndex | None = None
    is_tiny: bool = False

    async def gather(self, shown: Shown) -> Asides:
        """Gathers everything that goes in beside a window. A failure becomes a note, and the answer does without."""
        try:
            return await self._gathered(shown)
        except StoreUnusable:
            raise
        except AnaphoraError as error:
            return Asides(notes=(f"nothing is remembered this time: {error}",))

    async def _gathered(self, shown: Shown) -> Asides:
        memory, began = self.memory, shown.window.first.created
        known = await self.store.facts(shown.scope.owner) if memory.facts else ()
        known = [fact for fact in known if shown.scope.shows(fact)]
        in_window = frozenset(entry.id for entry in shown.window.shown) if known else frozenset()
        facts_room = int(memory.facts.share * shown.room) if memory.facts else 0
        spares = self._spares("facts")
        held = [] if spares else lasting(known, began=began, room=facts_room)
        new: list[Fact] = []
        if shown.newest and known:
            new = [] if spares else recent(known, began=began, window=in_window, room=facts_room)
            question = _shortened(own_words(shown.newest.message))
            # Where there are more than fit, those that matter now; what the window shows needs no fact.
            hidden = [fact for fact in known if not any(proof.message in in_window for proof in fact.evidence)]
            left = facts_room - aside_tokens(new)
            new += answering_facts(hidden, question) if spares else matching(hidden, question, shown=(*held, *new), room=left)
        notes = _not_shown(known, held, new, facts_room)
        summaries = await self.store.summaries(shown.scope, shown.last.id) if memory.summary and shown.start else ()
        fitting = within(chain(summaries, shown.start), int(memory.summary.share * shown.room) if memory.summary else 0)
        recalled = Recalled()
        if memory.recall and shown.newest:
            recalled, trouble = await self._recalled(memory.recall, shown, shown.newest, known)
            notes += trouble
        documents, excerpts = await self.reading.whole(), await self._excerpts(shown)
        return Asides(
            facts=tuple(held),
            summaries=tuple(fitting),
            recent=tuple(new),
            recalled=recalled,
            documents=tuple(documents),
            excerpts=tuple(excerpts),
            preamble=await self._aside(preamble_text(held, fitting, documents)),
            tail=await self._aside(self._tail(new, recalled, shown.scope.conversation, excerpts)),
            notes=notes,
        )

    async def _excerpts(self, shown: Shown) -> Sequence[Excerpt]:
        """The pieces of larger documents that matter to the newest message."""
        if shown.newest is None or not self.reading.large:
            return ()
        question = _shortened(own_words(shown.newest.message))
        index = None if self.vectors is None else self.vectors.of(self.reading.documents.owner)
        alike, similar, _ = await self._alike(question, index)
        return await self.reading.excerpts(question, (alike, similar), since=shown.answered)

    async def _recalled(
        self, recall: Recall, shown: Shown, asked: Entry, known: Sequence[Fact]
    ) -> tuple[Recalled, tuple[str, ...]]:
        """Gives the passages to quote with the reasons, and notes about failures."""
        question = _shortened(own_words(asked.message))
        need = need_of(question, follows=shown.window.held.messages > 1)
        if not need.exists:
            return Recalled(need), ()
        wanted = cue_words(question)
        if not wanted or not (shown.start or self._reaches_elsewhere(recall, shown)):
            return Recalled(Need("none", "there is no past to search")), ()
        alike, similar, notes = await self._alike(question, self.vectors and self.vectors.of(shown.scope.owner))
        proofs = evidence_of(known, need.question)
        if proofs:
            # A message is also found by what was learned from it, as if it meant the same.
            alike = {**dict.fromkeys(proofs, max(alike.values(), default=1.0)), "": min(alike.values(), default=0.0), **alike}
            similar |= proofs
        scope = shown.scope
        cue = Cue(
            words=wanted,
            conversation=scope.conversation,
            message=asked.id,
            before=shown.start,
            elsewhere=self._reaches_elsewhere(recall, shown),
            messages=tuple(alike),
            asked=asked.id,
            languages=question_languages(question),
        )
        candidates = await self.store.candidates(scope.owner, cue)
        # Words that the window shows may have been said in another conversation too.
        in_window = {entry.text for entry in shown.window.shown}
        ranked = [place for place in rank(question, candidates, alike) if place.anchor.entry.text not in in_window]
        choice = worth_recalling(ranked, need, candidates, floor=recall.floor, alike=similar)
        if not choice.places:
            return Recalled(choice.need, ranked=choice.ranked), notes
        if self._spares("recall"):
            return self._told(choice, need.question, candidates), notes
        anchors = {(place.anchor.conversation, place.anchor.entry.id): place.anchor for place in choice.places}
        beside = await self.store.neighbours(scope.owner, cue, list(anchors.values())[:MOST_PLACES], steps=NEIGHBOURS)
        found: list[Candidate] = [*candidates.found, *beside]
        quoted = passages(choice.places, found, question, room=self._room_to_recall(recall, shown))
        return Recalled(choice.need, quoted.passages, choice.ranked, quoted.left), notes

    def _told(self, choice: Choice, question: str, candidates: Candidates) -> Recalled:
        """For a small model: the one sentence in which the user told what they ask for, if they did."""
        told = answering(choice.places, question, candidates) if choice.need.kind in {"personal", "appeal"} else None
        if told is None:
            reason = f"{choice.need.reason}, but nothing answers it word for word, and {self.model} is too small for more"
            return Recalled(replace(choice.need, kind="none", reason=reason), ranked=choice.ranked)
        return Recalled(choice.need, (sentence_passage(*told, question),), choice.ranked)

    def _spares(self, part: str) -> bool:
        """Tells whether a part of the memory gives this model only what answers the very question."""
        return self.is_tiny and part not in self.memory.chosen

    def _tail(self, facts: Sequence[Fact], recalled: Recalled, conversation: str, excerpts: Sequence[Excerpt]) -> str:
        if self._spares("recall"):
            return plain_tail_text(facts, recalled.passages, excerpts)
        return tail_text(facts, recalled.passages, conversation, excerpts)

    @staticmethod
    def _reaches_elsewhere(recall: Recall, shown: Shown) -> bool:
        return recall.conversations and shown.scope.is_named

    def _room_to_recall(self, recall: Recall, shown: Shown) -> int:
        """All that the window and what else is remembered leave, and half its share in any case."""
        left = shown.room - self.memory.standing(shown.room) - shown.window.tokens
        return max(left, int(recall.kept_free * shown.room))

    async def _alike(self, question: str, index: VectorIndex | None) -> tuple[dict[str, float], frozenset[str], tuple[str, ...]]:
        """The messages most like a question, those that mean nearly the same, and what went wrong: words alone will do."""
        if index is None:
            return {}, frozenset(), ()
        try:
            with anyio.fail_after(_VECTOR_SECONDS):
                return *(await index.alike(question)), ()
        except TimeoutError:
            reason = "the embedder took too long"
        except Exception as error:  # noqa: BLE001 -- it may be any function of the user's
            reason = str(error)
        return {}, frozenset(), (f"recalled by words alone: {reason}",)

    async def _aside(self, text: str) -> Aside:
        return Aside(text, await self.model.text_tokens(text)) if text else Aside()


def _not_shown(known: Sequence[Fact], held: Sequence[Fact], new: Sequence[Fact], room: int) -> tuple[str, ...]:
    """That not even one fact fits, which nobody would guess."""
    smallest = min((aside_tokens([fact]) for fact in known if fact.holds), default=0)
    if held or new or smallest <= room:
        return ()
    return (f"no fact is shown: their share of the budget, {room} tokens, is too small for any",)


def _shortened(text: str) -> str:
    said = text.split()
    return text if len(said) <= _MOST_WORDS else " ".join(said[: _MOST_WORDS // 2] + said[-_MOST_WORDS // 2 :])
