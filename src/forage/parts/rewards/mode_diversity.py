"""Rewards weighted by how usual a response's mode is among its siblings, and its placebo."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from forage.core.mode_keys import ModeKey, Ways, check_mode_key, mode_keys, permuted
from forage.core.protocols import Reward, Task
from forage.core.records import Rollout, Score
from forage.ops.mode_rewards import ModeRule, check_mode_rule, mode_reward


@dataclass(frozen=True, kw_only=True)
class ModeDiversity(Reward):
    """`mode_reward` of the siblings under `rule`: a right response is worth more, the fewer siblings took its way.

    `key` names the modes (`mode_keys`); "answer" reads them with `task`. Only right responses are weighted, but
    "repetition" also takes from wrong ones that agree, where the key names those. `permuted` is the placebo: the same
    partition of the right siblings with its places drawn by lot. What the verifier said stays in `Score.parts`, and the
    weighted value minus the value before is the part `mode_diversity`.
    """

    rule: ModeRule = "ips"
    alpha: float = 1.0
    strength: float = 0.5
    modes: int = 0
    key: ModeKey | Ways = "mode"
    task: Task | None = None
    permuted: bool = False

    def __post_init__(self) -> None:
        check_mode_rule(self.rule, alpha=self.alpha, strength=self.strength, modes=self.modes)
        check_mode_key(self.key, self.task)

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        keys = mode_keys(rollouts, scores, key=self.key, task=self.task, wrong=self.rule == "repetition")
        if self.permuted:
            keys = permuted(keys, rollouts, scores)
        value = torch.tensor([score.value for score in scores], dtype=torch.float64)
        group = torch.zeros(len(scores), dtype=torch.int64)
        weighted = mode_reward(
            value, keys, group, rule=self.rule, alpha=self.alpha, strength=self.strength, modes=self.modes
        )
        return tuple(
            score.reweighted(new, "mode_diversity") for score, new in zip(scores, weighted.tolist(), strict=True)
        )
