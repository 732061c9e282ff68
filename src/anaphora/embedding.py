"""Texts as rows of numbers, by a service or by any function, and the search for the rows that are most alike."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio
import anyio.to_thread

from anaphora.derived import VectorRow
from anaphora.errors import ConfigError, MissingExtra
from anaphora.providers.base import ProviderOptions
from anaphora.registry import open_provider, parse_model
from anaphora.stores.base import Store

if TYPE_CHECKING:
    import numpy as np

Rows = Sequence[Sequence[float]]
Encode = Callable[[Sequence[str]], Rows | Awaitable[Rows]]
# Rows are converted for the product in blocks of so many.
_BLOCK = 65_536
_ALIKE = 200
# What stands out so much from all others (in standard deviations) means the same, whatever its words; of fewer rows nobody knows.
_STANDS_OUT = 4.0
_LEAST_ROWS = 30


class _Embeds(Protocol):
    async def embed(self, model: str, texts: Sequence[str], /) -> list[list[float]]: ...

    async def aclose(self) -> None: ...


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
        if self._provider is not None:
            rows: Rows = await self._provider.embed(self._model, texts)
        elif self._encode is not None:
            if _is_async(self._encode):
                made = self._encode(texts)
            else:
                made = await anyio.to_thread.run_sync(self._encode, texts)
            rows = await made if inspect.isawaitable(made) else made
        return [_int8(row) for row in rows]

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
        self._rows: list[VectorRow] = []
        self._matrix: np.ndarray[Any, Any] | None = None

    async def alike(self, text: str) -> tuple[dict[str, float], frozenset[str]]:
        """The messages most like a text (by id, with their cosine), and which of them stand out from all others."""
        np = _numpy()
        (row,) = await self._embedder.encode([text])
        await self._update()
        wanted = np.frombuffer(row, dtype=np.int8).astype(np.float32)
        if self._matrix is None or self._matrix.shape[1] != len(wanted):
            return {}, frozenset()
        matrix = self._matrix
        blocks = (matrix[start : start + _BLOCK].astype(np.float32) @ wanted for start in range(0, len(matrix), _BLOCK))
        cosines = np.concatenate(list(blocks)) / (127.0 * 127.0)
        best = np.argsort(-cosines)[: 2 * _ALIKE]
        found: dict[str, float] = {}
        for index in best:
            found.setdefault(self._rows[index].message, float(cosines[index]))
        least = float(cosines.mean() + _STANDS_OUT * cosines.std()) if len(cosines) >= _LEAST_ROWS else 2.0
        alike = dict(list(found.items())[:_ALIKE])
        return alike, frozenset(message for message, cosine in alike.items() if cosine >= least)

    def forget(self) -> None:
        """Read everything anew: something was forgotten."""
        self._rows, self._matrix = [], None

    async def _update(self) -> None:
        np = _numpy()
        newest = self._rows[-1].place if self._rows else 0
        new = await self._store.vectors(self._owner, self._embedder.name, after=newest)
        if new:
            width = len(new[0].row)
            rows = np.frombuffer(b"".join(row.row for row in new if len(row.row) == width), dtype=np.int8).reshape(-1, width)
            self._rows += [row for row in new if len(row.row) == width]
            self._matrix = rows if self._matrix is None else np.concatenate([self._matrix, rows])


def _is_async(function: Encode) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def _int8(row: Sequence[float]) -> bytes:
    np = _numpy()
    vector = np.asarray(row, dtype=np.float32)
    length = float(np.linalg.norm(vector)) or 1.0
    return bytes(np.rint(vector / length * 127).astype(np.int8).tobytes())


def _numpy() -> Any:
    try:
        import numpy as np  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise MissingExtra('recall by vectors needs an extra package: pip install "anaphora[vectors]"') from error
    return np
