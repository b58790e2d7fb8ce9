"""What losses settle once per optimizer step, over all of its tokens, so that no micro-batch can change it.

Axes: B sequences, T tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, StepSignal
from forage.ops.entropy_control import adapted_coefficient
from forage.ops.masked import masked, masked_mean
from forage.ops.ratios import token_ratio
from forage.ops.token_covariance import check_share, largest, share_count, token_covariance


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
        check_share(self.share)
        if not self.low < self.high:
            raise ForageError(f"Covariances qualify between low and high: low < high, not {self.low}, {self.high}.")

    def __call__(self, forward: Forward, train: TrainBatch, state: dict[str, float]) -> Tensor:
        mask, advantage, logprob = _counted(forward, train)
        covariance = token_covariance(advantage, logprob, mask)
        ratio = token_ratio(logprob, train.batch.behaviour, mask)
        stopped = ((advantage > 0) & (ratio > 1 + self.clip_high)) | ((advantage < 0) & (ratio < 1 - self.clip_low))
        eligible = mask & (covariance > self.low) & (covariance < self.high) & ~stopped
        count = min(share_count(self.share, mask), int(eligible.sum()))
        return largest(train.signals["noise"], mask if self.random else eligible, count).float()


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
        score = train.signals["noise"] if self.random else token_covariance(advantage, logprob, mask)
        return largest(score, mask, share_count(self.share, mask)).float()


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
        if not (self.target >= 0 and self.step > 0 and self.maximum > 0):
            raise ForageError(
                f"An entropy controller needs a target of 0 or more and a step and a maximum above 0, not "
                f"{self.target}, {self.step} and {self.maximum}."
            )

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
