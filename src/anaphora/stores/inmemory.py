"""Conversations in this process's memory: gone with it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

from anaphora.calls import Call, Spent, taken_together
from anaphora.errors import ConversationBusy, MessageEnded, NotFound
from anaphora.fulltext import has_all, patterns, searchable, tells_of
from anaphora.message import Message, Usage
from anaphora.stores.base import Change, Draft, Lease, Query, Scope, busy, changed, hit, new_entry, restored
from anaphora.stores.inmemory_derived import InMemoryDerived
from anaphora.stores.inmemory_held import HeldConversation
from anaphora.tokens import Estimate
from anaphora.transcript import START, UNMEASURED, ConversationInfo, Entry, Extent, Hit, Size


class InMemoryStore(InMemoryDerived):
    """The Store protocol on dictionaries, for any number of threads and tasks."""

    async def acquire(self, scope: Scope, /, *, seconds: float) -> Lease:
        with self._lock:
            conversation = self._of(scope)
            now = time.monotonic()
            if conversation.holder is not None and conversation.expires > now:
                raise busy(scope)
            conversation.holder, conversation.expires = secrets.token_hex(8), now + seconds
            for entry in conversation.entries.values():
                if entry.status == "pending":
                    conversation.entries[entry.id] = replace(entry, status="interrupted")
            return Lease(scope, conversation.holder)

    async def renew(self, lease: Lease, /, *, seconds: float) -> None:
        with self._lock:
            conversation = self._of(lease.scope)
            if conversation.holder != lease.holder:
                raise ConversationBusy(f"conversation {lease.scope.conversation!r} was taken over by another writer.")
            conversation.expires = time.monotonic() + seconds

    async def release(self, lease: Lease, /) -> None:
        with self._lock:
            conversation = self._of(lease.scope)
            if conversation.holder == lease.holder:
                conversation.holder = None

    async def append(self, scope: Scope, draft: Draft, /) -> Entry:
        with self._lock:
            conversation = self._of(scope)
            if draft.key is not None and draft.key in conversation.keys:
                return conversation.entries[conversation.keys[draft.key]]
            entry = new_entry(draft, self._extent_to(conversation, draft.parent), order=len(conversation.entries) + 1)
            self._put(conversation, entry)
            conversation.updated = entry.created
            return entry

    async def change(self, scope: Scope, message_id: str, change: Change, /) -> Entry:
        with self._lock:
            conversation = self._of(scope)
            entry = self._entry(conversation, message_id)
            if entry.status != "pending":
                raise MessageEnded(f"message {message_id} has ended ({entry.status}) and cannot be changed.")
            entry = changed(entry, change)
            conversation.entries[message_id] = entry
            usage = change.call.usage if change.call else change.usage
            if usage is not None:
                conversation.usage = (conversation.usage or Usage()) + usage
            if change.call is not None:
                self._calls[scope.owner].append(change.call)
            if change.head:
                conversation.head = message_id
            conversation.updated = time.time()
            return entry

    async def measure(self, scope: Scope, message_id: str, size: Size, /) -> None:
        with self._lock:
            conversation = self._of(scope)
            conversation.entries[message_id] = replace(self._entry(conversation, message_id), size=size)

    async def move_head(self, scope: Scope, message_id: str | None, /) -> None:
        with self._lock:
            conversation = self._of(scope)
            if message_id is not None:
                self._entry(conversation, message_id)
            conversation.head = message_id

    async def branch(self, scope: Scope, message_id: str | None, /, *, reach: Extent | None = None) -> Sequence[Entry]:
        with self._lock:
            conversation = self._seen(scope)
            path: list[Entry] = []
            extent = START
            while message_id is not None:
                path.append(self._entry(conversation, message_id))
                extent += path[-1].extent
                if reach is not None and path[-1].starts_turn and extent.exceeds(reach):
                    break
                message_id = path[-1].parent
            return path[::-1]

    async def children(self, scope: Scope, message_id: str | None, /) -> Sequence[Entry]:
        with self._lock:
            conversation = self._seen(scope)
            return [conversation.entries[child] for child in conversation.children.get(message_id, ())]

    async def leaves(self, scope: Scope, /) -> Sequence[Entry]:
        with self._lock:
            conversation = self._seen(scope)
            return [entry for entry in conversation.entries.values() if entry.id not in conversation.children]

    async def forget(self, scope: Scope, message_id: str, /) -> None:
        with self._lock:
            text = searchable(self._entry(self._of(scope), message_id).message)
            for other, conversation in self._conversations.items():
                entry = conversation.entries.get(message_id)
                if other.owner == scope.owner and entry is not None:
                    conversation.entries[message_id] = replace(entry, message=Message(entry.role, ()), size=UNMEASURED)
                    conversation.title = "" if tells_of(conversation.title, text) else conversation.title
                    self._drop_derived(other, conversation, entry)

    async def delete(self, scope: Scope, /) -> None:
        with self._lock:
            conversation = self._conversations.get(scope)
            if conversation is None:
                raise NotFound(f"no conversation {scope.conversation!r}.")
            if conversation.holder is not None and conversation.expires > time.monotonic():
                raise busy(scope)
            for message_id in self._conversations.pop(scope).entries:
                self._drop_words(scope, message_id)
            self._facts_of(scope.owner).drop_evidence(conversation=scope.conversation)

    async def transcript(self, scope: Scope, /) -> Sequence[Entry]:
        with self._lock:
            return list(self._seen(scope).entries.values())

    async def restore(self, owner: str, info: ConversationInfo, entries: Sequence[Entry], /) -> int:
        with self._lock:
            scope = Scope(owner, info.id)
            conversation = deepcopy(self._seen(scope))
            is_new = not conversation.entries
            if conversation.holder is not None and conversation.expires > time.monotonic():
                raise busy(scope)
            missing = [entry for entry in entries if entry.id not in conversation.entries]
            for entry in missing:
                before = self._extent_to(conversation, entry.parent)
                self._put(conversation, restored(entry, before, order=len(conversation.entries) + 1))
            if is_new:
                conversation.title, conversation.system, conversation.created = info.title, info.system, info.created
                conversation.learned = info.learned
                conversation.head, conversation.updated, conversation.usage = info.head, info.updated, info.usage
            elif missing:
                conversation.head = self._later(conversation, info.head)
                conversation.usage = sum((entry.usage for entry in missing if entry.usage), conversation.usage or Usage())
            # Only now, so that a transcript with a hole changes nothing.
            self._conversations[scope] = conversation
            return len(missing)

    async def search(self, owner: str, query: Query, /) -> Sequence[Hit]:
        wanted = patterns(query.text)
        chunks = [chunk.casefold() for chunk in query.text.split()]
        with self._lock:
            here = [
                (self._info(scope, conversation), entry)
                for scope, conversation in self._conversations.items()
                if scope.owner == owner and query.conversation in {None, scope.conversation}
                for entry in conversation.entries.values()
                if entry.status != "pending"
            ]
        here.sort(key=lambda pair: pair[1].created, reverse=True)
        found = [pair for pair in here if wanted and has_all(searchable(pair[1].message), wanted)]
        if not found:
            found = [pair for pair in here if all(chunk in searchable(pair[1].message).casefold() for chunk in chunks)]
        return [hit(info, entry, query) for info, entry in found[: query.limit]]

    async def info(self, scope: Scope, /) -> ConversationInfo:
        with self._lock:
            return self._info(scope, self._seen(scope))

    async def describe(self, scope: Scope, /, *, title: str | None = None, system: str | None = None) -> None:
        with self._lock:
            conversation = self._of(scope)
            conversation.title = conversation.title if title is None else title
            conversation.system = conversation.system if system is None else system

    async def conversations(self, owner: str, /) -> Sequence[ConversationInfo]:
        with self._lock:
            found = [
                self._info(scope, item) for scope, item in self._conversations.items() if scope.owner == owner and item.entries
            ]
        return sorted(found, key=lambda info: info.updated, reverse=True)

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _later(self, conversation: HeldConversation, head: str | None) -> str | None:
        """This head, if the conversation's own is on the way to it; else the conversation's own."""
        message_id = head
        while message_id is not None and message_id != conversation.head:
            message_id = self._entry(conversation, message_id).parent
        return conversation.head if message_id is None else head

    def _extent_to(self, conversation: HeldConversation, message_id: str | None) -> Extent:
        """How long a branch is that ends with this message."""
        if message_id is None:
            return START
        entry = self._entry(conversation, message_id)
        return entry.before + entry.extent

    @staticmethod
    def _put(conversation: HeldConversation, entry: Entry) -> None:
        conversation.entries[entry.id] = entry
        conversation.children.setdefault(entry.parent, []).append(entry.id)
        if entry.key is not None:
            conversation.keys[entry.key] = entry.id

    async def record(self, owner: str, call: Call, /) -> None:
        with self._lock:
            self._calls[owner].append(call)
            conversation = self._conversations.get(Scope(owner, call.conversation))
            if conversation is not None:
                conversation.usage = (conversation.usage or Usage()) + call.usage

    async def spent(self, owner: str, /, *, conversation: str | None = None, since: float = 0.0) -> Sequence[Spent]:
        with self._lock:
            calls = [one for one in self._calls[owner] if one.created >= since and conversation in {None, one.conversation}]
        return taken_together(calls)

    async def estimate(self, owner: str, model: str, /) -> Estimate | None:
        return self._estimates.get((owner, model))

    async def keep_estimate(self, owner: str, model: str, estimate: Estimate, /) -> None:
        self._estimates[owner, model] = estimate

    @staticmethod
    def _entry(conversation: HeldConversation, message_id: str) -> Entry:
        try:
            return conversation.entries[message_id]
        except KeyError:
            raise NotFound(f"no message {message_id!r} in this conversation.") from None

    @staticmethod
    def _info(scope: Scope, conversation: HeldConversation) -> ConversationInfo:
        return ConversationInfo(
            id=scope.conversation,
            title=conversation.title,
            head=conversation.head,
            system=conversation.system,
            created=conversation.created,
            updated=conversation.updated,
            messages=len(conversation.entries),
            usage=conversation.usage or Usage(),
            learned=conversation.learned,
            forgotten=conversation.forgotten,
        )
