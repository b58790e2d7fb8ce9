"""Where phrases stand in a text: a trie over words, so the time does not grow with the number of phrases."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forage.core.errors import ForageError
from forage.grams.words import SCANNER, fold, runs

Span = tuple[int, int]
"""Start and end (exclusive) in characters of the text."""

_GRAM = ""
"""The key of a trie node under which the number of the gram that ends there is kept: no word is empty."""


class Match(NamedTuple):
    """A gram in a text: characters `start` to `end`; `gram` is its place in the matcher's list."""

    start: int
    end: int
    gram: int


class Matcher:
    """Finds phrases as whole words, whatever their case, punctuation inside a sentence aside.

    `grams` are phrases; two spellings of the same words are one gram, the first of them. Raises ForageError for a
    phrase without a word and for one that no text can hold because it spans two sentences.
    """

    def __init__(self, grams: Iterable[str]) -> None:
        self.grams = tuple(grams)
        self._root: dict[str, Any] = {}
        for number, gram in enumerate(self.grams):
            word_runs = runs(gram)
            if len(word_runs) != 1:
                raise ForageError(f"{gram!r} is not a phrase: a gram is one or more words of one sentence.")
            node = self._root
            for word in word_runs[0]:
                node = node.setdefault(word, {})
            node.setdefault(_GRAM, number)

    def find(self, text: str) -> list[Match]:
        """The longest match at every word, but none that lies inside another; in order of their starts.

        Two matches may overlap. Together they cover exactly the characters that any occurrence of any gram covers.
        """
        tokens = list(SCANNER.finditer(fold(text)))
        words = [token[1] for token in tokens]
        words.append(None)
        root, reach, matches = self._root, 0, []
        for first, word in enumerate(words):
            node = root.get(word)
            if node is None:
                continue
            end, gram, place = 0, -1, first
            while node is not None:
                place += 1
                if _GRAM in node:
                    end, gram = place, node[_GRAM]
                node = node.get(words[place])
            if end > reach:
                reach = end
                matches.append(Match(tokens[first].start(), tokens[end - 1].end(), gram))
        return matches

    def spans(self, text: str) -> list[Span]:
        """What the matches cover: disjoint spans in order. Matches that only touch stay apart."""
        merged: list[Span] = []
        for start, end, _ in self.find(text):
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((start, end))
        return merged


def tokens_in_spans(text: str, pieces: Sequence[str], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """(tokens,) bool: which of the last tokens of `text`, given by their texts `pieces`, overlap one of the `spans`.

    `pieces` joined are the end of `text`; what stands before them (the prefix of a replayed response) is context: a
    match may begin there. A piece without characters overlaps nothing. Raises ValueError where the text ends otherwise.
    """
    if not text.endswith("".join(pieces)):
        raise ValueError("the pieces are not the end of the text")
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    ends = len(text) - int(lengths.sum()) + np.cumsum(lengths)
    bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
    # The first span that ends behind the piece's start is the only one that can be the first to overlap it.
    candidate = np.searchsorted(bounds[:, 1], ends - lengths, side="right")
    starts = np.append(bounds[:, 0], np.iinfo(np.int64).max)
    return (starts[candidate] < ends) & (lengths > 0)
