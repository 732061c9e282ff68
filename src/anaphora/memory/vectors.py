"""Texts as rows of numbers, by a service or by any function, and the search for the rows that are most alike."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio

from anaphora.concurrency import run_in_thread
from anaphora.errors import ConfigError, MissingExtra
from anaphora.providers.base import ProviderOptions
from anaphora.providers.registry import open_provider, parse_model
from anaphora.search.ranking import pieces
from anaphora.search.vectors import VectorRow
from anaphora.stores.base import Store

if TYPE_CHECKING:
    import numpy as np

Rows = Sequence[Sequence[float]]
Encode = Callable[[Sequence[str]], Rows | Awaitable[Rows]]
# Rows are converted for the product in blocks of so many.
_BLOCK = 65_536
_ALIKE = 200
# What is more alike than nearly all of so many random pairs of the store, by a margin, means the same whatever its words. Of
# fewer rows nobody knows.
_PAIRS = 4_000
_NEARLY_ALL = 0.995
_MARGIN = 0.35
_SAME = 0.98
_LEAST_ROWS = 30


class _Embeds(Protocol):
    async def embed(self, model: str, texts: Sequence[str], /) -> list[list[float]]: ...

    async def aclose(self) -> None: ...


# So many pieces are embedded by one call.
_BATCH = 64


class Embedder:
    """Makes rows of numbers of texts. ``source`` is ``"provider:model"`` or a function; ``name`` tells whose rows they are.

    Raises MissingExtra without numpy, ConfigError for what cannot embed.
    """

    def __init__(self, source: object) -> None:
        _numpy()
        self._encode: Encode | None = None
        self._provider: _Embeds | None = None
        if isinstance(source, str):
            ref = parse_model(source)
            provider = open_provider(ref, ProviderOptions())
            if not hasattr(provider, "embed"):
                raise ConfigError(f"{ref.provider} makes no embeddings: name another, for example openai:text-embedding-3-small.")
            self.name, self._model, self._provider = source, ref.model, cast("_Embeds", provider)
        elif callable(source):
            self.name = (
                f"function {getattr(source, '__module__', '')}.{getattr(source, '__qualname__', type(source).__qualname__)}"
            )
            self._encode = cast("Encode", source)
        else:
            raise ConfigError(f"an embedder is a text like 'ollama:nomic-embed-text' or a function, not {source!r}.")

    async def encode(self, texts: Sequence[str]) -> list[bytes]:
        """Rows of unit length as int8, in the order of the texts. Raises ProviderError and whatever a function raises."""
        return _checked(await self.rows(texts), len(texts))

    async def rows(self, texts: Sequence[str]) -> Rows:
        """Gives rows of numbers as they come. Raises ProviderError and whatever a function raises."""
        if self._provider is not None:
            return await self._provider.embed(self._model, texts)
        if self._encode is None:
            raise ConfigError("there is no function and no service that embeds.")
        if _is_async(self._encode):
            made = self._encode(texts)
        else:
            made = await run_in_thread(self._encode, texts, abandon=True)
        return await made if inspect.isawaitable(made) else made

    async def aclose(self) -> None:
        """Let go of connections."""
        if self._provider is not None:
            await self._provider.aclose()


class VectorIndex:
    """The rows of one owner, held in memory and brought up to date before every search."""

    def __init__(self, store: Store, owner: str, embedder: Embedder) -> None:
        self._store = store
        self._owner = owner
        self._embedder = embedder
        # Below this number (the store's own, of messages) everything is embedded.
        self.embedded = 0
        self._rows: list[VectorRow] = []
        self._matrix: np.ndarray[Any, Any] | None = None
        self._least = 2.0
        self._lock = anyio.Lock()
        self._owners: dict[str, VectorIndex] = {owner: self}

    async def alike(self, text: str) -> tuple[dict[str, float], frozenset[str]]:
        """The messages most like a text (by id, with their cosine), and which of them mean nearly the same."""
        (row,) = await self._embedder.encode([text])
        async with self._lock:
            await self._update()
            rows, matrix, least = self._rows, self._matrix, self._least
        if matrix is None or matrix.shape[1] != len(row):
            return {}, frozenset()
        alike = await run_in_thread(_alike, rows, matrix, row)
        return alike, frozenset(message for message, cosine in alike.items() if cosine >= least)

    def of(self, owner: str) -> VectorIndex:
        """The index of an owner: this one, or the same for another."""
        if owner not in self._owners:
            other = VectorIndex(self._store, owner, self._embedder)
            other._owners = self._owners
            self._owners[owner] = other
        return self._owners[owner]

    async def embed(self, most: int, progress: Callable[[int], None] = lambda _: None) -> None:
        """Make rows of what has none yet: at most so many messages. Raises ProviderError and whatever a function raises.

        ``progress`` is told how many messages are done.
        """
        newest = 0
        for batches in range(-(-most // _BATCH)):
            progress(batches * _BATCH)
            waiting = await self._store.unembedded(self._owner, self._embedder.name, after=self.embedded, limit=_BATCH)
            newest = max([newest, *(one.number for one in waiting)])
            parts = [(one, place, piece) for one in waiting for place, piece in enumerate(pieces(one.text or " "))]
            for start in range(0, len(parts), _BATCH):
                batch = parts[start : start + _BATCH]
                rows = await self._embedder.encode([piece for _, _, piece in batch])
                kept = [VectorRow(one.number, one.message, place, row) for (one, place, _), row in zip(batch, rows, strict=True)]
                await self._store.save_vectors(self._owner, self._embedder.name, kept)
            if len(waiting) < _BATCH:
                # Nothing older is missing: it need not be looked for again.
                self.embedded = max(self.embedded, newest)
                return

    def forget(self) -> None:
        """Read everything anew: something was forgotten."""
        for one in self._owners.values():
            one._rows, one._matrix = [], None  # noqa: SLF001 -- the same class

    async def _update(self) -> None:
        np = _numpy()
        known, matrix = self._rows, self._matrix
        new = await self._store.vectors(self._owner, self._embedder.name, after=known[-1].place if known else 0)
        if not new or self._rows is not known:
            # Or something was forgotten just now: the next question reads anew.
            return
        width = len(new[-1].row)
        if matrix is not None and matrix.shape[1] != width:
            # The function is another one than it was.
            known, matrix = [], None
        kept = [row for row in new if len(row.row) == width]
        rows = np.frombuffer(b"".join(row.row for row in kept), dtype=np.int8).reshape(-1, width)
        self._rows, self._matrix = [*known, *kept], rows if matrix is None else np.concatenate([matrix, rows])
        self._least = _least_alike(self._matrix)


def _alike(rows: Sequence[VectorRow], matrix: np.ndarray[Any, Any], row: bytes) -> dict[str, float]:
    """The messages whose rows are most like one, with their cosine."""
    np = _numpy()
    wanted = np.frombuffer(row, dtype=np.int8).astype(np.float32)
    blocks = (matrix[start : start + _BLOCK].astype(np.float32) @ wanted for start in range(0, len(matrix), _BLOCK))
    cosines = np.concatenate(list(blocks)) / (127.0 * 127.0)
    most = min(2 * _ALIKE, len(cosines))
    best = np.argpartition(-cosines, most - 1)[:most]
    found: dict[str, float] = {}
    for index in best[np.argsort(-cosines[best], kind="stable")]:
        found.setdefault(rows[index].message, float(cosines[index]))
    return dict(list(found.items())[:_ALIKE])


def _least_alike(matrix: np.ndarray[Any, Any]) -> float:
    """The cosine from which on two texts of this store mean nearly the same: well above that of its own random pairs."""
    np = _numpy()
    if len(matrix) < _LEAST_ROWS:
        return 2.0
    # Any fixed choice will do; the same rows give the same.
    numbers = np.random.default_rng(0).integers(0, len(matrix), size=(_PAIRS, 2))
    numbers = numbers[numbers[:, 0] != numbers[:, 1]]
    first, second = (matrix[numbers[:, side]].astype(np.float32) for side in (0, 1))
    cosines = (first * second).sum(axis=1) / (127.0 * 127.0)
    # "Thanks!" said a hundred times says nothing of how alike other texts are.
    different = cosines[cosines < _SAME]
    usual = float(np.quantile(different, _NEARLY_ALL)) if len(different) else 1.0
    return usual + _MARGIN * (1.0 - usual)


def _is_async(function: Encode) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _checked(rows: object, count: int) -> list[bytes]:
    """Rows as int8 of unit length. Raises ConfigError for what are no rows of numbers."""
    np = _numpy()
    try:
        table = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the embedder gave no rows of numbers of one length: {error}.") from None
    if table.ndim != 2 or len(table) != count or not np.isfinite(table).all():
        raise ConfigError(
            f"the embedder must give {count} rows of finite numbers for {count} texts, not an array of {table.shape}."
        )
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return [bytes(row.tobytes()) for row in np.rint(table / np.where(lengths == 0, 1, lengths) * 127).astype(np.int8)]


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtra('recall by vectors needs an extra package: pip install "anaphora[vectors]"') from error
    return np
