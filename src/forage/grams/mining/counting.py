"""Counting the n-grams of many solutions, level by level, in arrays.

An n-gram is counted only where both of its (n-1)-grams are common enough, since it cannot be more common than they are
(the a-priori rule). So memory grows with the number of words, not with the number of different n-grams.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forage.grams.words import SCANNER, fold

BREAK = -1
"""Stands where a run of words ends."""


@dataclass(frozen=True)
class CountedSolutions:
    """Solutions as numbers. `words` (W,) int32 with breaks between runs; `solution` (W,) int32 says whose they are."""

    words: NDArray[np.int32]
    solution: NDArray[np.int32]
    vocabulary: tuple[str, ...]
    solutions: int

    @property
    def total(self) -> int:
        """Words, breaks not counted."""
        return int((self.words != BREAK).sum())


@dataclass(frozen=True)
class Level:
    """The common n-grams of one length `n`.

    `grams` (M, n) int32 holds their words. `gram` and `place` (K,): the gram and the place in the corpus of every
    occurrence, by place. `pair_gram` and `pair_solution` (L,): every gram with every solution that holds it, once.
    """

    n: int
    grams: NDArray[np.int32]
    gram: NDArray[np.int32]
    place: NDArray[np.int64]
    pair_gram: NDArray[np.int32]
    pair_solution: NDArray[np.int32]

    @property
    def frequency(self) -> NDArray[np.int64]:
        """(M,) the number of solutions that hold each gram."""
        return np.bincount(self.pair_gram, minlength=len(self.grams))


def read_corpus(solutions: Iterable[str]) -> CountedSolutions:
    """Reads the solutions one by one; only their numbers are kept."""
    numbers: dict[str, int] = {"": BREAK}
    parts: list[NDArray[np.int32]] = []
    for text in solutions:
        scanned = SCANNER.findall(fold(text))
        # A run's end is found with the empty word, which stands for the break; one more ends the solution.
        row = [numbers.setdefault(word, len(numbers) - 1) for word, _ in scanned]
        parts.append(np.array([*row, BREAK], dtype=np.int32))
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    words = np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)
    solution = np.repeat(np.arange(len(parts), dtype=np.int32), lengths)
    return CountedSolutions(words, solution, tuple(numbers)[1:], len(parts))


def count_grams(corpus: CountedSolutions, *, longest: int, min_solutions: int) -> list[Level]:
    """The n-grams of lengths 1 to `longest` that stand in at least `min_solutions` solutions, one level for each n."""
    levels: list[Level] = []
    place = np.flatnonzero(corpus.words != BREAK)
    key = corpus.words[place].astype(np.int64)
    for n in range(1, longest + 1):
        if n > 1:
            previous = levels[-1]
            follows = np.flatnonzero(np.diff(previous.place) == 1)
            key = previous.gram[follows].astype(np.int64) * len(previous.grams) + previous.gram[follows + 1]
            place = previous.place[follows]
        level = _level(corpus, levels[-1] if levels else None, key, place, min_solutions)
        levels.append(level)
    return levels


def texts_of(corpus: CountedSolutions, level: Level) -> list[str]:
    """The grams of a level as people write them."""
    return [" ".join(corpus.vocabulary[word] for word in gram) for gram in level.grams]


def _level(
    corpus: CountedSolutions,
    previous: Level | None,
    key: NDArray[np.int64],
    place: NDArray[np.int64],
    min_solutions: int,
) -> Level:
    """Numbers the keys that are common enough, in the order of the keys, and forgets the others."""
    order = np.argsort(key, kind="stable")
    sorted_key, sorted_solution = key[order], corpus.solution[place[order]]
    first = np.ones(len(key), dtype=np.bool_)  # of each (key, solution): places, so solutions, rise within a key
    first[1:] = (sorted_key[1:] != sorted_key[:-1]) | (sorted_solution[1:] != sorted_solution[:-1])
    keys, frequency = np.unique(sorted_key[first], return_counts=True)
    keys = keys[frequency >= min_solutions]

    number = np.minimum(np.searchsorted(keys, sorted_key), max(len(keys) - 1, 0))
    kept = keys[number] == sorted_key if len(keys) else np.zeros(len(key), dtype=np.bool_)
    gram = np.full(len(key), -1, dtype=np.int32)
    gram[order[kept]] = number[kept]
    if previous is None:
        grams = keys.astype(np.int32)[:, None]
    else:
        left, right = np.divmod(keys, max(len(previous.grams), 1))
        grams = np.concatenate([previous.grams[left], previous.grams[right][:, -1:]], axis=1)
    return Level(
        n=grams.shape[1],
        grams=grams,
        gram=gram[gram >= 0],
        place=place[gram >= 0],
        pair_gram=number[kept & first].astype(np.int32),
        pair_solution=sorted_solution[kept & first],
    )
