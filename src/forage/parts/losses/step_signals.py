"""What losses settle once per optimizer step, over all of its tokens, so that no micro-batch can change it.

Axes: B sequences, T tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import TrainBatch
from forage.core.protocols import Forward, StepSignal
from forage.ops.entropy_control import adapted_coefficient, check_controller
from forage.ops.masked import masked, masked_mean
from forage.ops.token_covariance import (
    check_covariance_bounds,
    check_share,
    clip_cov_tokens,
    kl_cov_tokens,
    largest,
    share_count,
)


@dataclass(frozen=True, kw_only=True)
class ClipCovTokens(StepSignal):
    """`clip_cov`: 1 on random tokens of high covariance, `share` of all, at least one where any qualifies.

    Those qualify whose covariance lies between `low` and `high` and whose ratio the clip [1 - clip_low, 1 + clip_high]
    has not stopped already (arXiv 2505.22617, section 4). With `random` as many tokens are taken from all: the placebo.
    """

    share: float = 2e-4
    low: float = 1.0
    high: float = 5.0
    clip_low: float = 1.0
    clip_high: float = 1.0
    random: bool = False

    name = "clip_cov"
    needs = frozenset({"noise"})

    def __post_init__(self) -> None:
        check_covariance_bounds(self.share, self.low, self.high)

    def __call__(self, forward: Forward, train: TrainBatch, state: dict[str, float]) -> Tensor:
        mask, advantage, logprob = _counted(forward, train)
        noise = train.signals["noise"]
        chosen = clip_cov_tokens(
            advantage,
            logprob,
            train.batch.behaviour,
            noise,
            mask,
            share=self.share,
            low=self.low,
            high=self.high,
            clip_low=self.clip_low,
            clip_high=self.clip_high,
        )
        return (largest(noise, mask, int(chosen.sum())) if self.random else chosen).float()


@dataclass(frozen=True, kw_only=True)
class KLCovTokens(StepSignal):
    """`kl_cov`: 1 on the `share` of tokens with the largest covariance, at least one (arXiv 2505.22617, section 4).

    With `random` as many tokens are drawn from all: the placebo.
    """

    share: float = 2e-4
    random: bool = False

    name = "kl_cov"
    needs = frozenset({"noise"})

    def __post_init__(self) -> None:
        check_share(self.share)

    def __call__(self, forward: Forward, train: TrainBatch, state: dict[str, float]) -> Tensor:
        mask, advantage, logprob = _counted(forward, train)
        if self.random:
            return largest(train.signals["noise"], mask, share_count(self.share, mask)).float()
        return kl_cov_tokens(advantage, logprob, mask, share=self.share).float()


@dataclass(frozen=True, kw_only=True)
class EntropyCoefficient(StepSignal):
    """`entropy_coefficient`, equal on all learned tokens: grows by `step` while the mean entropy is below `target`.

    It shrinks by `step` otherwise, stays in [0, maximum], and is applied only below the target (arXiv 2505.22312). The
    entropy is that of the policy about to be updated, in nats per learned token of the optimizer step.
    """

    target: float = 0.2
    step: float = 1e-4
    maximum: float = 0.005

    name = "entropy_coefficient"

    def __post_init__(self) -> None:
        check_controller(self.target, self.step, self.maximum)

    def __call__(self, forward: Forward, train: TrainBatch, state: dict[str, float]) -> Tensor:
        loss_mask = train.batch.loss_mask
        entropy = float(masked_mean(forward.entropy.detach().double(), loss_mask))
        state[self.name], applied = adapted_coefficient(
            state.get(self.name, 0.0), entropy, target=self.target, step=self.step, maximum=self.maximum
        )
        return masked(torch.full(loss_mask.shape, applied, dtype=torch.float32, device=loss_mask.device), loss_mask)


def _counted(forward: Forward, train: TrainBatch) -> tuple[Tensor, Tensor, Tensor]:
    """The tokens that the surrogate is taken of, (B, T) bool, and there their advantages and log-probabilities."""
    batch = train.batch
    mask = batch.loss_mask & batch.behaviour.isfinite() & ~batch.reward.isnan()[:, None]
    return mask, masked(train.advantage, mask), masked(forward.logprob.detach(), mask)
