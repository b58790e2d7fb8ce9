"""A bonus for turning a wrong start right, and its price for the other way (Satori, arXiv 2502.02508)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forage.core.protocols import Reward
from forage.core.records import Origin, Rollout, Score
from forage.ops.verdict_rewards import check_turn, restart_bonus


@dataclass(frozen=True, kw_only=True)
class RestartBonus(Reward):
    """The reward becomes 0 for a right response and -1 for a wrong one, plus `beta` where a start that was cut back
    from a wrong response ends right, minus `beta` where one from a right response ends wrong. The paper's reward model
    is left out. What other rewards added to the verifier's score before is kept.
    """

    beta: float = 0.5

    def __post_init__(self) -> None:
        check_turn(self.beta)

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        return tuple(self._add(rollout, score) for rollout, score in zip(rollouts, scores, strict=True))

    def _add(self, rollout: Rollout, score: Score) -> Score:
        if not score.judged:
            return score
        cut_from = {Origin.RIGHT: True, Origin.WRONG: False}.get(rollout.start.origin)
        bonus = restart_bonus(score.correct, cut_from, beta=self.beta)
        return replace(score, value=score.value - 1 + bonus, parts={**score.parts, "restart": bonus})
