"""A bonus for rare answers, added to settled advantages (arXiv 2509.06941)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class VisitAddition(Shape):
    """A + weight * b, b the signal `visit_bonus`. It acts where all siblings are wrong too."""

    weight: float = 0.2

    at = "sampling"
    needs = frozenset({"visit_bonus"})
    keeps_zero = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ForageError(f"The weight of the bonus must be 0 (off) or more, not {self.weight}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(advantage + self.weight * signals["visit_bonus"], loss_mask)
