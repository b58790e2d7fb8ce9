"""An entropy term weighted by the advantage (IBRO, arXiv 2507.18391), and its control."""

import math
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Penalty
from forage.ops.entropy import advantage_entropy


@dataclass(frozen=True, kw_only=True)
class AdvantageEntropy(Penalty):
    """-coefficient * A * H in the loss: the entropy, with its gradient, rises where the advantage is positive.

    The advantage is the settled one, without a gradient. With `unsigned` the weight is |A|, which is the control: the
    entropy rises on good and on bad responses alike.
    """

    coefficient: float
    unsigned: bool = False

    name = "advantage_entropy"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.coefficient) and self.coefficient >= 0):
            raise ForageError(f"The weight of the entropy term must be 0 (off) or more, not {self.coefficient}.")

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        loss_mask = train.batch.loss_mask
        advantage = train.advantage.abs() if self.unsigned else train.advantage
        return advantage_entropy(advantage, forward.entropy, loss_mask)
