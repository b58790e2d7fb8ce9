"""Penalties: terms beside the surrogate, always a mean per learned token, whatever the surrogate is averaged over."""

import math
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Penalty
from forage.ops.divergences import KLEstimator, check_estimator, kl_estimate
from forage.ops.masked import masked
from forage.ops.ratios import log_ratio


@dataclass(frozen=True, kw_only=True)
class KLPenalty(Penalty):
    """coefficient * KL(pi || reference), estimated from the sampled tokens (Schulman 2020).

    The estimators differ in value and, used as a loss, in the gradient that they have in expectation over tokens that
    pi itself sampled: "k2" that of KL(pi || reference), the penalty one usually means; "k3" (GRPO, arXiv 2402.03300,
    equation 4) that of KL(reference || pi); "k1" none at all: it is noise around zero, and good for reading only.
    """

    coefficient: float
    estimator: KLEstimator = "k3"

    name = "kl"
    needs = frozenset({"reference"})

    def __post_init__(self) -> None:
        if not (math.isfinite(self.coefficient) and self.coefficient >= 0):
            raise ForageError(f"The coefficient of the KL penalty must be 0 or more, not {self.coefficient}.")
        check_estimator(self.estimator)

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        loss_mask = train.batch.loss_mask
        reference = masked(train.signals["reference"], loss_mask)
        return kl_estimate(masked(forward.logprob, loss_mask), reference, estimator=self.estimator)


@dataclass(frozen=True, kw_only=True)
class EntropyPenalty(Penalty):
    """-coefficient * H in the loss, H the entropy in nats of each token's distribution, with its gradient.

    A positive coefficient raises the entropy, a negative one lowers it (Williams and Peng 1991). Off unless asked for.
    """

    coefficient: float

    name = "entropy"

    def __post_init__(self) -> None:
        if not math.isfinite(self.coefficient):
            raise ForageError(
                f"The coefficient of the entropy penalty must be a finite number, not {self.coefficient}."
            )

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        return -masked(forward.entropy, train.batch.loss_mask)


@dataclass(frozen=True, kw_only=True)
class EntropyTarget(Penalty):
    """-c H in the loss, with the coefficient c of the step signal `entropy_coefficient`, which follows a target."""

    coefficient: float = 1.0

    name = "entropy_target"
    needs = frozenset({"entropy_coefficient"})

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        loss_mask = train.batch.loss_mask
        return -masked(train.signals["entropy_coefficient"], loss_mask) * masked(forward.entropy, loss_mask)


@dataclass(frozen=True, kw_only=True)
class KLCov(Penalty):
    """coefficient * |log pi - log mu| on the tokens of the step signal `kl_cov` (arXiv 2505.22617).

    Exactly on policy it is inert: its value is 0 and so is its gradient.
    """

    coefficient: float = 1.0

    name = "kl_cov"
    needs = frozenset({"kl_cov"})

    def __post_init__(self) -> None:
        if not (math.isfinite(self.coefficient) and self.coefficient >= 0):
            raise ForageError(f"The coefficient of KL-Cov must be 0 or more, not {self.coefficient}.")

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        chosen = train.batch.loss_mask & train.batch.behaviour.isfinite() & train.signals["kl_cov"].bool()
        return log_ratio(forward.logprob, train.batch.behaviour, chosen).abs()
