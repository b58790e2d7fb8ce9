"""How many strategies there are, in nats: entropies of counts, and what small samples do to them."""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from forage.core.errors import ForageError
from forage.core.seeds import derive_seed
from forage.ops.semantic import semantic_entropy

Floats = NDArray[np.float64]
Correction = Literal["none", "miller-madow", "jackknife"]
Pair = tuple[Hashable, Hashable]
"""A gram, and what followed it."""

SUBSAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EntropyEstimate:
    """An entropy and what it needs to be read: the base of its logarithm, occupied bins, and the total count.

    An entropy over `bins` bins cannot exceed the logarithm of their number; the plug-in estimate ("none") is too low
    for small totals.
    """

    value: float
    base: float
    bins: int
    total: int
    correction: Correction


def estimate_entropy(
    counts: Sequence[int] | NDArray[np.int64], *, base: float = math.e, correction: Correction = "none"
) -> EntropyEstimate:
    """Shannon entropy of how often each gram occurs (HICRA, arXiv 2509.03646): "semantic entropy of strategic grams".

    "miller-madow" adds (occupied bins - 1) / (2 total) nats (Miller 1955); "jackknife" is N H - (N - 1) mean H without
    one observation (Zahl 1977). The paper names neither the base nor the support. Raises ForageError for a base that
    is not above 1. No counts give 0.
    """
    if not base > 1:
        raise ForageError(f"The base of the logarithm must be above 1, not {base}.")
    exact = np.asarray(counts, dtype=np.int64)
    total, bins = int(exact.sum()), int((exact > 0).sum())
    nats = float(semantic_entropy(torch.from_numpy(exact)))
    if correction == "miller-madow" and total:
        nats += (bins - 1) / (2 * total)
    if correction == "jackknife" and total > 1:
        nats = total * nats - (total - 1) * _mean_without_one(exact[exact > 0])
    return EntropyEstimate(value=nats / math.log(base), base=base, bins=bins, total=total, correction=correction)


def miller_madow(counts: Floats) -> Floats:
    """(D, M) counts, whole or weighted -> (D,) nats: the corrected entropy of each row; NaN where a row is empty."""
    total = counts.sum(axis=1)
    plug_in = semantic_entropy(torch.from_numpy(np.ascontiguousarray(counts))).numpy()
    corrected = plug_in + ((counts > 0).sum(axis=1) - 1) / (2 * np.maximum(total, 1))
    return np.where(total > 0, corrected, np.nan)


def entropy_at(counts: Sequence[int] | NDArray[np.int64], total: int, *, seed: int = 0) -> float:
    """Mean plug-in entropy (nats) of random subsamples of `total` occurrences: comparable between checkpoints.

    Raises ValueError where fewer than `total` were counted.
    """
    exact = np.asarray(counts, dtype=np.int64)
    if total > exact.sum():
        raise ValueError(f"{total} occurrences cannot be drawn from {exact.sum()}")
    rng = np.random.default_rng(derive_seed(seed, "subsample", total))
    drawn = rng.multivariate_hypergeometric(exact, total, size=SUBSAMPLES, method="marginals")
    return float(semantic_entropy(torch.from_numpy(drawn)).mean())


def conditional_entropy(pairs: Sequence[Pair]) -> tuple[float, float]:
    """(H(Y|G), H(Y)) in nats of pairs (gram, what follows it), so H(Y|G) <= H(Y); both 0 without pairs.

    The "procedural entropy" of arXiv 2509.03646, whose window and smoothing are not published.
    """
    by_gram: dict[Hashable, Counter[Hashable]] = {}
    for gram, following in pairs:
        by_gram.setdefault(gram, Counter())[following] += 1
    marginal = Counter(following for _, following in pairs)
    given = sum(sum(followers.values()) * _plain(followers) for followers in by_gram.values())
    return (given / len(pairs), _plain(marginal)) if pairs else (0.0, 0.0)


def conditional_entropy_at(pairs: Sequence[Pair], total: int, *, seed: int = 0) -> tuple[float, float]:
    """`conditional_entropy` averaged over random subsamples of `total` pairs."""
    rng = np.random.default_rng(derive_seed(seed, "pairs", total))
    estimates = [
        conditional_entropy([pairs[index] for index in rng.choice(len(pairs), total, replace=False).tolist()])
        for _ in range(SUBSAMPLES)
    ]
    return sum(given for given, _ in estimates) / SUBSAMPLES, sum(marginal for _, marginal in estimates) / SUBSAMPLES


def conditional_draws(pairs: Sequence[Pair], cluster: NDArray[np.int64], weights: Floats) -> tuple[Floats, Floats]:
    """(H(Y|G), H(Y)) in nats, each (D,), with pair i counted weights[d, cluster[i]] times in draw d.

    cluster (N,) int64 for N pairs, weights (D, P), 0 or more. A draw in which nothing counts gives NaN. Uses
    H(Y|G) = H(G, Y) - H(G).
    """
    gram, following = (_numbers([pair[side] for pair in pairs]) for side in (0, 1))
    joint = _numbers(list(pairs))
    entropies = np.array(
        [[_weighted_entropy(column, row[cluster]) for column in (joint, gram, following)] for row in weights],
        dtype=np.float64,
    ).reshape(-1, 3)
    return entropies[:, 0] - entropies[:, 1], entropies[:, 2]


def _numbers(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """(N,) equal values share a number, counted from 0."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.int64)


def _weighted_entropy(kind: NDArray[np.int64], weight: Floats) -> float:
    counts = np.bincount(kind, weights=weight)
    share = counts[counts > 0] / max(float(counts.sum()), 1e-300)
    return float(-(share * np.log(share)).sum()) if share.size else math.nan


def _plain(counts: Counter[Hashable]) -> float:
    return estimate_entropy(list(counts.values())).value


def _mean_without_one(counts: NDArray[np.int64]) -> float:
    """The mean plug-in entropy after one observation was left out, over all observations."""
    total = int(counts.sum())
    logs = counts * np.log(counts)
    without = logs.sum() - logs + (counts - 1) * np.log(np.maximum(counts - 1, 1))
    entropies = math.log(total - 1) - without / (total - 1)
    return float((counts * entropies).sum() / total)
