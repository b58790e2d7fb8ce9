"""The pull of whole responses to a source policy (DGRO, arXiv 2505.12951)."""

import math
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Penalty
from forage.ops.masked import masked
from forage.ops.source_policy import squared_pull


@dataclass(frozen=True, kw_only=True)
class SamplerPull(Penalty):
    """coefficient * (ln pi(y) / mu(y))^2 per response, mu the policy that sampled: inert at a batch's first update.

    Beside a surrogate under `TokenMean` both terms have one denominator, the tokens of the optimizer step, so their
    ratio is that of the objective per response. Tokens that the sampler could not measure are left out.
    """

    coefficient: float

    name = "pull"

    def __post_init__(self) -> None:
        _check(self.coefficient)

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        measured = train.batch.loss_mask & train.batch.behaviour.isfinite()
        return squared_pull(masked(forward.logprob, measured), masked(train.batch.behaviour, measured), measured)


@dataclass(frozen=True, kw_only=True)
class ReferencePull(Penalty):
    """coefficient * (ln pi(y) / pi_ref(y))^2 per response, pi_ref the policy that training began with."""

    coefficient: float

    name = "pull"
    needs = frozenset({"reference"})

    def __post_init__(self) -> None:
        _check(self.coefficient)

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        loss_mask = train.batch.loss_mask
        return squared_pull(
            masked(forward.logprob, loss_mask), masked(train.signals["reference"], loss_mask), loss_mask
        )


def _check(coefficient: float) -> None:
    if not (math.isfinite(coefficient) and coefficient >= 0):
        raise ForageError(f"The weight of the pull must be 0 (off) or more, not {coefficient}.")
