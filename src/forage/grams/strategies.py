"""A list of strategic grams in use: which strategies a text shows, where, and what follows them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from forage.grams.entropy import Pair
from forage.grams.gram_list import GramList
from forage.grams.matching import Matcher, Span

FOLLOWING = 3
"""Execution words behind a gram that make up what follows it."""

SEEN = 5
"""A gram must occur this often for what follows it to count."""

Occurrence = tuple[str, Span]
"""The bin in which a gram is counted, and where the gram stands."""

Support = Literal["list", "clusters"]

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, kw_only=True)
class Strategies:
    """`bins` names, for each gram of the matcher, the bin in which it is counted."""

    matcher: Matcher
    bins: tuple[str, ...]

    @classmethod
    def of(cls, grams: GramList, *, support: Support = "clusters") -> "Strategies":
        """Counts each gram by itself ("list"), or all grams of a cluster together; a gram's first cluster counts."""
        return cls(matcher=Matcher(grams.grams), bins=grams.grams if support == "list" else grams.bins)

    def occurrences(self, text: str) -> list[Occurrence]:
        """(bin, place) of each match in the text, in order; matches may overlap."""
        return [(self.bins[match.gram], (match.start, match.end)) for match in self.matcher.find(text)]

    def sequence(self, text: str) -> tuple[str, ...]:
        """The bins that the text shows, in order: its strategy."""
        return in_sequence(self.occurrences(text))


def in_sequence(grams: Sequence[Occurrence]) -> tuple[str, ...]:
    """The bins of occurrences in order; one that repeats at once counts once."""
    return tuple(name for name, _ in groupby(name for name, _ in grams))


def following_words(text: str, grams: Sequence[Occurrence], *, words: int = FOLLOWING) -> list[tuple[str, str]]:
    """(gram, the next words) where that many words follow before the next gram begins."""
    pairs = []
    for number, (name, span) in enumerate(grams):
        until = grams[number + 1][1][0] if number + 1 < len(grams) else len(text)
        following = [match.group().lower() for match in _WORD.finditer(text, span[1], max(until, span[1]))][:words]
        if len(following) == words:
            pairs.append((name, " ".join(following)))
    return pairs


def often_seen(occurrences: Iterable[Sequence[Occurrence]], *, seen: int = SEEN) -> frozenset[str]:
    """The bins that occur at least `seen` times: only what follows these is counted."""
    counts = Counter(name for grams in occurrences for name, _ in grams)
    return frozenset(name for name, count in counts.items() if count >= seen)


def pairs_of(texts: Sequence[str], occurrences: Sequence[Sequence[Occurrence]]) -> list[tuple[int, Pair]]:
    """(number of the text, (gram, what follows it)) for the grams of each text that are seen often enough in all."""
    often = often_seen(occurrences)
    return [
        (number, pair)
        for number, (text, grams) in enumerate(zip(texts, occurrences, strict=True))
        for pair in following_words(text, grams)
        if pair[0] in often
    ]
