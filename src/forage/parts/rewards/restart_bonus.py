"""A bonus for turning a wrong start right, and its price for the other way (Satori, arXiv 2502.02508)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forage.core.errors import ForageError
from forage.core.protocols import Reward
from forage.core.records import Origin, Rollout, Score


@dataclass(frozen=True, kw_only=True)
class RestartBonus(Reward):
    """The reward becomes 0 for a right response and -1 for a wrong one, plus `beta` where a start that was cut back
    from a wrong response ends right, minus `beta` where one from a right response ends wrong. The paper's reward model
    is left out. What other rewards added to the verifier's score before is kept.
    """

    beta: float = 0.5

    def __post_init__(self) -> None:
        if not self.beta >= 0:
            raise ForageError(f"beta is what a turn is worth, 0 or more, not {self.beta}.")

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        return tuple(self._add(rollout, score) for rollout, score in zip(rollouts, scores, strict=True))

    def _add(self, rollout: Rollout, score: Score) -> Score:
        if not score.judged:
            return score
        right = score.correct
        bonus = 0.0
        if right and rollout.start.origin is Origin.WRONG:
            bonus = self.beta
        elif not right and rollout.start.origin is Origin.RIGHT:
            bonus = -self.beta
        return replace(score, value=score.value - 1 + bonus, parts={**score.parts, "restart": bonus})
