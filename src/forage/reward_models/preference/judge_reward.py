"""A reward from a judge's labels of pairs of siblings (LLM4PG, arXiv 2406.19644), and its placebo."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import torch

from forage.core.errors import ForageError
from forage.core.mode_keys import drawn_from
from forage.core.protocols import Reward
from forage.core.records import Rollout, Score
from forage.engines.local.model_reward import scored
from forage.ops.pair_labels import bradley_terry_strengths, check_prior
from forage.reward_models.preference.judges import Pair, PairJudge, VerdictJudge


@dataclass(frozen=True, kw_only=True)
class JudgeReward(Reward):
    """The strength of each response by the labels that `judge` gives to pairs of siblings (`bradley_terry_strengths`).

    All pairs are judged or, with `opponents`, each response and so many that come after it, in a ring. Equal texts are
    a tie, and no pair of texts is asked about twice. The value becomes `outcome` times what it was plus `weight` times
    the strength; without `outcome` scores are graded. `Score.parts` holds the strength as `reward_model`. What could
    not be judged by the task stays so, and is compared with nothing. With `shuffled` the labels of a group are dealt
    anew among its pairs: the control.
    """

    judge: PairJudge = field(default_factory=VerdictJudge)
    opponents: int = 0
    prior: float = 1.0
    weight: float = 1.0
    outcome: float = 0.0
    shuffled: bool = False

    def __post_init__(self) -> None:
        check_prior(self.prior)
        if self.opponents < 0:
            raise ForageError(f"A response has 1 or more opponents, or 0 for all siblings, not {self.opponents}.")
        if self.weight == 0 or not math.isfinite(self.weight):
            raise ForageError(f"The weight of a judge's reward is a number other than 0, not {self.weight}.")

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        places = [place for place, score in enumerate(scores) if score.judged]
        pairs = ring_pairs(len(places), self.opponents)
        labels = self._labels(rollouts, scores, [(places[a], places[b]) for a, b in pairs])
        if self.shuffled:
            drawn_from(rollouts).shuffle(labels)
        first, second = torch.tensor(pairs, dtype=torch.int64).view(-1, 2).unbind(1)
        strengths = bradley_terry_strengths(
            first, second, torch.tensor(labels, dtype=torch.float64), responses=len(places), prior=self.prior
        ).tolist()
        rewarded = list(scores)
        for place, strength in zip(places, strengths, strict=True):
            rewarded[place] = scored(scores[place], [strength], weight=self.weight, outcome=self.outcome)
        return tuple(rewarded)

    def _labels(self, rollouts: Sequence[Rollout], scores: Sequence[Score], pairs: Sequence[Pair]) -> list[float]:
        """The label of every pair of places. Equal texts are one response, met where it comes first."""
        texts = [rollout.text for rollout in rollouts]
        pairs = [(texts.index(texts[a]), texts.index(texts[b])) for a, b in pairs]
        asked = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
        known = dict(zip(asked, self.judge(rollouts, scores, asked), strict=True)) if asked else {}
        known |= {(b, a): 1 - label for (a, b), label in known.items()}
        return [known.get(pair, 0.5) for pair in pairs]


def ring_pairs(count: int, opponents: int) -> list[Pair]:
    """All pairs of `count` things, or of each and the next `opponents` ones in a ring; no pair comes twice."""
    if not opponents or opponents >= count // 2:
        return list(combinations(range(count), 2))
    return [(place, (place + far) % count) for far in range(1, opponents + 1) for place in range(count)]
