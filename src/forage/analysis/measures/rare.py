"""D3: are sentences that the base would seldom write more uncertain? (Cheng et al., arXiv 2506.14758, section 2)

Published: every sentence is embedded; the rarity of a sentence is its mean distance to its 5 nearest base sentences;
the rarest tenth is compared with the rest. The embedding, the cosine distance, the removal of duplicates, the shortest
sentence and the null are our choice: a tenth is rare by construction, so the rarities of held-out *base* sentences say
what rarity is worth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forage.analysis.measures.contrast import DRAWS, Contrast, contrast, problem_weights
from forage.analysis.measures.reflective import Sentence
from forage.analysis.measures.responses import Bools, Floats, Ints
from forage.core.errors import ForageError
from forage.core.seeds import derive_seed
from forage.grams.mining.embedding import Embedder, Vectors
from forage.ops.resampling import Interval, percentile_interval

NEIGHBOURS = 5
SHARE = 0.1
SHORTEST = 4
LARGEST = 4000
BLOCK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class RareSentences:
    """The rarest tenth against the rest, and rarity itself against the null.

    `entropy`: mean sentence entropy of the rare ones against the others. `deciles` and `null_deciles` (11 numbers from
    the least to the most) describe the rarities of the policy's sentences and of held-out base sentences. `beyond` is
    the share of the policy's sentences rarer than 90% of the held-out base sentences: 0.1 where nothing changed.
    `examples` are the rarest sentences. `embedding` says what the vectors are.
    """

    embedding: str
    sentences: int
    base_sentences: int
    held_out: int
    threshold: float
    entropy: Contrast
    deciles: tuple[float, ...]
    null_deciles: tuple[float, ...]
    beyond: Interval
    examples: tuple[str, ...]


def rare_sentences(
    policy: Sequence[Sentence],
    base: Sequence[Sentence],
    embed: Embedder,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> RareSentences:
    """Scores the policy's sentences, and held-out base sentences, against the same reference of base sentences.

    Half of the base's problems are held out, and the policy's sentences of the other half are left out too, since two
    answers to one problem are alike for that reason alone. Exact duplicates and sentences of fewer than 4 words are
    removed; of more than 4,000 sentences of a kind, a fixed sample is taken. Raises ForageError where too little is
    left.
    """
    held = _half_of_problems([sentence.problem for sentence in base], seed)
    reference = _prepared([sentence for sentence in base if sentence.problem not in held], seed)
    null = _prepared([sentence for sentence in base if sentence.problem in held], seed)
    seen = {sentence.problem for sentence in base} - held
    own = _prepared([sentence for sentence in policy if sentence.problem not in seen], seed)
    if min(len(reference), len(null), len(own)) < 2 * NEIGHBOURS:
        raise ForageError(
            f"Rare sentences need at least {2 * NEIGHBOURS} different sentences of {SHORTEST} words or more from the "
            f"policy and from each half of the base's problems; there are {len(own)}, {len(reference)} and {len(null)}."
        )
    known = [sentence.text for sentence in reference]
    vectors = embed([sentence.text for sentence in (*reference, *null, *own)], corpus=known)
    target, apart = vectors[: len(reference)], len(reference) + len(null)
    null_rarity = cosine_rarity(vectors[len(reference) : apart], target)
    rarity = cosine_rarity(vectors[apart:], target)
    threshold = float(np.quantile(rarity, 1 - SHARE))
    rare: Bools = rarity >= threshold
    problem = _numbers(own)
    entropy = np.array([sentence.entropy for sentence in own], dtype=np.float64)
    return RareSentences(
        embedding=embed.name,
        sentences=len(own),
        base_sentences=len(reference),
        held_out=len(null),
        threshold=threshold,
        entropy=contrast(entropy, rare, problem, draws=draws, seed=seed),
        deciles=_deciles(rarity),
        null_deciles=_deciles(null_rarity),
        beyond=_beyond(rarity, problem, null_rarity, _numbers(null), draws=draws, seed=seed),
        examples=tuple(own[index].text for index in np.argsort(-rarity, kind="stable")[:10].tolist()),
    )


def mean_nearest(distances: Floats, k: int = NEIGHBOURS) -> Floats:
    """(N, M) distances -> (N,): the mean of the k smallest of each row (of all M where M < k)."""
    k = min(k, distances.shape[1])
    return np.partition(distances, k - 1, axis=1)[:, :k].mean(axis=1) if k else np.full(len(distances), math.nan)


def cosine_rarity(queries: Vectors, reference: Vectors, k: int = NEIGHBOURS) -> Floats:
    """(N, d) and (M, d) rows of length 1 -> (N,): mean cosine distance (0 to 2) to the k nearest reference rows."""
    blocks = [
        mean_nearest(np.clip(1.0 - (queries[start : start + BLOCK] @ reference.T).astype(np.float64), 0, 2), k)
        for start in range(0, len(queries), BLOCK)
    ]
    return np.concatenate(blocks) if blocks else np.zeros(0)


def _beyond(rarity: Floats, problem: Ints, null: Floats, null_problem: Ints, *, draws: int, seed: int) -> Interval:
    """The share of `rarity` above the 90% quantile of `null`; both are samples, so both are resampled by problem."""
    estimate = float((rarity > np.quantile(null, 1 - SHARE)).mean())
    if problem.max() == 0 or null_problem.max() == 0:
        return Interval(estimate, math.nan, math.nan)
    weights = problem_weights(int(problem.max()) + 1, draws=draws, seed=seed)
    null_weights = problem_weights(int(null_problem.max()) + 1, draws=draws, seed=derive_seed(seed, "null"))
    order, null_order = np.argsort(rarity), np.argsort(null)
    shares = np.empty(draws)
    for draw in range(draws):
        mass = np.cumsum(null_weights[draw][null_problem[null_order]])
        limit = null[null_order[int(np.searchsorted(mass, (1 - SHARE) * mass[-1]))]]
        below = np.cumsum(weights[draw][problem[order]])
        rank = int(np.searchsorted(rarity[order], limit, side="right"))
        shares[draw] = 1 - (below[rank - 1] / below[-1] if rank else 0.0)
    return percentile_interval(estimate, shares)


def _half_of_problems(problems: Sequence[str], seed: int) -> set[str]:
    distinct = sorted(set(problems))
    order = np.random.default_rng(derive_seed(seed, "held-out problems")).permutation(len(distinct))
    return {distinct[index] for index in order[: len(distinct) // 2].tolist()}


def _prepared(sentences: Sequence[Sentence], seed: int) -> list[Sentence]:
    """Without duplicates and short sentences; a fixed sample, in order, of many."""
    distinct = list({sentence.text: sentence for sentence in reversed(sentences)}.values())[::-1]
    long = [sentence for sentence in distinct if len(sentence.text.split()) >= SHORTEST]
    if len(long) <= LARGEST:
        return long
    chosen = np.random.default_rng(derive_seed(seed, "sentences")).choice(len(long), LARGEST, replace=False)
    return [long[index] for index in sorted(chosen.tolist())]


def _numbers(sentences: Sequence[Sentence]) -> Ints:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(s.problem, len(numbers)) for s in sentences], dtype=np.int64)


def _deciles(values: Floats) -> tuple[float, ...]:
    return tuple(np.quantile(values, np.linspace(0, 1, 11)).tolist())
