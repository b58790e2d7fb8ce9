"""Strategic grams from correct solutions: phrases that many different solutions share (arXiv 2509.03646, section 2.1).

Published: all n-grams of 3 to 5, embedded by a sentence encoder and clustered; a cluster's document frequency is the
number of solutions with at least one of its grams; the top 20 % of the clusters are kept. Not published, so ours: what
a word is (`forage.grams.words`), which grams are formulae, how rare a gram may be, the encoder, and the clustering.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forage.core.errors import ForageError
from forage.grams.gram_list import GramCluster, GramList
from forage.grams.mining.clustering import Clustering, Leader
from forage.grams.mining.counting import CountedSolutions, Level, count_grams, read_corpus, texts_of
from forage.grams.mining.embedding import Embedder, TfIdf
from forage.grams.mining.placebo import covered_words, draw_placebo
from forage.grams.words import is_formula


@dataclass(frozen=True, kw_only=True)
class Miner:
    """Call it with solutions to get a list.

    `shortest` and `longest`: words of a gram. `formulae`: grams with digits, LaTeX commands or single letters are never
    in a list; "drop" leaves them out from the beginning, since clusters of formulae otherwise take most of the places;
    "rank" leaves them out at the end, so that the share to keep is one of all clusters, as published. `top`: the share
    of clusters kept, by document frequency; equals of the last one are kept too. `clustering`: which grams are one
    cluster. `min_solutions`: how many solutions a gram must stand in; a thousandth of them, and at
    least 2, unless given. `seed` draws the placebo.
    """

    shortest: int = 3
    longest: int = 5
    formulae: Literal["drop", "rank"] = "drop"
    top: float = 0.2
    clustering: Clustering = field(default_factory=Leader)
    min_solutions: int | None = None
    seed: int = 0
    embedder: Embedder = field(default_factory=TfIdf)

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest <= 10:
            raise ForageError(f"Grams have 1 to 10 words, shortest first, not {self.shortest}-{self.longest}.")
        if not 0 < self.top <= 1:
            raise ForageError(f"The share of clusters to keep lies above 0 and up to 1, not {self.top}.")
        if self.min_solutions is not None and self.min_solutions < 1:
            raise ForageError(f"A gram stands in at least one solution, not {self.min_solutions}.")

    def __call__(self, solutions: Iterable[str], *, source: str) -> GramList:
        """Mines `solutions`, read once and in order; the same solutions in the same order give the same list.

        `source` is what the list says it was made from. Raises ForageError where there is no solution, or no gram that
        enough of them share.
        """
        digest = hashlib.blake2b(digest_size=8)
        corpus = read_corpus(_hashing(solutions, digest))
        if not corpus.solutions:
            raise ForageError(f"There is no correct solution in {source}, so there is nothing to mine.")
        least = self.min_solutions or max(2, math.ceil(corpus.solutions / 1000))
        levels = count_grams(corpus, longest=self.longest, min_solutions=least)[self.shortest - 1 :]
        counted = _candidates(corpus, levels)
        candidates = [gram for gram in counted if self.formulae == "rank" or not gram.formula]
        if all(gram.formula for gram in candidates):
            raise ForageError(
                f"No phrase of {self.shortest} to {self.longest} words stands in {least} of the {corpus.solutions} "
                f"solutions of {source}. Give more solutions, or shorter phrases (`words` 1-5 for a word-level model)."
            )
        number = self.clustering(self.embedder([gram.text for gram in candidates]))
        clusters = _clusters(corpus, levels, candidates, number)
        made = {
            "how": "mined from correct solutions",
            "source": source,
            "source_hash": digest.hexdigest(),
            "solutions": corpus.solutions,
            "words": corpus.total,
            "n": f"{self.shortest}-{self.longest}",
            "min_solutions": least,
            "formulae": "dropped after ranking" if self.formulae == "rank" else "dropped before clustering",
            "embedder": self.embedder.name,
            "clustering": self.clustering.name,
            "candidates": len(candidates),
            "clusters": len(clusters),
            "top": self.top,
            "placebo_seed": self.seed,
        }
        kept = _without_formulae(corpus, levels, self._common(clusters))
        if not kept:
            raise ForageError(
                f"The top {self.top:.0%} of the clusters of {source} hold nothing but formulae. Keep more (`top`), or "
                "leave formulae out before ranking (`formulae` drop)."
            )
        return self._list(corpus, levels, kept, made)

    def _common(self, clusters: Sequence["_Cluster"]) -> list["_Cluster"]:
        """The share `top` of the clusters, most common first, with all that are as common as the last of them."""
        ranked = sorted(clusters, key=lambda cluster: -cluster.frequency)
        last = ranked[math.ceil(self.top * len(ranked)) - 1].frequency
        return [cluster for cluster in ranked if cluster.frequency >= last]

    def _list(
        self,
        corpus: CountedSolutions,
        levels: Sequence[Level],
        clusters: Sequence["_Cluster"],
        made: Mapping[str, str | int | float],
    ) -> GramList:
        """The list of these clusters, its coverage of the corpus, and its placebo."""
        chosen = [np.zeros(len(level.grams), dtype=np.bool_) for level in levels]
        for cluster in clusters:
            for gram in cluster.grams:
                chosen[gram.level][gram.number] = True
        strategic = [gram.text for cluster in clusters for gram in cluster.grams]
        covered = int(covered_words(corpus, levels, chosen).sum())
        placebo, like = draw_placebo(corpus, levels, strategic, coverage=covered, seed=self.seed)
        return GramList(
            clusters=tuple(
                GramCluster(grams=tuple(gram.text for gram in cluster.grams), solutions=cluster.frequency)
                for cluster in clusters
            ),
            placebo=placebo,
            coverage=covered / corpus.total,
            placebo_coverage=like / corpus.total,
            made={**made, "placebo_formulae": sum(any(map(is_formula, gram.split())) for gram in placebo)},
        )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A counted gram: its text, its level (an index), its number there, how many solutions hold it, what it is."""

    text: str
    level: int
    number: int
    frequency: int
    formula: bool


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Candidates that mean about the same, and the number of solutions that hold at least one of them."""

    grams: tuple[_Candidate, ...]
    frequency: int


def _candidates(corpus: CountedSolutions, levels: Sequence[Level]) -> list[_Candidate]:
    """All counted grams, most common first, then by text."""
    formula = np.array([is_formula(word) for word in corpus.vocabulary], dtype=np.bool_)
    candidates: list[_Candidate] = []
    for index, level in enumerate(levels):
        texts, frequency = texts_of(corpus, level), level.frequency
        flags = np.asarray(formula[level.grams].any(axis=1))
        candidates += [
            _Candidate(text, index, number, int(frequency[number]), bool(flags[number]))
            for number, text in enumerate(texts)
        ]
    return sorted(candidates, key=lambda candidate: (-candidate.frequency, candidate.text))


def _clusters(
    corpus: CountedSolutions, levels: Sequence[Level], candidates: Sequence[_Candidate], number: NDArray[np.int64]
) -> list[_Cluster]:
    """The candidates by their cluster's number, and how many solutions hold at least one gram of each cluster."""
    members: list[list[_Candidate]] = [[] for _ in range(int(number.max()) + 1)]
    cluster_of = [np.full(len(level.grams), -1, dtype=np.int64) for level in levels]
    for candidate, cluster in zip(candidates, number.tolist(), strict=True):
        members[cluster].append(candidate)
        cluster_of[candidate.level][candidate.number] = cluster
    pairs: list[NDArray[np.int64]] = []
    for level, belongs in zip(levels, cluster_of, strict=True):
        cluster = belongs[level.pair_gram]
        key = cluster * corpus.solutions + level.pair_solution
        pairs.append(np.unique(key[cluster >= 0]))
    frequency = np.bincount(np.unique(np.concatenate(pairs)) // corpus.solutions, minlength=len(members))
    return [_Cluster(tuple(grams), int(count)) for grams, count in zip(members, frequency, strict=True)]


def _without_formulae(
    corpus: CountedSolutions, levels: Sequence[Level], clusters: Sequence[_Cluster]
) -> list[_Cluster]:
    """The clusters without their formulae, counted anew and again most common first; empty ones disappear."""
    plain = [[gram for gram in cluster.grams if not gram.formula] for cluster in clusters]
    plain = [grams for grams in plain if grams]
    if not plain:
        return []
    number = np.repeat(np.arange(len(plain)), [len(grams) for grams in plain])
    counted = _clusters(corpus, levels, [gram for grams in plain for gram in grams], number)
    return sorted(counted, key=lambda cluster: -cluster.frequency)


def _hashing(solutions: Iterable[str], digest: "hashlib.blake2b") -> Iterator[str]:
    """Passes the solutions on, and what was passed into the digest."""
    for text in solutions:
        encoded = text.encode("utf-8", "backslashreplace")
        digest.update(f"{len(encoded)}:".encode() + encoded)
        yield text
