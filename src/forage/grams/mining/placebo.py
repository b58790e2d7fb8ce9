"""Random grams that cover as much of the corpus as the strategic ones: what HICRA must beat.

A control with fewer or more marked tokens would differ from the method in the size of the bonus, not only in its place.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forage.core.seeds import derive_seed
from forage.grams.matching import Matcher
from forage.grams.mining.counting import CountedSolutions, Level, texts_of
from forage.grams.words import is_formula

TOLERANCE = 0.01
"""The placebo's coverage may exceed the list's by this share of it."""


def covered_words(
    corpus: CountedSolutions, levels: Sequence[Level], chosen: Sequence[NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """(W,) bool: the places of the corpus inside an occurrence of a chosen gram; `chosen` has (M,) bool per level."""
    covered = np.zeros(len(corpus.words), dtype=np.bool_)
    for level, wanted in zip(levels, chosen, strict=True):
        begin = level.place[wanted[level.gram]]
        for offset in range(level.n):
            covered[begin + offset] = True
    return covered


def draw_placebo(
    corpus: CountedSolutions, levels: Sequence[Level], grams: Sequence[str], *, coverage: int, seed: int
) -> tuple[tuple[str, ...], int]:
    """Random common grams, and how many words of the corpus they cover: as near to `coverage` as they come.

    The pool is every counted gram of `levels` that neither holds one of `grams` nor is part of one. Strategic grams
    hold no word of a formula, and the control is to differ from them in its places, not in its kind of words: formulae
    are taken only for what the other grams together cannot cover. In an order drawn by `seed`, each gram is taken
    unless the words covered would then exceed `coverage` by more than `TOLERANCE`. Returns the grams, sorted, and the
    words they cover; fewer than asked for where the pool is too small.
    """
    matcher = Matcher(grams)
    parts = {part for gram in grams for part in _parts(gram.split())}
    is_one = np.array([is_formula(word) for word in corpus.vocabulary], dtype=np.bool_)
    plain: list[tuple[str, NDArray[np.int64]]] = []
    formulae: list[tuple[str, NDArray[np.int64]]] = []
    for level in levels:
        order, bounds = _by_gram(level)
        formula = np.asarray(is_one[level.grams].any(axis=1))
        for number, text in enumerate(texts_of(corpus, level)):
            if text not in parts and not matcher.find(text):
                begin = level.place[order[bounds[number] : bounds[number + 1]]]
                words = np.unique(begin[:, None] + np.arange(level.n))
                (formulae if formula[number] else plain).append((text, words))
    for pool in (plain, formulae):
        pool.sort(key=lambda entry: derive_seed(seed, "placebo", entry[0]))
    most = len(np.unique(np.concatenate([words for _, words in plain]))) if plain else 0
    covered = np.zeros(len(corpus.words), dtype=np.bool_)
    chosen: set[str] = set()
    for pool, enough in ((formulae, coverage - most), (plain, coverage), (formulae, coverage)):
        for text, words in pool:
            gain, total = int((~covered[words]).sum()), int(covered.sum())
            if total < enough and gain and total + gain <= coverage * (1 + TOLERANCE):
                covered[words] = True
                chosen.add(text)
    return tuple(sorted(chosen)), int(covered.sum())


def _parts(words: Sequence[str]) -> list[str]:
    return [" ".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)]


def _by_gram(level: Level) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Occurrences sorted by gram, and where each gram's begin: gram g has order[bounds[g]:bounds[g + 1]]."""
    order = np.argsort(level.gram, kind="stable")
    return order, np.searchsorted(level.gram[order], np.arange(len(level.grams) + 1))
