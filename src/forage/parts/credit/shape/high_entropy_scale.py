"""A control of entropy-based advantage shaping: a factor on uncertain tokens, the same for praise and blame."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class HighEntropyScale(Shape):
    """A * (1 + scale) on the tokens whose entropy is above the `quantile` of all learned tokens of the batch.

    The threshold is the smallest entropy that at least `quantile` of the tokens do not exceed. It is the batch's, never
    a micro-batch's: so this shape looks at the signals of the sampling policy.
    """

    scale: float = 0.2
    quantile: float = 0.8

    at = "sampling"
    needs = frozenset({"entropy"})

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > -1):
            raise ForageError(f"scale must be above -1, so that no advantage changes its sign, not {self.scale}.")
        if not 0 <= self.quantile <= 1:
            raise ForageError(f"quantile must lie between 0 and 1, not {self.quantile}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        entropy = masked(signals["entropy"].detach(), loss_mask)
        high = loss_mask & (entropy > entropy_quantile(entropy[loss_mask], self.quantile))
        return masked(torch.where(high, advantage * (1 + self.scale), advantage), loss_mask)


def entropy_quantile(entropy: Tensor, quantile: float) -> Tensor:
    """() the smallest of `entropy` (N,) that at least the share `quantile` does not exceed; -inf for quantile 0."""
    rank = math.ceil(quantile * len(entropy))
    if rank == 0:
        return entropy.new_tensor(-torch.inf)
    return entropy.sort().values[rank - 1]
