"""Random sequences of everything a person can do, against a simple model of the tree."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from anaphora import Chatbot, Conversation, Retries, ScriptedProvider
from anaphora.errors import ProviderError, ServerFailed
from anaphora.providers.base import Request
from anaphora.providers.scripted import Cut, Delay, ScriptedReply
from anaphora.sync.portal import portal
from anaphora.values.events import ProviderEvent, TextDelta
from anaphora.values.scope import Scope
from anaphora.values.transcript import Entry


class Directed(ScriptedProvider):
    """Answers as it was last told to."""

    reply: ScriptedReply = ""

    async def stream(self, request: Request, /) -> AsyncGenerator[ProviderEvent, None]:
        async with aclosing(ScriptedProvider(self.reply).stream(request)) as events:
            async for event in events:
                yield event


@dataclass(frozen=True)
class Said:
    """A message as the model of the tree has it."""

    parent: str | None
    role: str
    text: str
    status: str = "complete"


@dataclass
class Tree:
    """A conversation: its messages in order, and where it goes on."""

    messages: dict[str, Said] = field(default_factory=dict)
    head: str | None = None

    def path(self, message: str | None) -> list[str]:
        path: list[str] = []
        while message is not None:
            path.append(message)
            message = self.messages[message].parent
        return path[::-1]

    def last_user(self) -> str | None:
        return next((one for one in reversed(self.path(self.head)) if self.messages[one].role == "user"), None)


class Talk(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "x.db"
        self.trees: dict[str, Tree] = {"talk": Tree()}
        self.count = 0
        self._open()

    def _open(self) -> None:
        self.provider = Directed()
        self.bot = Chatbot(self.provider, store=self.path, retries=Retries(attempts=0), window=None)

    def _conversation(self, data: st.DataObject) -> tuple[str, Conversation, Tree]:
        # In the order they were begun: their ids are chance.
        name = data.draw(st.sampled_from(list(self.trees)))
        return name, self.bot.conversation(name), self.trees[name]

    def _entry(self, name: str, data: st.DataObject, *, role: str | None = None) -> Entry | None:
        entries = [entry for entry in self._stored(name) if role is None or entry.role == role]
        return data.draw(st.sampled_from(entries)) if entries else None

    def _stored(self, name: str) -> list[Entry]:
        store = self.bot._inner._bot.store
        return list(portal.call(lambda: store.transcript(Scope("me", name))))

    def _new(self, name: str, tree: Tree) -> list[Entry]:
        return [entry for entry in self._stored(name) if entry.id not in tree.messages]

    def _words(self) -> str:
        self.count += 1
        return f"words {self.count}"

    def _answered(self, name: str, tree: Tree, answer: Said, question: Said | None) -> None:
        """Take what was stored into the model, if it is what should have been."""
        new = self._new(name, tree)
        assert [entry.role for entry in new] == (["user"] if question else []) + ["assistant"]
        if question is not None:
            user = new[0]
            assert (user.parent, user.text, user.status) == (question.parent, question.text, "complete")
            tree.messages[user.id] = question
            answer = replace(answer, parent=user.id)
        entry = new[-1]
        assert (entry.parent, entry.text, entry.status) == (answer.parent, answer.text, answer.status)
        tree.messages[entry.id] = answer
        if answer.status == "complete" or (answer.status == "stopped" and answer.text):
            tree.head = entry.id

    @rule(data=st.data())
    def say(self, data: st.DataObject) -> None:
        name, talk, tree = self._conversation(data)
        question = Said(tree.head, "user", self._words())
        self.provider.reply = answer = self._words()
        talk.say(question.text)
        self._answered(name, tree, Said(None, "assistant", answer), question)

    @rule(data=st.data(), partly=st.booleans())
    def fail(self, data: st.DataObject, partly: bool) -> None:
        name, talk, tree = self._conversation(data)
        question = Said(tree.head, "user", self._words())
        words = self._words()
        self.provider.reply = [TextDelta(words), Cut()] if partly else ServerFailed("x", provider="scripted", retryable=False)
        with suppress(ProviderError):
            list(talk.stream(question.text))
            raise AssertionError("it did not fail")
        status = "interrupted" if partly else "failed"
        self._answered(name, tree, Said(None, "assistant", words if partly else "", status), question)

    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        name, talk, tree = self._conversation(data)
        question = Said(tree.head, "user", self._words())
        words = self._words()
        self.provider.reply = [TextDelta(words), Delay(60)]
        with talk.stream(question.text) as reply:
            assert next(iter(reply)) == words
        self._answered(name, tree, Said(None, "assistant", words, "stopped"), question)

    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        name, talk, tree = self._conversation(data)
        message = self._entry(name, data, role="user")
        if message is not None:
            question = Said(message.parent, "user", self._words())
            self.provider.reply = answer = self._words()
            talk.edit(message, question.text)
            self._answered(name, tree, Said(None, "assistant", answer), question)

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        name, talk, tree = self._conversation(data)
        unanswered = talk.unanswered()
        asked = tree.last_user() if unanswered is None else unanswered.id
        if asked is not None and tree.messages[asked].text:
            self.provider.reply = answer = self._words()
            talk.retry()
            self._answered(name, tree, Said(asked, "assistant", answer), None)

    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        _, talk, tree = self._conversation(data)
        asked = tree.last_user()
        undone = talk.undo()
        assert (undone.id if undone else None) == asked
        if asked is not None:
            tree.head = tree.messages[asked].parent

    @rule(data=st.data())
    def goto(self, data: st.DataObject) -> None:
        name, talk, tree = self._conversation(data)
        message = self._entry(name, data)
        if message is not None:
            talk.goto(message)
            tree.head = message.id

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        name, talk, _ = self._conversation(data)
        message = self._entry(name, data)
        if message is not None:
            talk.forget(message)
            for tree in self.trees.values():
                if message.id in tree.messages:
                    tree.messages[message.id] = replace(tree.messages[message.id], text="")

    @precondition(lambda self: len(self.trees) < 4)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        name, talk, tree = self._conversation(data)
        message = self._entry(name, data)
        if message is not None:
            fork = talk.fork(message)
            path = tree.path(message.id)
            self.trees[fork.id] = Tree({one: tree.messages[one] for one in path}, message.id)

    @rule()
    def reopen(self) -> None:
        self.bot.close()
        self._open()

    @invariant()
    def everything_is_where_it_should_be(self) -> None:
        for name, tree in self.trees.items():
            entries = self._stored(name)
            found = {entry.id: Said(entry.parent, entry.role, entry.text, entry.status) for entry in entries}
            assert found == tree.messages
            assert [entry.order for entry in entries] == list(range(1, len(entries) + 1))
            talk = self.bot.conversation(name)
            assert [entry.id for entry in talk.history()] == tree.path(tree.head)
            assert talk.info().messages == len(entries)
            leaves = set(tree.messages) - {said.parent for said in tree.messages.values()}
            assert {entry.id for entry in talk.branches()} == leaves
            for entry in entries:
                extents = [one.extent for one in entries if one.id in tree.path(entry.id)[:-1]]
                assert (entry.before.messages, entry.before.turns) == (len(extents), sum(extent.turns for extent in extents))
        if self.count:
            words = f"words {self.count}"
            expected = {
                (name, one) for name, tree in self.trees.items() for one, said in tree.messages.items() if said.text == words
            }
            assert {(hit.conversation, hit.entry.id) for hit in self.bot.search(f'"{words}"')} == expected

    def teardown(self) -> None:
        if hasattr(self, "bot"):
            self.bot.close()
            with closing(sqlite3.connect(self.path)) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            self.folder.cleanup()


TestTalk = Talk.TestCase
TestTalk.settings = settings(max_examples=25 if os.environ.get("ANAPHORA_PROOFS") else 10, stateful_step_count=25, deadline=None)
