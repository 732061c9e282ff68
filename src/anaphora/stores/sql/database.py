"""The connection that the rules of a store work with. Each kind of database has one of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anaphora.search.candidates import Cue
    from anaphora.stores.records import Query


class Rows(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """The number of rows that were changed."""
        ...

    @property
    def description(self) -> Any:
        """The columns: for each a sequence that begins with its name."""
        ...

    def fetchone(self) -> Any:
        """Gives the next row; None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """Gives all rows."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Ranking(Protocol):
    """The rows that may answer a question. ``counts``: how many messages have each of its words."""

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of messages with each word of the question."""
        ...

    def best(self) -> list[int]:
        """Gives the numbers of the rows with the rarest and most of the words, the best first."""
        ...

    def rules(self) -> list[int]:
        """Gives the numbers of the newest standing instructions of the user, which matter whatever their words."""
        ...


class FullText(Protocol):
    """The full-text index of a database. Messages are added after the turn that wrote them, or before the next search."""

    def remove(self, where: str, values: Sequence[str]) -> None:
        """Removes the messages of a condition. Raises StoreError if the index cannot be written."""
        ...

    def find(self, owner: str, query: Query) -> list[int]:
        """Gives the numbers of the rows that have everything that a query asks for, the newest first."""
        ...

    def ranking(self, owner: str, cue: Cue, everything: int) -> Ranking:
        """Ranks the owner's messages for a question; ``everything`` is how many there are."""
        ...


class Database(Protocol):
    """A connection. A statement has a ``?`` for each of its values, in order."""

    @property
    def fulltext(self) -> FullText:
        """The full-text index."""
        ...

    @property
    def ordered_join(self) -> str:
        """The words for a join whose tables are read in the order in which they stand."""
        ...

    def day(self, column: str) -> str:
        """Gives an expression for the day (YYYY-MM-DD) of a column that holds seconds since 1970."""
        ...

    def kept(self, column: str, kind: str, other: str) -> str:
        """Gives an expression for a column's value if it is of this kind (text, integer, real), else for another."""
        ...

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Rows:
        """Runs a statement."""
        ...

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> object:
        """Runs a statement once for each row of values."""
        ...
