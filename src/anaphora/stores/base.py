"""The protocols of a store: each verb is one transaction, and names the owner first.

A store of one's own may begin with Transcripts: its conversations have a window, but no summaries, recall or facts.
``tests/stores/conformance.py`` is what every store must pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from anaphora.search.candidates import Candidate, Candidates, Cue
    from anaphora.search.vectors import Unembedded, VectorRow
    from anaphora.stores.records import Begun, Change, Draft, Lease, Query
    from anaphora.stores.run_records import EventBatch, NewRun, Run, RunEnd, Wish
    from anaphora.stores.token_records import SignIn, Spending, Token
    from anaphora.values.memory import BlockSummary, Fact, Learned
    from anaphora.values.scope import Scope
    from anaphora.values.tokens import Estimate
    from anaphora.values.transcript import ConversationInfo, Entry, Extent, Hit, Size
    from anaphora.values.usage import Call, Spent


@runtime_checkable
class Indexed(Protocol):
    """A store whose search index may be behind, as after an update."""

    async def unindexed(self) -> int:
        """The number of messages that are not in the index yet; until then the newest of them are found by reading them."""
        ...

    async def index(self) -> bool:
        """Take some messages into the index; tells whether that was all. Each call is a transaction of its own."""
        ...


@runtime_checkable
class Transcripts(Protocol):
    """Trees of messages. A store assigns identity, order and time; it decides nothing about what a model sees."""

    async def acquire(self, scope: Scope, /, *, seconds: float) -> Lease:
        """Become the one writer for ``seconds``. What a dead writer left ``pending`` turns ``interrupted`` now.

        Raises ConversationBusy while somebody else's lease runs.
        """
        ...

    async def begin(self, scope: Scope, draft: Draft | None, /, *, seconds: float) -> Begun:
        """Acquire a lease and append a message, in one transaction. Raises ConversationBusy, and NotFound for its parent.

        A store with Runs also takes ``run``, and stores that it has begun.
        """
        ...

    async def renew(self, lease: Lease, /, *, seconds: float) -> None:
        """Hold on for ``seconds`` from now. Raises ConversationBusy if the lease was lost."""
        ...

    async def release(self, lease: Lease, /) -> None:
        """Let others write. A lease that was lost is let go silently."""
        ...

    async def append(self, scope: Scope, draft: Draft, /) -> Entry:
        """Add a message to the tree. Raises NotFound if the parent does not exist."""
        ...

    async def change(self, scope: Scope, message_id: str, change: Change, /) -> Entry:
        """Give a pending message its next words or its end. A message that has ended is never changed: StoreError."""
        ...

    async def measure(self, scope: Scope, message_id: str, size: Size, /) -> None:
        """Set the size of a message, as its model counts it. Raises NotFound."""
        ...

    async def move_head(self, scope: Scope, message_id: str | None, /) -> None:
        """Go on from this message, or from the very start. Raises NotFound."""
        ...

    async def branch(self, scope: Scope, message_id: str | None, /, *, reach: Extent | None = None) -> Sequence[Entry]:
        """The path from the root to a message, root first; empty for None. Raises NotFound.

        With ``reach`` only its end: back to the user's message with which it exceeds that in any measure.
        """
        ...

    async def children(self, scope: Scope, message_id: str | None, /) -> Sequence[Entry]:
        """Gives the messages below a message (or at the root), in order."""
        ...

    async def leaves(self, scope: Scope, /) -> Sequence[Entry]:
        """The last message of every branch, in order."""
        ...

    async def forget(self, scope: Scope, message_id: str, /) -> None:
        """Blank a message for good: its place in the tree stays, its words are nowhere any more. Raises NotFound.

        The same message in conversations that were forked from this one is blanked too, and all that was derived from it
        goes: summaries that cover it, its vectors, its part in the evidence of facts, and those that have no other.
        """
        ...

    async def delete(self, scope: Scope, /) -> None:
        """Remove a conversation with all its messages. Raises NotFound, and ConversationBusy while somebody writes."""
        ...

    async def transcript(self, scope: Scope, /) -> Sequence[Entry]:
        """Every message of the tree, in order."""
        ...

    async def restore(self, owner: str, info: ConversationInfo, entries: Sequence[Entry], /) -> int:
        """Put back a transcript, or add what is missing of it; gives how many messages were new. Parents come before children.

        A message with an id that is there already is left alone. The conversation goes on from ``info.head`` if it
        is new, or went on from a message before that. Raises ConversationBusy, and NotFound for a parent that is nowhere.
        """
        ...

    async def search(self, owner: str, query: Query, /) -> Sequence[Hit]:
        """The owner's messages that have all that the query asks for, newest first, on whichever branch."""
        ...

    async def info(self, scope: Scope, /) -> ConversationInfo:
        """Gives what is known of the conversation."""
        ...

    async def describe(
        self,
        scope: Scope,
        /,
        *,
        title: str | None = None,
        system: str | None = None,
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Set the title, the system prompt, the model or the settings; None leaves each as it is.

        ``settings`` are the options that the conversation was answered with last, as JSON can hold them.
        """
        ...

    async def conversations(self, owner: str, /, *, limit: int | None = None) -> Sequence[ConversationInfo]:
        """Gives the owner's conversations that have messages, the one that changed last first; at most ``limit``."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections."""
        ...


@runtime_checkable
class Memories(Protocol):
    """Everything derived from transcripts: summaries, facts, vectors, and the search for messages that matter."""

    async def candidates(self, owner: str, cue: Cue, /) -> Candidates:
        """The messages that have the rarest and most of a cue's words, or are named in it, as far as it reaches."""
        ...

    async def neighbours(self, owner: str, cue: Cue, anchors: Sequence[Candidate], /, *, steps: int) -> Sequence[Candidate]:
        """The messages up to so many steps before and after these on their branches, as far as the cue reaches."""
        ...

    async def summaries(self, scope: Scope, message_id: str | None, /) -> Sequence[BlockSummary]:
        """The summaries on the branch that ends with a message, in order."""
        ...

    async def save_summary(self, scope: Scope, summary: BlockSummary, /, *, window: int, forgotten: int) -> bool:
        """Store a summary; False if anything was forgotten since the conversation's info had ``forgotten``.

        What it covers is let go of where the window, which begins after ``window`` messages, shows it already, and no other
        branch may need it.
        """
        ...

    async def facts(self, owner: str, /) -> Sequence[Fact]:
        """All facts of an owner, those superseded too, oldest first."""
        ...

    async def learn(
        self, owner: str, facts: Sequence[Learned], /, *, scope: Scope | None = None, order: int = 0
    ) -> Sequence[Fact]:
        """Keep facts, and note that a conversation has been learned from up to the message of that order.

        Gives what was kept. A fact whose evidence has been forgotten meanwhile is not; nor is evidence for one that is gone, was
        superseded, or never rested on any.
        """
        ...

    async def reword(self, owner: str, fact_id: str, text: str, /) -> None:
        """Give a fact other words, told by hand; the old ones are nowhere any more. Raises NotFound."""
        ...

    async def delete_fact(self, owner: str, fact_id: str, /) -> None:
        """Remove a fact and everything it superseded. Raises NotFound."""
        ...

    async def unembedded(self, owner: str, model: str, /, *, after: int, limit: int) -> Sequence[Unembedded]:
        """The newest messages that have no vectors of this model, of those with a number above ``after``."""
        ...

    async def save_vectors(self, owner: str, model: str, rows: Sequence[VectorRow], /) -> None:
        """Store vectors of messages that still have words."""
        ...

    async def vectors(self, owner: str, model: str, /, *, after: int) -> Sequence[VectorRow]:
        """The vectors of this model with a place above ``after``, in order of their places."""
        ...


@runtime_checkable
class Ledger(Protocol):
    """The calls of models with their cost, and how the tokens of each model are estimated."""

    async def record(self, owner: str, call: Call, /) -> None:
        """Note a call, and add it to its conversation's usage."""
        ...

    async def spent(self, owner: str, /, *, conversation: str | None = None, since: float = 0.0) -> Sequence[Spent]:
        """The calls since that time (seconds since 1970), taken together by day, model and purpose, in that order."""
        ...

    async def estimate(self, owner: str, model: str, /) -> Estimate | None:
        """Gives the last estimate of a model's tokens; None if there is none."""
        ...

    async def save_estimate(self, owner: str, model: str, estimate: Estimate, /) -> None:
        """Keep what was learned of a model's tokens."""
        ...


@runtime_checkable
class Runs(Protocol):
    """The runs of a server with their event logs. A run is begun by ``begin``, with its message."""

    async def delete_owner(self, owner: str, /) -> int:
        """Removes everything of an owner, tokens and bills too. Gives the number of conversations."""
        ...

    async def has_conversation(self, scope: Scope, /) -> bool:
        """True if there is such a conversation, also one without messages."""
        ...

    async def run(self, owner: str, run_id: str, /) -> Run:
        """Gives a run. Raises NotFound, also for one of another owner."""
        ...

    async def living_run(self, owner: str, run_id: str, /) -> Run:
        """Gives a run; one whose process has died is ended first, with the words that came. Raises NotFound."""
        ...

    async def same_run(self, owner: str, /, *, key: str | None, fingerprint: str, since: float) -> Run | None:
        """Gives the newest run with a key of the client's; without a key, with a fingerprint, begun since that time."""
        ...

    async def run_of_chain(self, owner: str, chain: str, /) -> Run | None:
        """Gives the newest run whose branch has this hash."""
        ...

    async def runs(self, scope: Scope, /) -> Sequence[Run]:
        """Gives the runs of a conversation, oldest first."""
        ...

    async def add_events(self, batches: Sequence[EventBatch], /) -> None:
        """Appends events to logs. Events that are there already are left alone."""
        ...

    async def events(self, owner: str, run_id: str, /, *, after: int) -> Sequence[tuple[int, str]]:
        """Gives rows of the log from the one that may have events above ``after``.

        Each row is the number of its first event and a JSON list of the events.
        """
        ...

    async def end_run(self, owner: str, run_id: str, end: RunEnd, batches: Sequence[EventBatch] = (), /) -> None:
        """Stores the end of a run with the last of its events, in one transaction."""
        ...

    async def hold_runs(self, holder: str, /) -> Sequence[Wish]:
        """Says that a process lives, for the runs and the places that it holds. Gives what others wish of its runs."""
        ...

    async def wishes(self, holder: str, /) -> Sequence[Wish]:
        """Gives what others wish of the runs of a process."""
        ...

    async def stop_run(self, owner: str, run_id: str, /) -> None:
        """Asks the process that holds a run to stop it. Raises NotFound."""
        ...

    async def allow_call(self, owner: str, run_id: str, call: str, /, *, allow: bool) -> None:
        """Stores the answer to a run's question. The first answer counts. Raises NotFound."""
        ...

    async def end_dead_runs(self) -> int:
        """Ends runs whose processes have died. Gives their number, at most 100."""
        ...

    async def delete_run(self, owner: str, run_id: str, /) -> None:
        """Removes a run and its log; the messages stay. Raises NotFound."""
        ...

    async def wait_for_events(self, owner: str, run_id: str, /, *, seconds: float) -> None:
        """Waits until a log may have grown, at most about so many seconds."""
        ...

    async def drop_events(self, *, before: float) -> int:
        """Removes the logs of runs that ended before that time (seconds since 1970). Gives the number of rows."""
        ...


@runtime_checkable
class Tokens(Protocol):
    """The tokens of a server's users, and the limits that hold over all its processes."""

    async def add_token(self, token: Token, /) -> None:
        """Stores a token. Raises ConfigError if there is one of that name."""
        ...

    async def tokens(self) -> Sequence[Token]:
        """Gives all tokens, by name."""
        ...

    async def token(self, hash_: str, /) -> Token | None:
        """Gives the token of a hash."""
        ...

    async def remove_token(self, name: str, /) -> None:
        """Removes a token. Raises NotFound."""
        ...

    async def add_sign_in(self, sign_in: SignIn, /) -> None:
        """Stores that a browser is signed in."""
        ...

    async def token_of_sign_in(self, hash_: str, /) -> Token | None:
        """Gives the token that the cookie of a hash stands for."""
        ...

    async def sign_ins(self, owner: str, /) -> Sequence[SignIn]:
        """Gives the browsers that are signed in for an owner, the newest first."""
        ...

    async def remove_sign_in(self, hash_: str, /) -> None:
        """Signs a browser out."""
        ...

    async def admit(self, token: Token, slot: str, holder: str, /) -> None:
        """Lets a request through, and takes the place ``slot`` for its answer. Raises TokenRefused where a limit is reached."""
        ...

    async def leave(self, token: Token, slot: str, used: Spending, /) -> None:
        """Gives a place back, and counts what the answer took."""
        ...

    async def spending(self, token: Token, /) -> Spending:
        """Gives what a token has used today."""
        ...


class Store(Transcripts, Memories, Ledger, Protocol):
    """Everything that a bot needs of a store. Raises only StoreError."""


class ServerStore(Store, Runs, Tokens, Protocol):
    """Everything that a server needs of a store."""

    async def begin(self, scope: Scope, draft: Draft | None, /, *, seconds: float, run: NewRun | None = None) -> Begun:
        """Acquires a lease, appends a message and stores that a run has begun, in one transaction."""
        ...
