"""Which phrases mean the same: three clusterings of unit vectors, the same answer every time.

The paper does not say which it used. The default takes linear memory; the other two are scikit-learn's.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from forage.core.errors import ForageError

BLOCK = 512

MOST_PAIRED = 20_000
"""Rows that agglomerative clustering takes: it holds a distance for every pair, 3.2 GB for this many."""


class Clustering(ABC):
    """(N, d) float32 unit rows, in order of precedence, become (N,) numbers from 0 in order of first members."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What a list says about how it was made."""

    @abstractmethod
    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]: ...


@dataclass(frozen=True, kw_only=True)
class Leader(Clustering):
    """`leader_clusters`: members lie within `radius` (a cosine distance) of the first one."""

    radius: float = 0.25

    @property
    def name(self) -> str:
        return f"leader, cosine distance {self.radius:g}"

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        return leader_clusters(vectors, radius=self.radius)


@dataclass(frozen=True, kw_only=True)
class Agglomerative(Clustering):
    """Average linkage, cut where the mean cosine distance between two clusters exceeds `radius`.

    Takes memory for all pairs, so at most `MOST_PAIRED` rows: raises ForageError for more, and without scikit-learn.
    """

    radius: float = 0.25

    @property
    def name(self) -> str:
        return f"agglomerative, average linkage, cosine distance {self.radius:g}"

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        _check_radius(self.radius)
        if len(vectors) > MOST_PAIRED:
            raise ForageError(
                f"Agglomerative clustering compares all pairs, and {len(vectors)} phrases are more than {MOST_PAIRED}: "
                "ask for phrases in more solutions (`min_solutions`), or take the clustering `leader`."
            )
        if len(vectors) < 2:
            return np.arange(len(vectors))
        model = _scikit_learn().AgglomerativeClustering(
            n_clusters=None, metric="precomputed", linkage="average", distance_threshold=self.radius + 1e-6
        )
        return _in_order(model.fit_predict(np.clip(1 - vectors.astype(np.float64) @ vectors.T, 0, 2)))


@dataclass(frozen=True, kw_only=True)
class KMeans(Clustering):
    """k-means with `clusters` centres (as many as rows where there are fewer), started from `seed`.

    Raises ForageError without scikit-learn.
    """

    clusters: int = 500
    seed: int = 0

    @property
    def name(self) -> str:
        return f"k-means, {self.clusters} clusters, seed {self.seed}"

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        if self.clusters < 1:
            raise ForageError(f"k-means needs at least one cluster, not {self.clusters}.")
        if len(vectors) < 2:
            return np.arange(len(vectors))
        model = _scikit_learn().KMeans(
            n_clusters=min(self.clusters, len(np.unique(vectors, axis=0))), n_init=1, random_state=self.seed
        )
        return _in_order(model.fit_predict(vectors.astype(np.float64)))


def _scikit_learn() -> Any:
    try:
        import sklearn.cluster
    except ImportError:
        raise ForageError(
            "Agglomerative clustering and k-means need scikit-learn: pip install forage-rl[embed]."
        ) from None
    return cast(Any, sklearn.cluster)


def _in_order(labels: NDArray[Any]) -> NDArray[np.int64]:
    """The same clusters, numbered in the order of their first members."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return rank[inverse]


def _check_radius(radius: float) -> None:
    if not 0 <= radius < 1:
        raise ForageError(f"The radius of a cluster is a cosine distance from 0 to below 1, not {radius}.")


def leader_clusters(vectors: NDArray[np.float32], *, radius: float) -> NDArray[np.int64]:
    """(N,) the cluster of each row of `vectors` (N, d), unit rows in order of precedence; clusters count from 0.

    The first row leads the first cluster. Every later row joins the nearest leader if its cosine distance to it is at
    most `radius`, the older one where two are equally near, and else leads a new cluster. So members are within
    `radius` of their leader and leaders farther than `radius` from each other, as with agglomerative clustering cut at
    a cosine threshold, but with N x clusters distances computed in blocks and never more than N x d + block x clusters
    numbers in memory. The order decides who leads: give it the most common first. A row of zeros is a cluster of its
    own. Raises ForageError for a radius outside [0, 1).
    """
    _check_radius(radius)
    rows, least = len(vectors), 1 - radius - 1e-6  # equal vectors have cosine 1 up to rounding
    cluster = np.empty(rows, dtype=np.int64)
    leaders = np.empty(rows, dtype=np.int64)
    count = 0
    for begin in range(0, rows, BLOCK):
        block = vectors[begin : begin + BLOCK]
        known = count
        near, best = _nearest(block, vectors, leaders[:known])
        inside = block @ block.T
        new: list[int] = []  # leaders that this block itself brings, as rows of the block
        for row in range(len(block)):
            similarity, choice = best[row], near[row]
            if new:
                among = inside[row, new]
                place = int(among.argmax())
                if among[place] > similarity + 1e-6:
                    similarity, choice = among[place], known + place
            if similarity < least:
                choice = known + len(new)
                leaders[choice] = begin + row
                new.append(row)
            cluster[begin + row] = choice
        count += len(new)
    return cluster


def _nearest(
    block: NDArray[np.float32], vectors: NDArray[np.float32], leaders: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest leader of each row of the block and its cosine; -inf where there is none yet."""
    near = np.zeros(len(block), dtype=np.int64)
    best = np.full(len(block), -np.inf, dtype=np.float32)
    for begin in range(0, len(leaders), 16 * BLOCK):
        similarity = block @ vectors[leaders[begin : begin + 16 * BLOCK]].T
        place = similarity.argmax(axis=1)
        value = similarity[np.arange(len(block)), place]
        better = value > best + 1e-6
        near[better], best[better] = begin + place[better], value[better]
    return near, best
