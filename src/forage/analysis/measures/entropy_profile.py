"""Where in a response the policy is uncertain: entropy by place, and in right against wrong responses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forage.analysis.measures.contrast import DRAWS, Contrast, contrast, mean_interval
from forage.analysis.measures.responses import Bools, Response, flatten
from forage.ops.resampling import Interval

BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Tokens whose place in their response lies in [low, high), and their mean entropy in nats (None: no tokens)."""

    low: float
    high: float
    n: int
    entropy: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntropyProfile:
    """Entropy by place (0: first token, 1: end) over all, right and wrong responses; right against wrong; and cut off.

    Responses that could not be judged are in `everything` only. `truncated` contrasts responses cut by the length
    limit with those that ended by themselves.
    """

    everything: tuple[Bin, ...]
    right: tuple[Bin, ...]
    wrong: tuple[Bin, ...]
    correctness: Contrast
    truncated: Contrast


def entropy_profile(
    responses: Sequence[Response], *, bins: int = BINS, draws: int = DRAWS, seed: int = 0
) -> EntropyProfile:
    """Mean entropies over tokens, with 95% intervals by resampling problems."""
    tokens = flatten(responses)
    right, wrong = tokens.correct > 0, tokens.correct <= 0
    place = np.minimum((tokens.place * bins).astype(np.int64), bins - 1)
    cut = np.array([response.truncated for response in responses], dtype=np.bool_)[tokens.response]

    def curve(member: Bools) -> tuple[Bin, ...]:
        return tuple(
            Bin(
                low=number / bins,
                high=(number + 1) / bins,
                n=int((chosen := member & (place == number) & np.isfinite(tokens.entropy)).sum()),
                entropy=mean_interval(tokens.entropy[chosen], tokens.problem[chosen], draws=draws, seed=seed),
            )
            for number in range(bins)
        )

    judged = right | wrong
    return EntropyProfile(
        everything=curve(np.ones(len(tokens), dtype=np.bool_)),
        right=curve(right),
        wrong=curve(wrong),
        correctness=contrast(tokens.entropy[judged], right[judged], tokens.problem[judged], draws=draws, seed=seed),
        truncated=contrast(tokens.entropy, cut, tokens.problem, draws=draws, seed=seed),
    )
