"""Right responses that the policy found unlikely are worth more (arXiv 2506.02355), and its placebo."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from forage.core.errors import ForageError
from forage.core.mode_keys import permuted
from forage.core.protocols import Reward
from forage.core.records import Rollout, Score
from forage.ops.likelihood_ranks import unlikeliness_reward


@dataclass(frozen=True, kw_only=True)
class Unlikeliness(Reward):
    """r (1 - beta rank / G), the rank by mean log-probability per token under the sampler, least likely first.

    The rank is among all judged siblings, right and wrong. It needs no mode, and pushes in groups in which all are
    right. Equal responses share a rank. `permuted` is the placebo: the right siblings' likelihoods are dealt anew among
    them. Log-probabilities that the sampler could not tell are left out of the mean.
    """

    beta: float = 0.25
    permuted: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.beta <= 1:
            raise ForageError(
                f"beta is the share of the reward that the likeliest response loses: in [0, 1], not {self.beta}."
            )

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        means = tuple(rollout.mean_logprob for rollout in rollouts)
        if self.permuted:
            means = permuted(means, rollouts, scores)
        value = torch.tensor([score.value for score in scores], dtype=torch.float64)
        likelihood = torch.tensor(means, dtype=torch.float64)
        group = torch.zeros(len(scores), dtype=torch.int64)
        weighted = unlikeliness_reward(value, likelihood, group, beta=self.beta).tolist()
        return tuple(
            score.reweighted(new, "unlikeliness") if score.correct else score
            for score, new in zip(scores, weighted, strict=True)
        )
