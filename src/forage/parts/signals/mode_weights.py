"""How usual a response is among its siblings, as a number on its tokens: what shapes of settled advantages read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.mode_keys import ModeKey, check_mode_key, mode_keys, permuted
from forage.core.protocols import Signal, Task, Tools
from forage.core.records import Group
from forage.ops.masked import masked
from forage.ops.mode_weights import cue_weight, inverse_weight, set_bonus, ucpo_weight

WeightRule = Literal["inverse", "uniqueness", "cue", "ucpo"]


@dataclass(frozen=True, kw_only=True)
class ModeWeight(Signal):
    """`mode_weight`, equal on all tokens of a response: a factor of its advantage.

    rule "inverse": n^-alpha on right responses, n the right siblings of its mode; "uniqueness": the same on all, with
    wrong responses in clusters of equal text; "cue": `cue_weight`; "ucpo": `ucpo_weight`, which asks for no mode but
    for the mean log-probability per token under the sampler. With `permuted` the weights of right siblings are dealt
    anew among them, and those of wrong ones among those.
    """

    rule: WeightRule
    alpha: float = 1.0
    tau: float = 0.2
    key: ModeKey = "mode"
    task: Task | None = None
    permuted: bool = False

    name = "mode_weight"

    def __post_init__(self) -> None:
        if self.rule not in get_args(WeightRule):
            raise ForageError(f"There is no mode weight {self.rule!r}; there are {', '.join(get_args(WeightRule))}.")
        check_mode_key(self.key, self.task)

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        return on_tokens([self._permuted(group, self._weights(group)) for group in groups], batch)

    def _weights(self, group: Group) -> Tensor:
        """(siblings,) float64."""
        reward, index = _values(group)
        if self.rule == "ucpo":
            right = torch.tensor([score.correct for score in group.scores])
            score = torch.tensor([rollout.mean_logprob for rollout in group.rollouts], dtype=torch.float64)
            return ucpo_weight(score, right, index, tau=self.tau)
        if self.rule == "uniqueness":
            return inverse_weight(reward, clusters(group, self.key, self.task), index, alpha=self.alpha)
        keys = mode_keys(group.rollouts, group.scores, key=self.key, task=self.task, wrong=False)
        return (cue_weight if self.rule == "cue" else inverse_weight)(reward, keys, index, alpha=self.alpha)

    def _permuted(self, group: Group, weights: Tensor) -> Tensor:
        if not self.permuted:
            return weights
        return torch.tensor(permuted(weights.tolist(), group.rollouts, group.scores), dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class SetBonus(Signal):
    """`set_bonus`, equal on all tokens of a response: what it adds to the share of sibling pairs that differ.

    Right responses are clustered by `key`, wrong ones by their text. `permuted` as in `ModeWeight`.
    """

    key: ModeKey = "mode"
    task: Task | None = None
    permuted: bool = False

    name = "set_bonus"

    def __post_init__(self) -> None:
        check_mode_key(self.key, self.task)

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        return on_tokens([self._bonus(group) for group in groups], batch)

    def _bonus(self, group: Group) -> Tensor:
        reward, index = _values(group)
        bonus = set_bonus(reward, clusters(group, self.key, self.task), index)
        if not self.permuted:
            return bonus
        return torch.tensor(permuted(bonus.tolist(), group.rollouts, group.scores), dtype=torch.float64)


def clusters(group: Group, key: ModeKey, task: Task | None) -> list[tuple[bool, str | None]]:
    """A name for every sibling: right ones by their mode, wrong ones by their text."""
    keys = mode_keys(group.rollouts, group.scores, key=key, task=task, wrong=False)
    members = zip(group.rollouts, group.scores, keys, strict=True)
    return [(score.correct, key if score.correct else rollout.text.strip()) for rollout, score, key in members]


def on_tokens(columns: Sequence[Tensor], batch: Batch) -> Tensor:
    """(B, T) float32: the numbers of all siblings of all groups, each on the learned tokens of its row."""
    column = torch.cat(list(columns)).to(batch.tokens.device, torch.float32)[:, None]
    return masked(column.expand(batch.tokens.shape), batch.loss_mask)


def _values(group: Group) -> tuple[Tensor, Tensor]:
    """The rewards of the siblings, and that they are one group."""
    values = torch.tensor([score.value for score in group.scores], dtype=torch.float64)
    return values, torch.zeros(len(values), dtype=torch.int64)
