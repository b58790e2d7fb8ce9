"""Reward minus the soft maximum of the siblings, as in online policy mirror descent (arXiv 2505.12951)."""

import math
from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Baseline
from forage.ops.source_policy import check_soft_value, soft_value_advantage


@dataclass(frozen=True, kw_only=True)
class SoftValue(Baseline):
    """scale * (r - V), V = beta ln mean exp(r / beta) over the group; `beta=inf` is the mean."""

    beta: float = math.inf
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_soft_value(self.beta)
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ForageError(f"The weight of the policy gradient must be above 0, not {self.scale}.")

    @property
    def min_group_size(self) -> int:
        return 2

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return self.scale * soft_value_advantage(value, group, beta=self.beta)
