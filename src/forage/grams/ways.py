"""Ways of right responses, distinguished by shared word grams: no task, list of phrases or encoder is asked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from forage.core.errors import ForageError
from forage.core.mode_keys import Ways
from forage.core.records import Rollout, Score
from forage.grams.words import fold

_WORD = re.compile(r"\w+|[^\w\s]")

Grams = frozenset[tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class GramClusters(Ways):
    """Responses whose sets of word grams are `alike` belong to one way, and so do those that others link (one linkage).

    A gram is `words` words in a row, the ends of the text included; two responses are linked where
    |A and B| / |A or B| >= `alike` of their sets. A way is named by a text of it: by the name that is known, the
    earliest where several are linked, and else by the smallest text of the siblings in it. 1 distinguishes all
    responses but those of the same grams.
    """

    words: int = 2
    alike: float = 0.5

    def __post_init__(self) -> None:
        if self.words < 1 or not 0 < self.alike <= 1:
            raise ForageError(
                f"Ways are distinguished by grams of 1 or more words that are alike by more than 0 and at most 1, not "
                f"{self.words} and {self.alike}."
            )

    def __call__(
        self, rollouts: Sequence[Rollout], scores: Sequence[Score], known: Sequence[str] = ()
    ) -> tuple[str | None, ...]:
        right = sorted({rollout.text for rollout, score in zip(rollouts, scores, strict=True) if score.correct})
        texts = [*known, *(text for text in right if text not in known)]
        cluster = linked([gram_set(text, words=self.words) for text in texts], alike=self.alike)
        # A known name keeps its own responses, also where new ones link it with an older name.
        name = {text: text if text in known else texts[first] for text, first in zip(texts, cluster, strict=True)}
        return tuple(
            name[rollout.text] if score.correct else None for rollout, score in zip(rollouts, scores, strict=True)
        )


def gram_set(text: str, *, words: int) -> Grams:
    """All runs of `words` words and signs of a text in lower case, with its beginning and its end as a word each."""
    spoken = ["", *_WORD.findall(fold(text)), ""]
    return frozenset(tuple(spoken[place : place + words]) for place in range(max(1, len(spoken) - words + 1)))


def linked(sets: Sequence[Grams], *, alike: float) -> list[int]:
    """Of each set the first one in its cluster: those that a chain of pairs of at least this Jaccard index connects."""
    first = list(range(len(sets)))
    for later in range(len(sets)):
        for earlier in range(later):
            low, high = sorted((first[earlier], first[later]))
            if low != high and jaccard(sets[earlier], sets[later]) >= alike:
                first = [low if place == high else place for place in first]
    return first


def jaccard(left: Grams, right: Grams) -> float:
    """The share of the grams of both that both have, in [0, 1]."""
    return len(left & right) / len(left | right)
