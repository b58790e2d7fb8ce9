"""A reward model as a reward: it scores whole responses while the policy learns from it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from forage.core.errors import ForageError
from forage.core.protocols import Reward
from forage.core.records import Rollout, Score
from forage.engines.local.reward_model import RewardModel


@dataclass(frozen=True, kw_only=True)
class ModelReward(Reward):
    """The value becomes `outcome` times what it was plus `weight` times the mean reward of the reward models.

    `models` are folders; several are an ensemble of predictions (for an average of weights, average them first). A
    response that was cut at the length limit is shown to them without an end. What could not be judged stays unjudged.
    Without `outcome` the scores are graded: nothing that learns may ask the verifier any more.
    `Score.parts` keeps what the verifier said, and adds `reward_model`, and `reward_model_spread`, the standard
    deviation over the models, where there are several.
    """

    models: tuple[str, ...]
    weight: float = 1.0
    outcome: float = 0.0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.models:
            raise ForageError("A reward by models needs at least one reward model.")
        if self.weight == 0:
            raise ForageError("A reward model of weight 0 is no reward: leave it out.")

    @cached_property
    def opened(self) -> tuple[RewardModel, ...]:
        """Loaded when the first response is judged."""
        return tuple(RewardModel.load(Path(model), device=self.device) for model in self.models)

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        columns = [self._rewards(model, rollouts) for model in self.opened]
        rows = zip(*columns, strict=True)
        return tuple(
            scored(score, row, weight=self.weight, outcome=self.outcome)
            for score, row in zip(scores, rows, strict=True)
        )

    def _rewards(self, model: RewardModel, rollouts: Sequence[Rollout]) -> list[float]:
        prompt = rollouts[0].start.problem.prompt
        return model.score([model.encode(prompt, each.text, finished=each.stop != "length") for each in rollouts])


def scored(score: Score, rewards: Sequence[float], *, weight: float, outcome: float) -> Score:
    """`outcome` times the value plus `weight` times the mean of what the models of an ensemble say."""
    reward = statistics.fmean(rewards)
    parts = {**score.parts, "reward_model": reward}
    if len(rewards) > 1:
        parts["reward_model_spread"] = statistics.pstdev(rewards)
    value = outcome * score.value + weight * reward
    return replace(score, value=value, parts=parts, graded=score.graded or outcome == 0)
